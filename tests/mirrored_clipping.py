"""What clipping and hooks do on two replicas: devices are set before all else."""

import contextlib
import json
import sys

import keras
import numpy as np
import tensorflow as tf
from hooked_models import Probe, Probing, X, Y, fit, length, make_model

from kerasmith.callbacks import GradientClipping

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)
STRATEGY = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def train(make, *kept, mirrored=True, **keywords):
    with STRATEGY.scope() if mirrored else contextlib.nullcontext():
        model = make_model(make())
    before = model.get_weights()
    fit(model, *kept, **keywords)
    after = model.get_weights()
    return after, length([a - b for a, b in zip(after, before, strict=True)])


def differ(one, other):
    return max(float(np.abs(a - b).max()) for a, b in zip(one, other, strict=True))


OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.1, momentum=0.9),
    "adam": lambda: keras.optimizers.Adam(0.01, use_ema=True),
    "scaling": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1)),
}
RULES = {"value": 0.2, "norm": 0.3, "global_norm": 0.4, "adaptive": 0.02}
found = {}
for name, make in OPTIMIZERS.items():
    rules = {**RULES, "percentile": 40} if name == "sgd" else {"global_norm": 0.4}
    for by, threshold in rules.items():
        clipping = [GradientClipping(threshold, by) for _ in range(2)]
        two, _ = train(make, clipping[0])
        one, _ = train(make, clipping[1], mirrored=False)
        rows = [
            [row["gradient_norm"], row["limit"]] for c in clipping for row in c.rows
        ]
        found[f"{name} {by}"] = [differ(one, two), *rows]

# one step of size 1: its length is the norm of what was clipped
one_step = {"steps_per_epoch": 1}
limit = {"global_clipnorm": 0.5}
found["kept"] = train(lambda: keras.optimizers.SGD(1.0, **limit), **one_step)[1]
ours = GradientClipping(0.5)
found["clipped"] = train(lambda: keras.optimizers.SGD(1.0), ours, **one_step)[1]

# a look at the gradients changes nothing, even where Keras clips each replica's
watched = [Probing(Probe()), Probing(Probe())]
own = [
    train(lambda: keras.optimizers.SGD(0.1, global_clipnorm=0.1), *kept)[0]
    for kept in ([], watched[:1])
]
train(lambda: keras.optimizers.SGD(0.1), watched[1], mirrored=False, **one_step)
train(lambda: keras.optimizers.SGD(0.1), watched[0], **one_step)
found["watched"] = [differ(*own), *watched[0].norms, *watched[1].norms]
found["shape"] = [*X.shape, *Y.shape]
sys.stdout.write(json.dumps(found))

"""What rates of layers do on two replicas: devices are set before all else."""

import contextlib
import json
import sys

import keras
import tensorflow as tf
from hooked_models import difference, fit, make_model

from kerasmith.callbacks import DiscriminativeLearningRates

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)
STRATEGY = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def train(make, scope):
    with scope:
        model = make_model(make())
    return fit(model, DiscriminativeLearningRates({"hidden": 0.25, "last": 3}))


found = [
    difference(train(make, STRATEGY.scope()), train(make, contextlib.nullcontext()))
    for make in (
        lambda: keras.optimizers.SGD(0.1, momentum=0.9, weight_decay=0.1),
        lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.01)),
    )
]
sys.stdout.write(json.dumps(found))

"""All callbacks on two replicas, whole and broken off: devices are set before all."""

import contextlib
import pathlib
import sys

import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)
STRATEGY = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])

# the devices stand now
from all_callbacks import BreaksOff, backwards, make_model, same, train  # noqa: E402


def make():
    with STRATEGY.scope():
        return make_model()


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    whole = train(folder / "whole", make=make)
    with contextlib.suppress(KeyboardInterrupt):
        train(folder / "cut", list, BreaksOff(), make=make)
        raise AssertionError("nothing broke it off")
    same(train(folder / "cut", backwards, make=make), whole, 1e-6)

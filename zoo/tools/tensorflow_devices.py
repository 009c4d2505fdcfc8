"""Training on several devices by `tf.distribute`."""

import contextlib
import json
import os
from typing import Any

import tensorflow as tf

from .distribution import OneDevice, Workers, copy_variables
from .replicas import replicate, self_test

# what stands under `distribute` is not in the type stubs
_distribute: Any = tf.distribute


class Replicated(OneDevice):
    """Replicas on the devices of a strategy.

    Args:
        strategy: A strategy of `tf.distribute`.

    Example:

    >>> Replicated(tf.distribute.get_strategy()).steps
    1
    """

    steps = 1

    def __init__(self, strategy):
        self.strategy = strategy

    def check(self, recipe, data):
        check_shares(recipe, data, self.strategy.num_replicas_in_sync)

    def spread(self, model, build, finish, batches):
        return replicate(build, finish, batches, self.strategy)

    def settle(self, trained, model):
        copy_variables(trained, model)


class ReplicatedWorkers(Workers, Replicated):
    """Replicas in several processes.

    Example:

    >>> ReplicatedWorkers(tf.distribute.get_strategy()).alone
    False
    """


def check_shares(recipe, data, count):
    """Refuse batches of which some replica would get nothing.

    Args:
        recipe: `Recipe`.
        data: Its data.
        count: Number of replicas.

    Raises:
        ValueError: If there is such a batch in an epoch.

    Example:

    >>> from .. import recipes
    >>> check_shares(recipes.get("lenet5_digits"), None, 64)
    Traceback (most recent call last):
    ValueError: batches of 32 cannot be divided among 64 replicas: choose a larger ...
    """
    size = recipe.batch_size
    if size < count:
        raise ValueError(
            f"batches of {size} cannot be divided among {count} replicas: choose a "
            "larger batch_size, or fewer devices."
        )
    counts = getattr(getattr(data, "description", None), "counts", None) or {}
    last = counts.get("train", 0) % size
    if 0 < last < count:
        raise ValueError(
            f"the last batch of an epoch has {last} of {counts['train']} examples, too "
            f"few for {count} replicas: choose another batch_size than {size}."
        )


@contextlib.contextmanager
def of_this_machine(devices=None):
    """Open all accelerators of this machine, or parts of its processors.

    Args:
        devices: How many; all accelerators, or two parts of the processors, by
            default.

    Yields:
        `Replicated`.

    Raises:
        ValueError: If there are not as many, or TensorFlow has begun to compute.

    Example:

    >>> of_this_machine.__name__
    'of_this_machine'
    """
    names = _names(devices)
    strategy = _distribute.MirroredStrategy(names)
    self_test(strategy)
    yield Replicated(strategy)


def _names(devices):
    accelerators = tf.config.list_physical_devices("GPU")
    if accelerators:
        if devices is not None and devices > len(accelerators):
            raise ValueError(
                f"this machine has {len(accelerators)} accelerators, received "
                f"devices={devices}."
            )
        return [f"GPU:{i}" for i in range(devices or len(accelerators))]
    count = devices or 2
    processor = tf.config.list_physical_devices("CPU")[0]
    parts = [tf.config.LogicalDeviceConfiguration()] * count
    try:
        tf.config.set_logical_device_configuration(processor, parts)
    except RuntimeError:
        if len(tf.config.list_logical_devices("CPU")) != count:
            raise ValueError(
                "TensorFlow has begun to compute in this process, and cannot divide "
                f"its processors into {count} devices any more: call zoo.train first, "
                "in a process of its own."
            ) from None
    return [f"CPU:{i}" for i in range(count)]


@contextlib.contextmanager
def of_workers(cluster, line):
    """Open the devices of all processes of a cluster.

    Args:
        cluster: `Cluster`.
        line: `Line` between its processes.

    Yields:
        `ReplicatedWorkers`.

    Raises:
        ValueError: If TensorFlow has begun to compute.

    Example:

    >>> of_workers.__name__
    'of_workers'
    """
    task = {"type": "worker", "index": cluster.rank}
    told = {"cluster": {"worker": list(cluster.addresses)}, "task": task}
    os.environ["TF_CONFIG"] = json.dumps(told)
    try:
        strategy = _distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as problem:
        raise ValueError(
            "TensorFlow has begun to compute in this process, and cannot join others "
            "any more: call zoo.train first, in a process of its own."
        ) from problem
    self_test(strategy)
    group = ReplicatedWorkers(strategy)
    group.join(line)
    try:
        yield group
    finally:
        group.leave()

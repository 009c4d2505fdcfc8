"""Training on several devices by `keras.distribution` of JAX."""

import contextlib
import math
from typing import Any

import keras
from keras import distribution

from .distribution import OneDevice, Workers, copy_variables

_AXIS = "batch"


class Whole(distribution.DataParallel):
    """Weights and batches that every device has whole.

    `Sharded` divides the batches, where they can be: data that are divided on their
    way need a multiple of the devices in every batch, and other data in each process.

    Args:
        devices: Names of the devices, as `keras.distribution.list_devices` gives them.

    Example:

    >>> Whole.__mro__[1].__name__
    'DataParallel'
    """

    def __init__(self, devices):
        super().__init__(devices=devices, auto_shard_dataset=False)

    def get_data_layout(self, data_shape):
        """Give the layout of a batch.

        Args:
            data_shape: Its shape.

        Returns:
            `keras.distribution.TensorLayout`.
        """
        return distribution.TensorLayout([None] * len(data_shape), self.device_mesh)


class Sharded(keras.Model):
    """A functional model whose batches are divided among devices.

    A batch that is no multiple of the devices is computed on each of them whole, so
    that the result is that of one device in either case.

    Args:
        inner: The functional model.
        mesh: `keras.distribution.DeviceMesh` of one axis.

    Example:

    >>> issubclass(Sharded, keras.Model)
    True
    """

    def __init__(self, inner, mesh):
        super().__init__(inner.inputs, inner.outputs, name=inner.name)
        # in functions, so that Keras does not track it
        self._mesh = lambda: mesh

    def call(self, inputs, training=None, mask=None, **keywords):
        inputs = keras.tree.map_structure(self._divide, inputs)
        return super().call(inputs, training=training, mask=mask, **keywords)

    def _divide(self, batch):
        mesh = self._mesh()
        size = batch.shape[0] if len(batch.shape) else None
        symbolic = isinstance(batch, keras.KerasTensor)
        if symbolic or not size or size % math.prod(mesh.shape):
            return batch
        axes = [mesh.axis_names[0], *[None] * (len(batch.shape) - 1)]
        layout = distribution.TensorLayout(axes, mesh)
        return distribution.distribute_tensor(
            keras.ops.convert_to_tensor(batch), layout
        )


class Shards(OneDevice):
    """Devices of JAX.

    Args:
        devices: Their names.

    Example:

    >>> Shards(["cpu:0", "cpu:1"]).steps is None
    True
    """

    def __init__(self, devices):
        self.devices: Any = list(devices)

    def spread(self, model, build, finish, batches):
        whole = Whole(self.devices)
        distribution.set_distribution(whole)
        made = Sharded(build(), whole.device_mesh)
        finish(made)
        return made

    def settle(self, trained, model):
        distribution.set_distribution(None)
        copy_variables(trained, model)


class ShardedWorkers(Workers, Shards):
    """Devices of JAX in several processes.

    Example:

    >>> ShardedWorkers(["cpu:0"]).alone
    False
    """


@contextlib.contextmanager
def of_this_machine(devices=None):
    """Open all accelerators of this machine, or parts of its processors.

    Args:
        devices: How many; all accelerators, or two parts of the processors, by
            default.

    Yields:
        `Shards`.

    Raises:
        ValueError: If there are not as many, or JAX has begun to compute.

    Example:

    >>> of_this_machine.__name__
    'of_this_machine'
    """
    import jax

    with contextlib.suppress(RuntimeError):  # it has begun to compute
        jax.config.update("jax_num_cpu_devices", devices or 2)
    names = distribution.list_devices()
    if len(names) < (devices or 2):
        raise ValueError(
            f"JAX has {len(names)} devices in this process, fewer than "
            f"{devices or 2}. Parts of the processors can be made only before JAX "
            "begins to compute: call zoo.train first, in a process of its own."
        )
    on_processors = jax.default_backend() == "cpu"
    try:
        yield Shards(names[: devices or (2 if on_processors else None)])
    finally:
        distribution.set_distribution(None)


@contextlib.contextmanager
def of_workers(cluster, line):
    """Open the devices of all processes of a cluster.

    Args:
        cluster: `Cluster`.
        line: `Line` between its processes.

    Yields:
        `ShardedWorkers`.

    Raises:
        ValueError: If JAX has begun to compute.

    Example:

    >>> of_workers.__name__
    'of_workers'
    """
    import jax

    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    count = len(cluster.addresses)
    try:
        distribution.initialize(cluster.addresses[0], count, cluster.rank)
    except RuntimeError as problem:
        raise ValueError(
            f"JAX cannot join other processes ({problem}): call zoo.train first, in a "
            "process of its own."
        ) from problem
    group = ShardedWorkers(distribution.list_devices())
    group.join(line)
    try:
        yield group
    finally:
        group.leave()
        distribution.set_distribution(None)

"""Replicas of a model, trained side by side by `tf.distribute`.

Keras 3 cannot `fit` under `MultiWorkerMirroredStrategy` (issue 20585: it reduces
results that it cannot reduce), and under `MirroredStrategy` it weighs each replica's
mean alike however many examples came of it. `Replicas` overrides what is public, the
making of the train and the test function, and is built outside of the strategy's
scope, where Keras looks for no first batch of its own. `self_test` holds one step of
it against arithmetic on paper before every training.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from .divided import as_batches, divided

# what stands under `distribute` is not in the type stubs
_distribute: Any = tf.distribute
# the losses whose value is a mean over examples
_MEANS = ("sum_over_batch_size", "mean", "mean_with_sample_weight")
_PRIME = 7919


class Replicas(keras.Model):
    """A model of Keras whose replicas learn as one model on one device does.

    Loss, metrics and gradients are those of the whole batch, however it is divided.
    Each replica draws other random numbers, so that a dropout is not the same on all.

    Made of the inputs and outputs of a functional model that was built in the scope of
    a strategy, and compiled there; itself it is made, and trained, outside.

    Args:
        inner: The functional model.
        strategy: The strategy.

    Example:

    >>> issubclass(Replicas, keras.Model)
    True
    """

    train_function: Any
    test_function: Any

    def __init__(self, inner, strategy):
        super().__init__(inner.inputs, inner.outputs, name=inner.name)
        self._on = strategy

    @property
    def distribute_strategy(self):
        """The strategy, of which Keras asks nothing else."""
        return self._on

    def make_train_function(self, force=False):
        """Make what trains on the next batch of an iterator.

        Args:
            force: Whether one that is there is replaced.
        """
        if self.train_function is None or force:
            self.train_function = self._on_all(self._learn)

    def make_test_function(self, force=False):
        """Make what judges the next batch of an iterator.

        Args:
            force: Whether one that is there is replaced.
        """
        if self.test_function is None or force:
            self.test_function = self._on_all(self._judge)

    def fit(self, x=None, *arguments, validation_data=None, **keywords):
        """Train as `keras.Model.fit` does.

        Args:
            x: Batches: a `tf.data.Dataset`, or a `keras.utils.PyDataset` such as
                `kerasmith.callbacks.ShuffledBatches`.
            *arguments: None.
            validation_data: Such batches, or a tuple of arrays.
            **keywords: As for `keras.Model.fit`.

        Returns:
            The history.

        Raises:
            TypeError: If the data are no batches.
        """
        kinds = (tf.data.Dataset, _distribute.DistributedDataset)
        if arguments or not isinstance(x, (*kinds, keras.utils.PyDataset)):
            raise TypeError(
                f"replicas are trained on batches, received {type(x).__name__}: give "
                "arrays as kerasmith.callbacks.ShuffledBatches(x, y, batch_size=..., "
                "seed=...)."
            )
        if isinstance(validation_data, tuple):
            parts = dict(
                zip(("x", "y", "sample_weight"), validation_data, strict=False)
            )
            size = keywords.get("validation_batch_size")
            validation_data = self._spread(**parts, batch_size=size)
        elif validation_data is not None:
            validation_data = self._spread(validation_data)
        given = {"shuffle": False, **keywords, "validation_data": validation_data}
        return super().fit(self._spread(x), **given)

    def evaluate(
        self, x=None, y=None, batch_size=None, *, sample_weight=None, **keywords
    ):
        """Judge as `keras.Model.evaluate` does.

        Args:
            x: As for `keras.Model.evaluate`.
            y: Likewise.
            batch_size: Likewise.
            sample_weight: Likewise.
            **keywords: Likewise.

        Returns:
            The metrics.
        """
        return super().evaluate(
            self._spread(x, y, sample_weight, batch_size), **keywords
        )

    def _spread(self, x, y=None, sample_weight=None, batch_size=None):
        data = as_batches(x, y, sample_weight, batch_size)
        plain = isinstance(data, tf.data.Dataset)
        return divided(data, self._on) if plain else data

    def _on_all(self, step):
        """Give a function that has each replica make a step; its logs are of all."""

        def run(data):
            self._on.run(step, args=(data,))
            return self.get_metrics_result()

        if self.run_eagerly:
            return lambda iterator: run(next(iterator))
        on_data = tf.function(run, reduce_retracing=True)
        on_next = tf.function(lambda iterator: run(next(iterator)))

        def function(iterator):
            kinds = (tf.data.Iterator, _distribute.DistributedIterator)
            if isinstance(iterator, kinds):
                return on_next(iterator)
            return on_data(next(iterator))

        return function

    def _learn(self, data):
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        variables = self.trainable_variables
        self._shift_seeds(1)
        with tf.GradientTape() as tape:
            outputs = self(x, training=True)
            loss, counts = self._share_of_loss(x, y, outputs, weight, True)
            scaled = self.optimizer.scale_loss(loss)
        self._shift_seeds(-1)
        gradients = tape.gradient(scaled, variables)
        self.optimizer.apply(gradients, variables)
        self._note(x, y, outputs, weight, loss, counts)

    def _judge(self, data):
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        outputs = self(x, training=False)
        loss, counts = self._share_of_loss(x, y, outputs, weight, False)
        self._note(x, y, outputs, weight, loss, counts)

    def _share_of_loss(self, x, y, outputs, weight, training):
        """Give this replica's share, so that the sum over all is the batch's mean."""
        size = tf.shape(keras.tree.flatten(x)[0])[0]
        mine = tf.cast(size, tf.float32)
        context = _distribute.get_replica_context()
        whole = context.all_reduce(_distribute.ReduceOp.SUM, mine)
        # Keras has divided the mean over mine by the number of replicas
        share = mine * float(context.num_replicas_in_sync) / whole
        loss = self.compute_loss(x, y, outputs, weight, training=training)
        return loss * tf.cast(share, loss.dtype), (mine, whole)

    def _note(self, x, y, outputs, weight, loss, counts):
        """Let the metrics see this replica's part: read, they sum over all."""
        mine, whole = counts
        mean = tf.cast(loss, tf.float32) * whole / tf.maximum(mine, 1.0)
        mean = tf.where(mine > 0, mean, tf.zeros_like(mean))  # of nothing it is NaN
        _loss_of(self).update_state(mean, sample_weight=mine)
        self.compute_metrics(x, y, outputs, weight)

    def _shift_seeds(self, sign):
        context = _distribute.get_replica_context()
        if context.num_replicas_in_sync == 1:
            return
        number = tf.cast(context.replica_id_in_sync_group, tf.int64) * _PRIME * sign
        for state in _seeds(self):
            moved = tf.cast(state.value, tf.int64) + tf.stack([number, 0 * number])
            state.assign(tf.cast(moved, state.dtype))


def _loss_of(model):
    return next(metric for metric in model.metrics if metric.name == "loss")


def _seeds(model):
    return [v for v in model.variables if v.path.endswith("seed_generator_state")]


class _Metrics(keras.Operation):
    """What a batch makes of the variables of metrics and of a loss, without numbers."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def call(self, x, y, weight=None):
        outputs = self.model(x)
        self.model.compute_metrics(x, y, outputs, weight)
        return self.model.compute_loss(x, y, outputs, weight)


def replicate(build, finish, batches, strategy):
    """Make replicas of a model.

    Args:
        build: Function without arguments that gives a functional model.
        finish: Function of a model that compiles it.
        batches: Batches like those of the training, of which only shapes are read.
        strategy: The strategy.

    Returns:
        `Replicas`, with all the variables that training needs.

    Raises:
        ValueError: If its loss is no mean over examples.

    Example:

    >>> replicate.__name__
    'replicate'
    """
    with strategy.scope():
        inner = build()
    _synchronize(inner)
    model = Replicas(inner, strategy)
    with strategy.scope():
        finish(model)
        reduction = getattr(model.loss, "reduction", _MEANS[0])
        if reduction not in _MEANS:
            raise ValueError(
                f"the loss is taken with reduction={reduction!r}: on several replicas "
                f"it needs to be a mean over the examples, so one of {_MEANS}."
            )
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        _Metrics(model).compute_output_spec(
            *keras.tree.map_structure(
                lambda spec: keras.KerasTensor(spec.shape, spec.dtype.name),
                batches.element_spec,
            )
        )
    return model


def _synchronize(model):
    """Let batch norms see the whole batch, as they do on one device."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            _synchronize(layer)
        elif isinstance(layer, keras.layers.BatchNormalization):
            ghosts = getattr(layer, "virtual_batch_size", None)
            layer.synchronized = not (layer.renorm or ghosts)


def self_test(strategy):
    """Hold a step of `Replicas` against the same step on paper.

    Args:
        strategy: The strategy.

    Raises:
        RuntimeError: If this TensorFlow and this Keras do not make it.

    Example:

    >>> if keras.config.backend() == "tensorflow":
    ...     self_test(tf.distribute.get_strategy())
    """
    count = strategy.num_replicas_in_sync + 1  # that cannot be divided evenly
    x = np.arange(1, count + 1, dtype="float32")[:, None]
    batches = tf.data.Dataset.from_tensor_slices((x, 3 * x)).batch(count)

    def build():
        dense = keras.layers.Dense(1, kernel_initializer="ones", use_bias=False)
        return keras.Sequential([keras.Input((1,)), dense])

    def finish(model):
        model.compile(keras.optimizers.SGD(0.01), "mse", metrics=["mae"])

    try:
        model = replicate(build, finish, batches, strategy)
        logs = model.fit(batches, shuffle=False, verbose=0).history
        found = [*logs["loss"], *logs["mae"], float(model.get_weights()[0][0, 0])]
    except _distribute_errors as problem:
        raise RuntimeError(_told(problem)) from problem
    squares = float(np.mean(x**2))
    wanted = [4 * squares, 2 * float(np.mean(x)), 1 + 0.04 * squares]
    if not np.allclose(found, wanted, rtol=1e-5):
        raise RuntimeError(_told(f"a step gave {found} in the place of {wanted}"))


_distribute_errors = (ValueError, TypeError, AttributeError, RuntimeError, KeyError)


def _told(problem):
    return (
        f"TensorFlow {tf.__version__} and Keras {keras.__version__} do not train "
        f"replicas as they should ({problem}). Tried with TensorFlow 2.21 and Keras "
        "3.15: install these, or train on one device or on JAX."
    )

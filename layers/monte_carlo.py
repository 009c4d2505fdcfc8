"""Predictions with their uncertainty, by dropout at inference."""

import contextlib

import keras
from keras import ops

from . import native


@keras.saving.register_keras_serializable("kerasmith")
class MonteCarlo(keras.Model):
    """Predict many times with dropout on, and give mean and standard deviation.

    Dropout of any kind, and other noise, acts as in training. Batch normalisation
    does not: it stays in inference mode, with its moving statistics, and keeps these.
    No variable of the model changes but the seeds, which move on, so that each call
    draws anew.

    The samples are drawn one after another: memory is that of one prediction,
    whatever their number. Mean and variance are updated sample by sample in float32
    by Welford's method, which loses no digits to cancellation.

    It draws whether `training` is true or not: it is there to predict, and is not
    trained. Train the model, which it shares its weights with.

    Args:
        model: Any layer or model. Layers that draw own their seeds; set these, or
            `keras.utils.set_random_seed` before the model is built, to repeat
            results.
        samples: Number of predictions, 2 or more. The standard error of the mean is
            the standard deviation over its square root.

    Call arguments:
        inputs: What the model takes.

    Returns:
        Dictionary with the entries `"mean"` and `"standard_deviation"`, each with the
        structure and shapes of the model's outputs, in float32. The variance is the
        unbiased one, divided by `samples - 1`.

    Raises:
        ValueError: If `samples` is less than 2.
        TypeError: If `model` is no layer or model of Keras.

    Example:

    >>> import numpy as np
    >>> layers = [keras.layers.Dropout(0.5), keras.layers.Dense(1)]
    >>> model = MonteCarlo(keras.Sequential(layers), samples=5)
    >>> found = model.predict(np.ones((3, 9)), verbose=0)
    >>> found["mean"].shape, found["standard_deviation"].shape
    ((3, 1), (3, 1))

    Reference:
        Gal and Ghahramani, 2016, https://arxiv.org/abs/1506.02142
    """

    def __init__(self, model, samples=50, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(model, keras.layers.Layer):
            raise TypeError(
                "MonteCarlo needs a layer or model of Keras, received "
                f"{type(model).__name__}."
            )
        if not isinstance(samples, int) or samples < 2:
            raise ValueError(
                "MonteCarlo needs 2 samples or more, received "
                f"samples={samples!r}: one alone has no standard deviation."
            )
        self.model = model
        self.samples = samples

    def build(self, input_shape):
        if not all(part.built for part in _layers_in(self.model)):
            # what a layer makes when it is first called cannot be made in a scope
            self.model(_symbolic(input_shape))
        self.built = True

    def call(self, inputs):
        weights = {id(variable) for variable in self.model.weights}
        seeds = [v for v in self.model.variables if id(v) not in weights]
        states = [ops.convert_to_tensor(seed) for seed in seeds]
        first, states = self._sample(inputs, seeds, states)
        structure, means = first, keras.tree.flatten(first)
        squares = [ops.zeros_like(mean) for mean in means]

        def step(index, carried):
            states, means, squares = carried
            outputs, states = self._sample(inputs, seeds, states)
            count = ops.cast(index + 2, "float32")
            updates = [
                _update(count, *three)
                for three in zip(
                    keras.tree.flatten(outputs), means, squares, strict=True
                )
            ]
            return [states, *map(list, zip(*updates, strict=True))]

        states, means, squares = native.of("loops").repeat(
            step, [states, means, squares], self.samples - 1
        )
        for seed, state in zip(seeds, states, strict=True):
            seed.assign(state)
        deviations = [ops.sqrt(square / (self.samples - 1)) for square in squares]
        return {
            "mean": keras.tree.pack_sequence_as(structure, means),
            "standard_deviation": keras.tree.pack_sequence_as(structure, deviations),
        }

    def _sample(self, inputs, seeds, states):
        """Predict once, give the result and what comes of the seeds.

        Whatever else the model writes to its variables is forgotten with the scope.
        """
        variables = self.model.variables
        values = {id(v): ops.convert_to_tensor(v) for v in variables}
        values.update({id(v): state for v, state in zip(seeds, states, strict=True)})
        with _batch_norm_at_rest(self.model):
            with keras.StatelessScope([(v, values[id(v)]) for v in variables]) as scope:
                outputs = self.model(inputs, training=True)
        outputs = keras.tree.map_structure(_in_float32, outputs)
        return outputs, [scope.get_current_value(seed) for seed in seeds]

    def compute_output_spec(self, inputs):
        one = self.model.compute_output_spec(inputs)

        def in_float32(spec):
            return keras.KerasTensor(spec.shape, "float32")

        names = ("mean", "standard_deviation")
        return {name: keras.tree.map_structure(in_float32, one) for name in names}

    def compute_output_shape(self, input_shape):
        one = self.model.compute_output_shape(input_shape)
        return {"mean": one, "standard_deviation": one}

    def get_config(self):
        return {
            **super().get_config(),
            "model": keras.saving.serialize_keras_object(self.model),
            "samples": self.samples,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        model = keras.saving.deserialize_keras_object(
            config.pop("model"), custom_objects=custom_objects
        )
        return cls(model, **config)


@contextlib.contextmanager
def _batch_norm_at_rest(model):
    """Keep batch normalisation in inference mode, by what Keras provides for it.

    A layer of it that is not trainable uses its moving statistics even in training.
    """
    norms = [
        part
        for part in _layers_in(model)
        if isinstance(part, keras.layers.BatchNormalization) and part.trainable
    ]
    variables = [(v, v.trainable) for norm in norms for v in norm.variables]
    try:
        for norm in norms:
            norm.trainable = False
        yield
    finally:
        for norm in norms:
            norm.trainable = True
        for variable, trainable in variables:
            variable.trainable = trainable


def _layers_in(layer):
    """Give a layer and every layer inside it, in lists and dictionaries too."""
    found, seen, waiting = [], set(), [layer]
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, keras.layers.Layer):
            found.append(thing)
            waiting += vars(thing).values()
        elif isinstance(thing, dict):
            waiting += thing.values()
        elif isinstance(thing, list | tuple | set):
            waiting += thing
    return found


def _symbolic(shape):
    """Make symbolic inputs of a shape, or of nested shapes."""
    if isinstance(shape, dict):
        return {name: _symbolic(one) for name, one in shape.items()}
    if any(isinstance(one, list | tuple | dict) for one in shape):
        return type(shape)(_symbolic(one) for one in shape)
    return keras.KerasTensor(shape)


def _in_float32(output):
    return ops.cast(output, "float32")


def _update(count, value, mean, square):
    """Take one more value into a mean and a sum of squared deviations."""
    deviation = value - mean
    mean = mean + deviation / count
    return mean, square + deviation * (value - mean)

"""What the layers of a model give for some inputs: mean, deviation, dead units.

The layers' `call` is listened to while the model runs, and not a second model of all
outputs built, since that exists for functional models only, and ends at the border of
a model inside a model. Keras compiles and runs it as it does `predict`.
"""

import contextlib
import functools
import warnings

import keras
import numpy as np
from keras import ops

NOT_ASKED = -1.0


class Activations:
    """Measures the outputs of every layer of a model.

    A layer is one that `model.layers` lists, with those of models inside models. A
    unit is an entry of the last axis (of the axis of channels, where a layer says
    that they come first); it is dead where a layer whose activation gives 0 for all
    negative numbers gives it as 0 for all samples and positions.

    Args:
        model: A built model.

    Attributes:
        names: Names of the layers in the order in which they ran.

    Example:

    >>> dense = keras.layers.Dense(2, "relu", bias_initializer=lambda s, dtype: [-9, 0])
    >>> model = keras.Sequential([keras.Input((1,)), dense])
    >>> found = Activations(model)(np.ones((4, 1), "float32"))
    >>> found["dead"].shape, bool(found["dead"][0] >= 0.5)
    ((1,), True)
    """

    def __init__(self, model):
        self.names = []
        self.probe = _Probe(model, _units(model), self.names)

    def __call__(self, inputs):
        """Run the model in inference mode.

        Args:
            inputs: Inputs of one batch.

        Returns:
            Dictionary of arrays with a number for each layer: `mean` and `std` of the
            outputs, `dead`, the share of dead units or `NOT_ASKED`, and `finite`,
            1 where all outputs are finite.
        """
        rows = np.asarray(self.probe.predict_on_batch(inputs)).T
        return dict(zip(("mean", "std", "dead", "finite"), rows, strict=True))


class _Probe(keras.Model):
    def __init__(self, model, units, names):
        super().__init__(name="activations")
        self.model = model
        self.measures = {id(unit): _measure(unit) for unit in units}
        # in functions, so that Keras does not track them
        self.units, self.names = lambda: units, lambda: names

    def call(self, inputs, training=None):
        names, rows = self.names(), []
        names.clear()

        def hear(unit, call, *arguments, **keywords):
            outputs = call(*arguments, **keywords)
            tensors = [t for t in keras.tree.flatten(outputs) if t is not None]
            if tensors:
                names.append(unit.name)
                rows.append(self.measures[id(unit)](tensors[0]))
            return outputs

        with _listening(self.units(), hear):
            self.model(inputs)  # what `training` is, Keras passes on
        return ops.stack(rows)


@contextlib.contextmanager
def _listening(units, hear):
    found = [(unit, vars(unit).get("call")) for unit in units]
    try:
        for unit in units:
            vars(unit)["call"] = functools.partial(hear, unit, unit.call)
        yield
    finally:
        for unit, own in found:
            vars(unit).pop("call", None)
            if own is not None:
                vars(unit)["call"] = own


def _units(model):
    """List the layers to listen to: not inside others, where loops may call them."""
    found = []
    for layer in model.layers:
        inside = _units(layer) if isinstance(layer, keras.Model) else [layer]
        found += [unit for unit in inside if all(unit is not one for one in found)]
    return [u for u in found if not isinstance(u, keras.layers.InputLayer)]


def _measure(unit):
    """Make the function that measures a tensor of a layer."""
    asked = cuts_negatives(unit)
    first = getattr(unit, "data_format", None) == "channels_first"

    def measure(tensor):
        values = ops.cast(tensor, "float32")
        mean = ops.mean(values)
        std = ops.sqrt(ops.mean(ops.square(values - mean)))
        finite = ops.cast(ops.all(ops.isfinite(values)), "float32")
        rank = len(values.shape)
        dead = ops.convert_to_tensor(NOT_ASKED, "float32")
        if asked and rank > 1:
            axis = 1 if first else rank - 1
            others = [i for i in range(rank) if i != axis]
            dead = ops.all(ops.equal(values, 0.0), axis=others)
            dead = ops.mean(ops.cast(dead, "float32"))
        return ops.stack([mean, std, dead, finite])

    return measure


def cuts_negatives(layer):
    """Tell whether a layer's activation gives 0 for all negative numbers, as ReLU.

    Args:
        layer: A layer.

    Returns:
        Boolean.

    Example:

    >>> dense = keras.layers.Dense
    >>> [cuts_negatives(dense(1, name)) for name in ("relu", "relu6", "gelu", None)]
    [True, True, False, False]
    >>> cuts_negatives(keras.layers.ReLU()), cuts_negatives(keras.layers.LeakyReLU())
    (True, False)
    """
    if isinstance(layer, keras.layers.ReLU):
        return not layer.negative_slope
    function = getattr(layer, "activation", None)
    if not callable(function):
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # softmax complains of one number
            values = function(ops.convert_to_tensor([[-8.0], [-1.0], [1.0]]))
        low, middle, high = ops.convert_to_numpy(values).ravel()
    except (TypeError, ValueError):  # not a function of one number
        return False
    return bool(low == middle == 0 < high)

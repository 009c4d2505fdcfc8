"""Learning rates that differ from layer to layer."""

import math
import threading

import keras
from keras import ops

from . import optimizer_hooks
from .layer_walk import chosen, layers_in


class MultiplierHook(optimizer_hooks.OptimizerHook):
    """Multiply what an update has changed, weight by weight.

    The changes of the optimizer are scaled, not its gradients: an optimizer that
    divides by the size of its gradients, as Adam does, would undo that.

    Args:
        multipliers: Dictionary of the variables' identities and their multipliers.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile(keras.optimizers.SGD(1.0), "mse")
    >>> hook = MultiplierHook({id(model.weights[0]): 0.5})
    >>> optimizer_hooks.attach(model, hook)
    >>> optimizer_hooks.detach(model, hook)
    """

    order = 200  # what others do to the weights is part of the change

    def __init__(self, multipliers):
        self.multipliers = multipliers
        # replicas of MirroredStrategy trace in threads that take turns
        self.now = threading.local()

    def transform(self, gradients, variables):
        """Keep the weights as they are before weight decay and the step."""
        self.now.before = [
            (variable, ops.copy(ops.convert_to_tensor(variable)))
            for variable in variables
            if self.multipliers.get(id(variable), 1.0) != 1.0
        ]
        return gradients

    def updated(self, variables):
        """Go only a part of the way from there, or further."""
        for variable, old in self.now.before:
            change = ops.convert_to_tensor(variable) - old
            variable.assign(old + self.multipliers[id(variable)] * change)
        self.now.before = []  # no tensor of the step outlives it


class DiscriminativeLearningRates(keras.callbacks.Callback):
    """Give some layers another learning rate than the rest.

    Whatever the optimizer and the schedule, the change that each update makes to a
    weight is multiplied, weight decay included:

        weight <- weight + multiplier * (change by the optimizer)

    That equals a learning rate of `multiplier * learning_rate` for every optimizer
    whose change is proportional to its rate: SGD with momentum, Adam, AdamW, RMSprop,
    Lion and so on. Averages of the weights (`use_ema=True`) follow the weights as they
    are then. What is saved is a plain Keras model; pass the callback again to go on.

    Fine-tuning takes lower rates for the earlier layers, whose features serve any
    task: a factor of 2.6 a stage in the paper. `kerasmith.zoo.stage_rates` makes this
    callback so for the networks of the zoo.

    Args:
        multipliers: Dictionary of layers and their multipliers, above 0. Layers are
            told by a name (`*` stands for any letters), an index into `model.layers`,
            a class, or a tuple of these; one that contains layers stands for all of
            them. Where several stand for a layer, the last counts; a layer for which
            none does has 1.

    Attributes:
        applied: Dictionary of the paths of the weights that trained when the last
            training began, and their multipliers.

    Raises:
        TypeError: If the multipliers are no dictionary.
        ValueError: If a multiplier is not finite and above 0, or, before the first
            step, if one stands for no layer, the model has several optimizers, or the
            optimizer is Ftrl or ScheduleFreeAdamW, which make new weights from sums
            of their own instead of changing the old ones.

    Example:

    >>> import numpy as np
    >>> names = ("body", "head")
    >>> layers = [keras.layers.Dense(1, name=name) for name in names]
    >>> model = keras.Sequential([keras.Input((1,)), *layers])
    >>> model.set_weights([np.ones(w.shape) for w in model.weights])
    >>> model.compile(keras.optimizers.SGD(0.1), "mse")
    >>> rates = DiscriminativeLearningRates({"body": 0.5})
    >>> x, y = np.zeros((4, 1)), np.ones((4, 1))
    >>> _ = model.fit(x, y, epochs=1, verbose=0, callbacks=[rates])
    >>> for layer in model.layers:  # the same gradient came to both biases
    ...     print(layer.name, round(float(layer.get_weights()[1][0]), 4))
    body 0.9
    head 0.8

    Reference:
        Howard and Ruder, 2018, https://arxiv.org/abs/1801.06146
    """

    def __init__(self, multipliers):
        super().__init__()
        if not isinstance(multipliers, dict) or not multipliers:
            raise TypeError(
                "DiscriminativeLearningRates needs a dictionary of layers and "
                f"multipliers, such as {{'stage1*': 0.1}}, received {multipliers!r}."
            )
        for wanted, multiplier in multipliers.items():
            if not is_multiplier(multiplier):
                raise ValueError(
                    "DiscriminativeLearningRates needs multipliers that are finite and "
                    f"above 0, received {multiplier!r} for {wanted!r}. To keep layers "
                    "as they are, set trainable = False before compile()."
                )
        self.multipliers = dict(multipliers)
        self.applied = {}

    def on_train_begin(self, logs=None):
        _refuse_own_sums(self.model)
        found = by_weight(self.model, self.multipliers)
        self.applied = {
            weight.path: found.get(id(weight), 1.0)
            for weight in self.model.trainable_variables
        }
        self.hook = MultiplierHook(found)
        optimizer_hooks.attach(self.model, self.hook)

    def on_train_end(self, logs=None):
        optimizer_hooks.detach(self.model, self.hook)


def is_multiplier(value):
    """Tell whether a learning rate can be multiplied by a value.

    Args:
        value: Anything.

    Returns:
        Boolean.

    Example:

    >>> [is_multiplier(value) for value in (0.1, 10, 0, -1.0, float("nan"), True)]
    [True, True, False, False, False, False]
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 < value < math.inf


def by_weight(model, multipliers):
    """Find the multiplier of each weight.

    Args:
        model: The model.
        multipliers: As `DiscriminativeLearningRates` takes them.

    Returns:
        Dictionary of the identities of variables and their multipliers.

    Raises:
        ValueError: If one stands for no layer.

    Example:

    >>> layers = [keras.layers.Dense(1, name=name) for name in ("body", "head")]
    >>> model = keras.Sequential([keras.Input((1,)), *layers])
    >>> list(by_weight(model, {"*": 0.1, "head": 10}).values())
    [0.1, 0.1, 10.0, 10.0]
    """
    found = {}
    for wanted, multiplier in multipliers.items():
        for layer in chosen(model, wanted, "DiscriminativeLearningRates"):
            for part in (layer, *layers_in(layer)):
                found |= {id(weight): float(multiplier) for weight in part.weights}
    return found


def _refuse_own_sums(model):
    optimizer = optimizer_hooks.inner(getattr(model, "optimizer", None))
    kinds = ("Ftrl", "ScheduleFreeAdamW")
    known = tuple(getattr(keras.optimizers, kind, ()) for kind in kinds)
    if isinstance(optimizer, known):
        raise ValueError(
            f"DiscriminativeLearningRates cannot serve {type(optimizer).__name__}, "
            "which makes new weights from sums of its own instead of changing the old "
            "ones. Use another optimizer, such as AdamW."
        )

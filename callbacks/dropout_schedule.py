"""Moving the rates of layers that drop something, from epoch to epoch."""

from typing import Any

import keras
import numpy as np

from ..layers.rates import check_rate, rate_of
from .layer_walk import chosen, layers_in

RATES = ("rate", "hidden_rate", "cell_rate")
# layers of Keras that hold their rate as a number, which a compiled step has baked in
BAKED = (
    keras.layers.AlphaDropout,
    keras.layers.Dropout,
    keras.layers.GaussianDropout,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
)


def linear_rate(epoch, start, end, epochs):
    """Give a rate that goes from one value to another in a straight line, and stays.

    Args:
        epoch: The epoch, counted from 0.
        start: Rate of epoch 0.
        end: Rate from epoch `epochs` on.
        epochs: Number of epochs on the way.

    Returns:
        Float.

    Example:

    >>> [linear_rate(epoch, 0.0, 0.4, 4) for epoch in (0, 1, 2, 4, 9)]
    [0.0, 0.1, 0.2, 0.4, 0.4]
    """
    return start + (end - start) * min(1.0, epoch / epochs)


class DropoutSchedule(keras.callbacks.Callback):
    """Set the rate of dropping layers anew at the beginning of every epoch.

    It moves the variables in which the layers of Kerasmith hold their rates
    (`DropPath`, `DropBlock`, `DropConnect`, `LockedDropout`, `Shakeout`, `Zoneout`
    ...), so that nothing is compiled anew. `keras.layers.Dropout` and its kin hold a
    number that is baked into the compiled step: they move with `recompile=True`, at
    the price of one compilation for each epoch in which the rate changes.

    The rates stay as the last epoch had them, unless `restore=True`.

    Args:
        schedule: Function of the epoch, counted from 0, that gives a rate in [0, 1);
            or a tuple `(start, end, epochs)` for a straight line that reaches `end`
            at epoch `epochs` and stays there.
        layers: Layers to move: names (`*` stands for any letters), indices into
            `model.layers`, classes or layers, one or a list. All that have a rate if
            `None`.
        rates: Names of the attributes that hold a rate.
        recompile: Whether to move the rates of Keras' own layers, too.
        restore: Whether to put back at the end the rates found at the beginning.
        log: Name under which the rate is logged at the end of an epoch, for the
            history and for the callbacks behind this one in the list; `None` logs
            nothing.

    Attributes:
        history: The rates of the epochs so far.

    Raises:
        ValueError: If a rate is not in [0, 1), or before the first step if there is
            no layer to move.
        TypeError: If the schedule is neither a function nor a tuple of three.

    Example:

    >>> from kerasmith import layers
    >>> drop = layers.DropPath(0.0, seed=1)
    >>> model = keras.Sequential([keras.Input((2,)), drop, keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> x, y = np.ones((4, 2)), np.ones((4, 1))
    >>> schedule = DropoutSchedule((0.0, 0.5, 2))
    >>> _ = model.fit(x, y, epochs=3, verbose=0, callbacks=[schedule])
    >>> schedule.history, rate_of(drop.rate)
    ([0.0, 0.25, 0.5], 0.5)

    Reference:
        Morerio et al., 2017, Curriculum Dropout, https://arxiv.org/abs/1703.06229
    """

    def __init__(
        self,
        schedule,
        *,
        layers=None,
        rates=RATES,
        recompile=False,
        restore=False,
        log="dropout_rate",
    ):
        super().__init__()
        self.schedule = _checked(schedule)
        self.layers, self.rates = layers, (rates,) if isinstance(rates, str) else rates
        self.recompile, self.restore, self.log = recompile, restore, log
        self.before, self.history = None, []

    def on_train_begin(self, logs=None):
        for epoch in range(self.params.get("epochs") or 1):
            self.rate_at(epoch)
        self.targets = self._find(self.model)
        self.before = [_read(*target) for target in self.targets]
        self.history = []

    def on_epoch_begin(self, epoch, logs=None):
        self._set([self.rate_at(epoch)] * len(self.targets))

    def on_epoch_end(self, epoch, logs=None):
        self.history = [*self.history, self.rate_at(epoch)]
        if self.log and logs is not None:
            logs[self.log] = self.history[-1]

    def on_train_end(self, logs=None):
        if self.restore:
            self._set(self.before)

    def rate_at(self, epoch):
        """Give the rate of an epoch.

        Args:
            epoch: The epoch, counted from 0.

        Returns:
            Float.

        Example:

        >>> DropoutSchedule((0.5, 0.1, 10)).rate_at(5)
        0.3
        """
        return check_rate("DropoutSchedule", self.schedule(epoch), f"rate({epoch})")

    def _find(self, model):
        """List pairs of a layer and an attribute, or say what is in the way."""
        wanted = layers_in(model)
        if self.layers is not None:
            wanted = chosen(model, self.layers, "DropoutSchedule")
            # a wrapper's name stands for what it wraps, too
            wanted = {id(i): i for w in wanted for i in (w, *layers_in(w))}.values()
        found, baked = [], []
        for layer in wanted:
            names = [name for name in self.rates if _is_rate(layer, name)]
            found += [(layer, name) for name in names]
            # one made with rate 0 has no generator of draws and can never drop
            if isinstance(layer, BAKED) and hasattr(layer, "seed_generator"):
                baked.append(layer)
        if self.recompile:
            found += [(layer, "rate") for layer in baked]
        elif baked:
            raise ValueError(_in_the_way(baked))
        if not found:
            raise ValueError(
                "DropoutSchedule found no rate to move in the layers "
                f"{', '.join(layer.name for layer in wanted)}: none has a variable "
                f"named {' or '.join(self.rates)}. DropPath, DropBlock, DropConnect, "
                "LockedDropout, Shakeout and Zoneout of kerasmith.layers have one."
            )
        return found

    def _set(self, values):
        baked = False
        for (layer, name), value in zip(self.targets, values, strict=True):
            held = getattr(layer, name)
            if isinstance(held, keras.Variable):
                held.assign(value)
            elif held != value:
                setattr(layer, name, value)
                baked = True
        if baked:
            self.model.make_train_function(force=True)

    def get_state(self):
        """Give what an interrupted run must remember, ready for JSON.

        Returns:
            Dictionary.

        Example:

        >>> DropoutSchedule((0.0, 0.5, 10)).get_state()
        {'before': None, 'history': []}
        """
        return {"before": self.before, "history": self.history}

    def set_state(self, state):
        """Take over what `get_state` gave.

        Args:
            state: The dictionary.

        Example:

        >>> schedule = DropoutSchedule((0.0, 0.5, 10))
        >>> schedule.set_state({"before": [0.0], "history": [0.0]})
        """
        self.before, self.history = list(state["before"]), list(state["history"])


def _checked(schedule):
    if callable(schedule):
        return schedule
    if not isinstance(schedule, tuple | list) or len(schedule) != 3:
        raise TypeError(
            "DropoutSchedule needs a function of the epoch or a tuple "
            f"(start, end, epochs), received {schedule!r}."
        )
    start, end, epochs = schedule
    for rate in (start, end):
        check_rate("DropoutSchedule", rate)
    if not isinstance(epochs, int | np.integer) or epochs < 1:
        raise ValueError(
            f"DropoutSchedule needs a number of epochs of 1 or more, received {epochs}."
        )
    return lambda epoch: linear_rate(epoch, start, end, epochs)


def _is_rate(layer, name):
    held: Any = getattr(layer, name, None)
    return isinstance(held, keras.Variable) and not held.trainable and held.shape == ()


def _read(layer, name):
    held = getattr(layer, name)
    return rate_of(held) if isinstance(held, keras.Variable) else held


def _in_the_way(baked):
    return (
        "DropoutSchedule cannot move the rate of "
        f"{', '.join(f'{layer.name} ({type(layer).__name__})' for layer in baked)}: "
        "Keras holds it as a number that is baked into the compiled step. Take a layer "
        "of kerasmith.layers that holds it in a variable (LockedDropout for sequences, "
        "DropBlock for feature maps, DropConnect or Shakeout around a Dense layer, "
        "DropPath for a residual branch); or pass recompile=True to compile the step "
        "anew whenever the rate changes; or name the layers to move by layers=."
    )

"""Thawing a backbone step by step."""

import keras
import numpy as np

from .layer_walk import chosen, layers_in
from .partial_training import train_only_some


def thawed(schedule, epoch):
    """List what a schedule has thawed by an epoch.

    Args:
        schedule: Dictionary of epochs, counted from 0, and what thaws at each.
        epoch: The epoch.

    Returns:
        List.

    Example:

    >>> thawed({0: "head", 2: ["block5*", "block4*"], 4: "block3*"}, 2)
    ['head', 'block5*', 'block4*']
    """
    found = []
    for begin in sorted(schedule):
        if begin <= epoch:
            wanted = schedule[begin]
            found += wanted if isinstance(wanted, list | tuple) else [wanted]
    return found


class FreezeSchedule(keras.callbacks.Callback):
    """Keep layers frozen at first, and let them train from given epochs on.

    Layers that the schedule does not name stay as they are: name those of the
    backbone, and a new head trains from the start. What is frozen gets no gradient,
    no weight decay and no step, and its `BatchNormalization` works in inference mode.
    That of the thawed layers stays so, too (their statistics come from more data than
    the new task has), unless `thaw_batch_norm=True`.

    The optimizer is built on all layers that ever train, so that its momenta live on
    when more layers thaw. The step is compiled anew at each epoch that thaws layers.
    The layers stay as the last epoch had them.

    Args:
        schedule: Dictionary: the epoch, counted from 0, from which layers train; and
            the layers, one or a list: names (`*` stands for any letters), indices
            into `model.layers`, classes or layers. One that contains layers stands
            for all of them; one that is named twice trains from the earlier epoch on.
        thaw_batch_norm: Whether `BatchNormalization` thaws with the rest.

    Attributes:
        history: Number of weights that trained in each epoch so far.

    Raises:
        TypeError: If the schedule is no dictionary of epochs.
        ValueError: Before the first step: if a name stands for no layer, the model is
            not built or has `trainable=False`, nothing trains in the first epoch, or
            the optimizer has `use_ema=True` (Keras pairs averages with the trainable
            weights by their position).

    Example:

    >>> names = ("body", "neck", "head")
    >>> layers = [keras.layers.Dense(2, name=name) for name in names]
    >>> model = keras.Sequential([keras.Input((3,)), *layers])
    >>> model.compile("adam", "mse")
    >>> schedule = FreezeSchedule({1: "neck", 2: "body"})
    >>> x, y = np.ones((4, 3)), np.ones((4, 2))
    >>> _ = model.fit(x, y, epochs=3, verbose=0, callbacks=[schedule])
    >>> schedule.history
    [6, 12, 20]

    Reference:
        Howard and Ruder, 2018 (gradual unfreezing), https://arxiv.org/abs/1801.06146
    """

    def __init__(self, schedule, *, thaw_batch_norm=False):
        super().__init__()
        if not isinstance(schedule, dict) or not all(
            isinstance(epoch, int | np.integer) and epoch >= 0 for epoch in schedule
        ):
            raise TypeError(
                "FreezeSchedule needs a dictionary of epochs, counted from 0, and the "
                f"layers that train from then on, received {schedule!r}."
            )
        self.schedule, self.thaw_batch_norm = dict(schedule), thaw_batch_norm
        self.history = []

    def set_model(self, model):
        # here, since whoever keeps or hooks the optimizer looks at it in on_train_begin
        super().set_model(model)
        _check(model)
        self.layers = self._expand(thawed(self.schedule, float("inf")))
        found = [layer.trainable for layer in self.layers]
        self._set(self._thawing(float("inf")))
        train_only_some(model)
        self._set({id(i) for i, on in zip(self.layers, found, strict=True) if on})

    def on_train_begin(self, logs=None):
        self.history, self.compiled = [], None

    def on_epoch_begin(self, epoch, logs=None):
        model = self.model
        self._set(self._thawing(epoch))
        flags = [layer.trainable for layer in self.layers]
        weights = model.trainable_variables
        if not weights:
            raise ValueError(
                f"no weight of the model would train in epoch {epoch}: FreezeSchedule "
                f"thaws layers at {sorted(self.schedule)} only, and freezes all. Let "
                "some train from epoch 0 on, or leave the head out of the schedule."
            )
        if flags != self.compiled:
            self.compiled = flags
            model.make_train_function(force=True)
            # on JAX these have the split into trainable and other weights compiled in
            model.test_function = model.predict_function = None

    def on_epoch_end(self, epoch, logs=None):
        shapes = [weight.shape for weight in self.model.trainable_variables]
        self.history = [*self.history, int(sum(np.prod(shape) for shape in shapes))]

    def _expand(self, wanted):
        """List the layers meant, and those in them, parents first."""
        meant = chosen(self.model, wanted, "FreezeSchedule") if wanted else []
        inside = {id(part) for one in meant for part in (one, *layers_in(one))}
        return [layer for layer in layers_in(self.model) if id(layer) in inside]

    def _thawing(self, epoch):
        """Give the identities of the layers that train in an epoch."""
        return {
            id(layer)
            for layer in self._expand(thawed(self.schedule, epoch))
            if self.thaw_batch_norm
            or not isinstance(layer, keras.layers.BatchNormalization)
        }

    def _set(self, training):
        # in this order: setting a layer sets all those in it
        for layer in self.layers:
            layer.trainable = id(layer) in training

    def get_state(self):
        """Give what an interrupted run must remember, ready for JSON.

        Returns:
            Dictionary.

        Example:

        >>> FreezeSchedule({1: "backbone"}).get_state()
        {'history': []}
        """
        return {"history": self.history}

    def set_state(self, state):
        """Take over what `get_state` gave.

        Args:
            state: The dictionary.

        Example:

        >>> FreezeSchedule({1: "backbone"}).set_state({"history": [6]})
        """
        self.history = list(state["history"])


def _check(model):
    if not model.built or not all(layer.built for layer in layers_in(model)):
        raise ValueError(
            "FreezeSchedule needs a model whose weights are there: give it an Input, "
            "or call it on a batch before fit()."
        )
    if not model.trainable:
        raise ValueError(
            "the model has trainable=False, so that none of its layers trains: set "
            "model.trainable = True before compile()."
        )

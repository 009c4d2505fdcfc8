"""One step of a training looked at from outside: what it changed the weights by."""

import keras
import numpy as np
from keras import ops

from .norm_hook import ABSENT


class StepSample:
    """Measures a step: gradients by a hook, weights before and right after it.

    The weights are looked at as soon as the step has run, before any callback can
    change them: the model's train function is wrapped for that step.

    Args:
        model: The model, whose weights are at hand.
        hook: An attached `NormHook`.
        place: Dictionary with the `step`, and whatever else is to stand in the sample.
        steps: Steps that an update takes: more than 1 where gradients accumulate.

    Example:

    >>> from kerasmith.callbacks import norm_hook, optimizer_hooks
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile(keras.optimizers.SGD(0.5), "mse")
    >>> hook = norm_hook.NormHook(norm_hook.by_layer(model.weights))
    >>> optimizer_hooks.attach(model, hook)
    >>> class Once(keras.callbacks.Callback):
    ...     def on_train_batch_begin(self, batch, logs=None):
    ...         self.sample = StepSample(self.model, hook, {"step": batch})
    >>> once = Once()
    >>> x, y = ops.ones((4, 2)), ops.ones((4, 1))
    >>> _ = model.fit(x, y, verbose=0, callbacks=[once])
    >>> found = once.sample.finish(model)
    >>> sorted(found), abs(found["update"][0] / found["gradient"][0] - 0.5) < 1e-5
    (['gradient', 'step', 'update', 'weight'], True)
    """

    def __init__(self, model, hook, place, steps=1):
        self.hook, self.place, self.steps = hook, place, steps
        self.variables = list(model.trainable_variables)
        # and the statistics of normalisation, to run the model as it was
        self.all = [*self.variables, *model.non_trainable_weights]
        self.before = [ops.copy(_plain(variable)) for variable in self.all]
        self.squares, self.model = None, model
        hook.set_due(True)
        self.watch()

    def watch(self):
        """Look at the step that comes next."""
        model, run = self.model, self.model.train_function

        def looked_at(*arguments):
            try:
                result = run(*arguments)
            finally:
                if model.train_function is looked_at:
                    model.train_function = run
            self.squares = _squares(
                self._now(result), self.before[: len(self.variables)]
            )
            return result

        model.train_function = looked_at

    def _now(self, result):
        """Give the weights after the step."""
        if keras.backend.backend() != "jax":
            return self.variables
        # on JAX the step gives them back, and the model has them at an epoch's end only
        _, (weights, *_) = result
        return weights

    def is_over(self, step):
        """Tell whether the update has happened.

        Args:
            step: The first step that has not run.

        Returns:
            Boolean.
        """
        return step - self.place["step"] >= self.steps

    def finish(self, model):
        """Give what was measured.

        Args:
            model: The model, whose weights are at hand.

        Returns:
            Dictionary: the place, and the norms `gradient`, `weight` and `update` as
            lists with a number for each layer, `None` for one that does not train.
            `None` where another step function was put in the place of the one that
            was to be looked at.
        """
        gradient = np.asarray(self.hook.read(), "float64")
        self.hook.set_due(False)
        if self.squares is None:
            return None
        squares = np.zeros((len(gradient), 2))
        index = [self.hook.place[id(variable)] for variable in self.variables]
        np.add.at(squares, index, ops.convert_to_numpy(self.squares))
        weight, update = np.sqrt(squares).T
        trains = gradient != ABSENT
        norms = {"gradient": gradient, "weight": weight, "update": update}
        return {**self.place, **{n: listed(v, trains) for n, v in norms.items()}}

    def exchange(self):
        """Exchange the weights of before the step for those of now.

        Returns:
            Function that exchanges them again.
        """
        now = [ops.copy(_plain(variable)) for variable in self.all]

        def assign(values):
            for variable, value in zip(self.all, values, strict=True):
                variable.assign(value)

        assign(self.before)
        return lambda: assign(now)


def listed(values, some):
    """Write an array as a list for JSON.

    Args:
        values: Array.
        some: Array that tells which entries count.

    Returns:
        List of floats, `None` for the entries that do not count.

    Example:

    >>> listed(np.array([0.5, -1.0]), np.array([True, False]))
    [0.5, None]
    """
    pairs = zip(values, some, strict=True)
    return [float(value) if counts else None for value, counts in pairs]


def _plain(variable):
    return ops.stop_gradient(ops.convert_to_tensor(variable))


def _squares(now, before):
    """Sum the squares of the weights before, and of their changes, on the device."""
    rows = []
    for new, old in zip(now, before, strict=True):
        old = ops.cast(old, "float32")
        change = ops.cast(_plain(new), "float32") - old
        rows.append(ops.stack([ops.sum(ops.square(old)), ops.sum(ops.square(change))]))
    return ops.stack(rows)

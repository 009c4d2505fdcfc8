"""What stands between a model and its goal: bias, variance, other data, or the dev set.

The callback measures the errors, `error_gaps` weighs them.
"""

import keras

from . import monitor as monitors
from .batches import count
from .double_precision import undisturbed
from .error_gaps import bias_variance
from .last import Last


class BiasVariance(keras.callbacks.Callback):
    """Measure what stands between a model and its goal, by its error on each data set.

    Evaluates at the end of the training, and every few epochs if asked to; what
    `bias_variance` then says stands in `result`. An error is 1 minus a metric that is
    better when larger, such as accuracy, and the metric itself otherwise. Errors that
    are shares of wrong answers get standard errors by the sizes of the sets; for these
    data that are no arrays are read once more. The training data are evaluated as
    given, without dropout: pass a part if there are many.

    Where it evaluates every few epochs it logs `error_train`, `error_dev` and so on
    for these epochs. At the end it evaluates the weights that all other callbacks
    leave the model with.

    Args:
        train: Training data: tuple `(x, y)` or `(x, y, sample_weight)` of arrays, or
            batches of these that can be read again and again.
        train_dev: Data like these that are not trained on, or `None`: then variance
            and data mismatch cannot be told apart.
        dev: Data like those the model is meant for.
        test: Data that no decision was made by, or `None`.
        human_error: Error of humans, or the least that can be reached.
        monitor: Name of the model's metric.
        every: Number of epochs between two evaluations; only at the end if `None`.

    Attributes:
        result: `BiasVarianceResult` of the last evaluation, or `None`.
        history: List of a dictionary of the errors for each evaluation after an epoch,
            with the `"epoch"`, counted from 0.

    Raises:
        ValueError: If the direction of the metric cannot be told by its name, an
            argument is out of range, or a set is missing.
        KeyError: If the model has no such metric.

    Example:

    >>> import numpy as np
    >>> keras.utils.set_random_seed(1)
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse", metrics=["mae"])
    >>> x = np.ones((4, 2), "float32")
    >>> found = BiasVariance((x, x[:, :1]), None, (x, x[:, :1] + 2), monitor="loss")
    >>> _ = model.fit(x, x[:, :1], epochs=9, verbose=0, callbacks=[found])
    >>> found.result.largest.name
    'variance and data mismatch'

    Reference:
        Ng, 2018, Machine Learning Yearning,
        https://info.deeplearning.ai/machine-learning-yearning-book
    """

    def __init__(
        self,
        train,
        train_dev,
        dev,
        *,
        test=None,
        human_error=0.0,
        monitor="accuracy",
        every=None,
    ):
        super().__init__()
        if train is None or dev is None:
            raise ValueError("BiasVariance needs train and dev data, received None.")
        if every is not None and (not isinstance(every, int) or every < 1):
            raise ValueError(
                f"BiasVariance needs every >= 1 or None, received {every!r}."
            )
        if not human_error >= 0:
            raise ValueError(
                f"BiasVariance needs a human_error >= 0, received {human_error!r}."
            )
        sets = {"train": train, "train_dev": train_dev, "dev": dev, "test": test}
        self.sets = {name: data for name, data in sets.items() if data is not None}
        self.human_error, self.monitor, self.every = human_error, monitor, every
        self.direction = monitors.direction(monitor)
        self.sizes = None
        self.errors, self.history = {}, []

    @property
    def result(self):
        """What the last evaluation tells, or `None`."""
        if not self.errors:
            return None
        is_share = "acc" in self.monitor or "error_rate" in self.monitor
        return bias_variance(
            **self.errors,
            human_error=self.human_error,
            sizes=self.sizes if is_share else None,
        )

    def on_train_begin(self, logs=None):
        self.errors, self.history = {}, []
        self.checked = False
        self.last = Last(self)

    def on_epoch_end(self, epoch, logs=None):
        if not self.checked:  # rather now than after the last epoch
            monitors.read(self.monitor, logs, "BiasVariance")
            self.checked = True
        if self.every is not None and (epoch + 1) % self.every == 0:
            self._evaluate()
            self.history = [*self.history, {"epoch": epoch, **self.errors}]
            if logs is not None:
                logs.update({f"error_{n}": e for n, e in self.errors.items()})

    def on_train_end(self, logs=None):
        # behind the statistics and averages that others end the training with
        self.last.run(3, self._evaluate)

    def _evaluate(self):
        if self.sizes is None:
            sets = self.sets.items()
            self.sizes = {name: count(data, "BiasVariance") for name, data in sets}
        self.errors = {name: self._error(data) for name, data in self.sets.items()}

    def _error(self, data):
        named = dict(zip(("x", "y", "sample_weight"), data, strict=False))
        given = named if isinstance(data, tuple) else {"x": data}
        model = self.model
        try:
            with undisturbed():  # the order of the next epoch stays what it would be
                logs = model.evaluate(**given, verbose=0, return_dict=True)
        except BaseException:
            # on JAX the weights are held elsewhere while it evaluates
            getattr(model, "jax_state_sync", lambda: None)()
            raise
        value = monitors.read(self.monitor, logs, "BiasVariance")
        return 1 - value if self.direction == 1 else value

    def plot(self, path=None):
        """Draw the errors and the gaps between them.

        Args:
            path: Where to write the picture; nowhere if `None`.

        Returns:
            `matplotlib.figure.Figure`.

        Raises:
            ValueError: If nothing has been evaluated yet.
        """
        if self.result is None:
            raise ValueError("BiasVariance has nothing to draw before a training.")
        return self.result.plot(path)

    def findings(self):
        """Say what to work on next.

        Returns:
            List of sentences, empty before an evaluation.

        Example:

        >>> BiasVariance(([0], [0]), None, ([0], [0])).findings()
        []
        """
        return [self.result.advice] if self.result else []

    def get_state(self):
        """Give what an interrupted run must remember, ready for JSON.

        Returns:
            Dictionary.

        Example:

        >>> BiasVariance(([0], [0]), None, ([0], [0])).get_state()
        {'errors': {}, 'history': []}
        """
        return {
            "errors": dict(self.errors),
            "history": [dict(row) for row in self.history],
        }

    def set_state(self, state):
        """Take over what `get_state` gave.

        Args:
            state: The dictionary.

        Example:

        >>> found = BiasVariance(([0], [0]), None, ([0], [0]))
        >>> found.set_state({"errors": {"train": 0.1, "dev": 0.2}, "history": []})
        >>> found.result.errors["dev"]
        0.2
        """
        self.errors = dict(state["errors"])
        self.history = [dict(row) for row in state["history"]]

"""Clipping of gradients by a callback."""

import keras
import numpy as np
from keras import ops

from . import optimizer_hooks
from .clipped_kernels import clipped_kernels
from .clipping_hook import ClippingHook
from .clipping_picture import draw

# how gradients are clipped, and the threshold where the paper has a usual one
DEFAULTS = {
    "value": None,
    "norm": None,
    "global_norm": None,
    "adaptive": 0.01,
    "percentile": 10.0,
}
LOGGED = ("gradient_norm", "clipped_share")


class GradientClipping(keras.callbacks.Callback):
    """Clip gradients inside the compiled step, at a threshold that may move.

    - `"value"`: every number to `[-threshold, threshold]`
    - `"norm"`: each variable's gradient g to `g min(1, threshold / ||g||)`
    - `"global_norm"`: the same with the norm of all gradients together
    - `"adaptive"`: the gradient of each unit i of a kernel to a norm of at most
      `threshold max(||w_i||, epsilon)`
    - `"percentile"`: as `"global_norm"`, at the `threshold`-th percentile of the
      norms of the steps so far, this one included (AutoClip)

    The gradients are those of a real update: accumulated, without loss scale, and
    summed over the replicas of `MirroredStrategy` (Keras' own arguments clip each
    replica's, so that the sum can exceed the limit). The epoch's mean norm before
    clipping and share of steps in which something was clipped are logged as
    `gradient_norm` and `clipped_share`: name this callback before those that read
    them. The optimizer is left as it was, and a saved model does not know of it.

    Not finite gradients stay so as with Keras: by `"global_norm"` all gradients become
    NaN; by `"norm"`, `"adaptive"` and `"percentile"` an infinity becomes NaN and what
    shares its norm 0; by `"value"` it becomes the threshold. NaN in a gradient makes
    all that share its norm NaN. Such a norm is no part of the percentiles.

    Args:
        threshold: The limit: of numbers, norms, the ratio of norms, or the percentile.
            0.01 by `"adaptive"` and 10 by `"percentile"` if not given.
        by: One of the rules above.
        epsilon: By `"adaptive"`, the norm that a unit's weights have at least.
        exclude: By `"adaptive"`, names of layers that are not clipped, or a function
            of a layer; the layers that make the model's outputs if `None`.
        history: By `"percentile"`, how many norms are kept. When they are full, the
            newest takes the place of the oldest.

    Attributes:
        threshold: Variable; `clipping.threshold.assign(0.5)` acts at once. What is
            assigned during a training holds until its end, what is assigned before
            holds for the trainings that follow. One broken off has not ended: make a
            new callback for another threshold.
        rows: One dictionary an epoch: `epoch`, `gradient_norm`, `clipped_share`, and
            `limit`, the threshold of its last step (by `"percentile"` the norm).

    Raises:
        ValueError: If an argument cannot be right; before the first step, if the
            optimizer or another callback clips as well, or no kernel can be clipped.

    Example:

    >>> import numpy as np
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> clipping = GradientClipping(0.001)
    >>> x, y = np.ones((4, 2)), np.full((4, 1), 9)
    >>> fitted = model.fit(x, y, epochs=2, verbose=0, callbacks=[clipping])
    >>> fitted.history["clipped_share"]
    [1.0, 1.0]

    Reference:
        Pascanu et al., 2013, https://arxiv.org/abs/1211.5063;
        Brock et al., 2021, https://arxiv.org/abs/2102.06171;
        Seetharaman et al., 2020, https://arxiv.org/abs/2007.14469
    """

    def __init__(
        self,
        threshold=None,
        by="global_norm",
        *,
        epsilon=1e-3,
        exclude=None,
        history=1000,
    ):
        super().__init__()
        self.by, self.epsilon, self.exclude = by, epsilon, exclude
        self.history = history
        self._start = _Start(_checked(threshold, by, epsilon, history))
        self.hook = ClippingHook(by, epsilon, history)
        self._attached, self._state = False, self._fresh()

    @property
    def threshold(self):
        """The variable that holds the threshold."""
        if not self._attached:
            return self._start
        self.model  # noqa: B018  on JAX this brings the variables up to date
        return self.hook.threshold

    @property
    def rows(self):
        return self._state["rows"]

    def on_train_begin(self, logs=None):
        self._state = self._fresh()
        self.hook.start = self._state["threshold"]
        self._refuse_an_optimizer_that_clips()
        if self.by == "adaptive":
            kernels = clipped_kernels(self.model, self.exclude)
            self.hook.axes = {id(k.variable): k.axes for k in kernels}
        optimizer_hooks.detach(self.model, self.hook)
        optimizer_hooks.attach(self.model, self.hook)
        self._attached = True
        self._refuse_another_clipping()

    def on_epoch_end(self, epoch, logs=None):
        self.model  # noqa: B018
        row = {"epoch": epoch, **self.hook.measured()}
        self._state["rows"] = [*self.rows, row]
        if logs is not None:
            logs.update({name: row[name] for name in LOGGED})

    def on_train_end(self, logs=None):
        self._state = self.get_state()
        self._attached = False
        optimizer_hooks.detach(self.model, self.hook)

    def get_state(self):
        """Give what an interrupted run must remember, ready for JSON.

        Returns:
            Dictionary.

        Example:

        >>> GradientClipping(0.5).get_state()
        {'rows': [], 'threshold': 0.5, 'sums': [0.0, 0.0, 0.0, 0.0]}
        """
        if self._attached:
            self.model  # noqa: B018
            return {"rows": list(self.rows), **self.hook.get_state()}
        return {**self._state, "rows": list(self.rows)}

    def set_state(self, state):
        """Take over what `get_state` gave.

        Args:
            state: The dictionary.

        Example:

        >>> clipping = GradientClipping(0.5)
        >>> clipping.set_state(GradientClipping(0.2).get_state())
        >>> round(clipping.get_state()["threshold"], 4)
        0.2
        """
        self._state = {**state, "rows": list(state["rows"])}
        if self._attached:
            self.model  # noqa: B018
            self.hook.set_state(state)

    def plot(self, path=None):
        """Draw the norm before clipping, the limit and the share of clipped steps.

        Args:
            path: Where the picture is written, if anywhere.

        Returns:
            The `matplotlib.figure.Figure`.

        Example:

        >>> len(GradientClipping(0.5).plot().axes)
        2
        """
        return draw(self.rows, self.by in ("global_norm", "percentile"), path)

    def _fresh(self):
        state = {"rows": [], "threshold": self._start.value, "sums": [0.0] * 4}
        return state | ({"seen": 0, "norms": []} if self.by == "percentile" else {})

    def _refuse_an_optimizer_that_clips(self):
        optimizer = optimizer_hooks.inner(self.model.optimizer)
        for argument in ("clipnorm", "clipvalue", "global_clipnorm"):
            value = getattr(optimizer, argument, None)
            if value is not None:
                raise ValueError(
                    f"the optimizer clips gradients itself ({argument}={value}), and "
                    f"GradientClipping by {self.by!r} would do so, too: leave one out."
                )

    def _refuse_another_clipping(self):
        hooks = optimizer_hooks.attached_hooks(self.model.optimizer)
        clipping = [hook for hook in hooks if isinstance(hook, ClippingHook)]
        if len(clipping) > 1:
            optimizer_hooks.detach_all(self.model)
            raise ValueError(
                "two callbacks GradientClipping act on one optimizer, by "
                f"{' and '.join(repr(hook.by) for hook in clipping)}: leave one out."
            )


class _Start:
    """The threshold at which a training begins, while there is no variable for it."""

    def __init__(self, value):
        self.value = value

    def assign(self, value):
        self.value = float(np.float32(ops.convert_to_numpy(value)))

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.value, dtype or "float32")

    def __float__(self):
        return self.value


def _checked(threshold, by, epsilon, history):
    """Give the threshold as float32 holds it, if the arguments can be right."""
    if by not in DEFAULTS:
        raise ValueError(
            f"GradientClipping has no rule by={by!r}; choose one of "
            f"{', '.join(DEFAULTS)}."
        )
    threshold = DEFAULTS[by] if threshold is None else threshold
    largest = 100 if by == "percentile" else float("inf")
    if threshold is None or not 0 <= threshold <= largest:
        raise ValueError(
            f"GradientClipping by {by!r} needs a threshold in [0, {largest:g}], "
            f"received {threshold}: a limit such as 1.0 (5.0 is usual by 'value'), or "
            "a percentile such as 10 by 'percentile'."
        )
    if not epsilon > 0 or history != int(history) or history < 1:
        raise ValueError(
            "GradientClipping needs epsilon > 0 and a whole number history >= 1, "
            f"received epsilon={epsilon} and history={history}."
        )
    return float(np.float32(threshold))

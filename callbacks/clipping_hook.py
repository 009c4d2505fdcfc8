"""The part of gradient clipping that is computed inside the compiled step."""

import numpy as np
from keras import initializers, ops

from . import clipping_rules as rules
from .optimizer_hooks import OptimizerHook

# larger than any norm that is recorded, and finite so that it can be computed with
UNUSED = float(np.finfo("float32").max)


class ClippingHook(OptimizerHook):
    """Clip the gradients of every real update, and measure how many were clipped.

    Args:
        by: The rule, as `GradientClipping` names it.
        epsilon: By `"adaptive"`, the norm that a unit's weights have at least.
        history: By `"percentile"`, how many norms are kept.

    Attributes:
        start: The threshold at the beginning.
        axes: By `"adaptive"`, the identity of each kernel to be clipped, and the axes
            over which the weights of one of its units lie.
        threshold: Variable of the optimizer, while attached.

    Example:

    >>> ClippingHook("global_norm").order
    10
    """

    order = 10

    def __init__(self, by, epsilon=1e-3, history=1000):
        self.by, self.epsilon, self.history = by, epsilon, history
        self.start, self.axes = 0.0, {}

    def attach(self, optimizer):
        """Make the threshold, the sums of an epoch and the buffer of norms."""

        def add(name, shape, value=0.0, dtype="float32"):
            start = initializers.Constant(value)
            return optimizer.add_variable(
                shape, start, dtype, "only_first_replica", name=f"clipping_{name}"
            )

        self.threshold = add("threshold", (), self.start)
        # steps, steps clipped, sum of the norms, the last step's limit: one variable,
        # since a step waits for each
        self.sums = add("sums", (4,))
        if self.by == "percentile":
            self.norms = add("norms", (self.history,), UNUSED)
            self.seen = add("seen", (), 0, "int32")

    def transform(self, gradients, variables):
        """Clip the gradients by the rule."""
        length = rules.norm(gradients)
        limit = threshold = _value(self.threshold)
        if self.by == "value":
            gradients, clipped = rules.by_value(gradients, limit)
        elif self.by == "norm":
            gradients, clipped = rules.by_norm(gradients, limit)
        elif self.by == "adaptive":
            gradients, clipped = self._adaptively(gradients, variables, threshold)
        elif self.by == "percentile":
            limit = self._percentile_with(length, threshold)
            gradients, clipped = rules.by_norm_of_all(gradients, limit, length)
        else:
            gradients, clipped = rules.by_global_norm(gradients, limit, length)
        steps, some, total, _ = ops.unstack(_value(self.sums))
        some = some + ops.cast(clipped, "float32")
        self.sums.assign(ops.stack([steps + 1, some, total + length, limit]))
        return gradients

    def _adaptively(self, gradients, variables, ratio):
        result, flags = [], []
        for gradient, variable in zip(gradients, variables, strict=True):
            axes = self.axes.get(id(variable))
            if axes is not None:
                weight = ops.convert_to_tensor(variable)
                gradient, clipped = rules.adaptively(
                    gradient, weight, axes, ratio, self.epsilon
                )
                flags.append(clipped)
            result.append(gradient)
        return result, ops.any(ops.stack(flags)) if flags else ops.array(False)

    def _percentile_with(self, length, percent):
        """Record a norm if it is finite, and take the percentile of those recorded."""
        norms = _value(self.norms)
        seen = _value(self.seen)
        finite = ops.isfinite(length)
        here = ops.equal(ops.arange(self.history, dtype="int32"), seen % self.history)
        norms = ops.where(ops.logical_and(here, finite), length, norms)
        seen = seen + ops.cast(finite, "int32")
        # counts on from one buffer's length, so that it never overflows
        seen = ops.where(seen >= 2 * self.history, seen - self.history, seen)
        self.norms.assign(norms)
        self.seen.assign(seen)
        return rules.percentile(norms, ops.minimum(seen, self.history), percent)

    def measured(self):
        """Read what was measured since the last call, and begin anew.

        Returns:
            Dictionary of `gradient_norm` and `clipped_share`, both NaN if there was
            no update, and the last `limit`.
        """
        steps, clipped, total, limit = _numbers(self.sums)
        self.sums.assign([0.0, 0.0, 0.0, limit])
        share = clipped / steps if steps else float("nan")
        mean = total / steps if steps else float("nan")
        return {"gradient_norm": mean, "clipped_share": share, "limit": limit}

    def get_state(self):
        """Give the values of the variables, ready for JSON."""
        state = {"threshold": _numbers(self.threshold), "sums": _numbers(self.sums)}
        if self.by == "percentile":
            seen = _numbers(self.seen)
            state |= {"seen": seen, "norms": _numbers(self.norms)[:seen]}
        return state

    def set_state(self, state):
        """Take over what `get_state` gave."""
        self.threshold.assign(state["threshold"])
        self.sums.assign(state["sums"])
        if self.by == "percentile":
            unused = [UNUSED] * (self.history - len(state["norms"]))
            self.norms.assign(state["norms"] + unused)
            self.seen.assign(state["seen"])


def _value(variable):
    # on TensorFlow a variable counts as a tensor, which stack() then refuses
    return ops.copy(ops.convert_to_tensor(variable))


def _numbers(variable):
    return ops.convert_to_numpy(variable).tolist()

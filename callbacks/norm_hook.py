"""Norms of the gradients of every layer, taken inside the compiled step."""

import keras
from keras import ops

from .optimizer_hooks import OptimizerHook

ABSENT = -1.0


def by_layer(variables):
    """Group variables by the layer that owns them.

    Args:
        variables: List of variables.

    Returns:
        Dictionary of the layers' paths and lists of their variables.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="d")])
    >>> groups = by_layer(model.weights)
    >>> [name.split("/")[-1] for name in groups], [len(g) for g in groups.values()]
    (['d'], [2])
    """
    groups = {}
    for variable in variables:
        groups.setdefault(variable.path.rpartition("/")[0], []).append(variable)
    return groups


class NormHook(OptimizerHook):
    """Write the gradient norm of every layer to a variable, at steps that are due.

    At other steps the branch that computes them is not taken.

    Args:
        groups: Dictionary of names and lists of variables.

    Example:

    >>> from kerasmith.callbacks import optimizer_hooks
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> hook = NormHook(by_layer(model.weights))
    >>> optimizer_hooks.attach(model, hook)
    >>> hook.set_due(True)
    >>> _ = model.fit(ops.ones((4, 2)), ops.ones((4, 1)), verbose=0)
    >>> hook.read().shape
    (1,)
    """

    order = 0

    def __init__(self, groups):
        self.place = {
            id(variable): index
            for index, variables in enumerate(groups.values())
            for variable in variables
        }
        self.count = len(groups)
        self.is_due = False

    def attach(self, optimizer):
        """Make the variables; see `OptimizerHook.attach`."""
        options = {"dtype": "float32", "aggregation": "only_first_replica"}
        self.due = optimizer.add_variable((), name="monitor_due", **options)
        self.norms = optimizer.add_variable(
            (self.count,), name="monitor_norms", **options
        )

    def set_due(self, is_due):
        """Say whether the steps to come are to be measured.

        Args:
            is_due: Boolean.
        """
        self.is_due = is_due
        self.due.assign(float(is_due))
        if is_due:  # loss scaling may leave the step out
            self.norms.assign([ABSENT] * self.count)

    def read(self):
        """Give the norms of the last step that was due.

        Returns:
            Array with a number for each layer, `ABSENT` for one without gradients.
        """
        return ops.convert_to_numpy(self.norms)

    def transform(self, gradients, variables):
        """Measure and give the gradients back; see `OptimizerHook.transform`."""

        def measured():
            return self._norms(gradients, variables)

        if keras.backend.backend() == "torch":
            # a condition on a variable would make the host wait for it at every step
            if self.is_due:
                self.norms.assign(measured())
            return gradients
        due = ops.greater(self.due, 0.5)
        # assigned outside, since replicas cannot agree inside a branch
        self.norms.assign(
            ops.cond(due, measured, lambda: ops.convert_to_tensor(self.norms))
        )
        return gradients

    def _norms(self, gradients, variables):
        squares = [None] * self.count
        for gradient, variable in zip(gradients, variables, strict=True):
            index = self.place.get(id(variable))
            if index is not None:
                square = ops.sum(ops.square(ops.cast(gradient, "float32")))
                found = squares[index]
                squares[index] = square if found is None else found + square
        absent = ops.convert_to_tensor(ABSENT, "float32")
        return ops.stack([absent if s is None else ops.sqrt(s) for s in squares])

"""Variables at full precision within a call under a mixed dtype policy."""

import functools

import keras


def in_full_precision(function):
    """Call a function in which variables are read and written as they are stored.

    Within a call under a mixed dtype policy Keras rounds each variable that is read,
    and on PyTorch what is then assigned to one is lost. A layer of float32 inside
    ends that for the length of its own call.

    Args:
        function: Called without arguments.

    Returns:
        What the function returns.

    Example:

    >>> in_full_precision(lambda: 3)
    3
    """
    return _scope()(function=function)


class _FullPrecision(keras.layers.Layer):
    def __init__(self):
        super().__init__(dtype="float32", name="full_precision")
        self.built = True

    def call(self, function):
        return function()


@functools.cache
def _scope():
    return _FullPrecision()

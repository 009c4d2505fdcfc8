"""Whether XLA compiles what is being traced."""

from typing import Any

import tensorflow as tf


def is_compiling():
    """Tell whether the code that runs is traced to be compiled by XLA.

    TensorFlow has no public name for this; where it has lost this one, too, the answer
    is that XLA does, for which every caller has code that is right, if slower.

    Returns:
        Boolean.

    Example:

    >>> is_compiling()
    False
    >>> bool(tf.function(lambda: tf.constant(is_compiling()), jit_compile=True)())
    True
    """
    internal: Any = getattr(tf, "__internal__", None)
    enclosing = getattr(internal, "get_enclosing_xla_context", None)
    return enclosing is None or enclosing() is not None

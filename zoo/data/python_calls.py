"""Python inside `tf.data`, such that the interpreter can still end.

A pipeline works ahead in threads of its own. One that calls Python while the
interpreter ends never gets an answer, and the process hangs: after Ctrl-C, say, or
where a script looked at one batch. So when the interpreter begins to end, calls stop
doing work, and it waits for the last of them.
"""

import atexit
import functools
import threading
import time

import tensorflow as tf

QUIET = 0.1  # seconds without a call after which no more will come
PATIENCE = 5.0  # seconds to wait for that

_lock = threading.Lock()
_running = 0
_last = float("-inf")
_ending = False


def call_python(function, inputs, dtype, instead, *, parallel):
    """Call a function on arrays from inside `tf.data`.

    Args:
        function: Takes arrays and gives one; the same inputs, the same output.
        inputs: Tensors.
        dtype: Dtype of the output.
        instead: Gives, from the same arrays, what stands for the output while the
            interpreter ends; nobody will see it.
        parallel: Whether several calls may run at once. TensorFlow makes use of it
            unasked, so a function that keeps a state meanwhile needs `False`.

    Returns:
        Tensor of unknown shape.

    Example:

    >>> numbers = tf.data.Dataset.range(3)
    >>> double = {"function": lambda a: a * 2, "instead": lambda a: a}
    >>> doubled = numbers.map(
    ...     lambda n: call_python(inputs=[n], dtype=tf.int64, parallel=True, **double)
    ... )
    >>> [int(n) for n in doubled]
    [0, 2, 4]
    """
    function = functools.partial(_guarded, function, instead)
    return tf.numpy_function(function, inputs, dtype, stateful=not parallel)


def _guarded(function, instead, *arrays):
    _count(1)
    try:
        return (instead if _ending else function)(*arrays)
    finally:
        _count(-1)


def _count(change):
    global _running, _last
    with _lock:
        _running += change
        _last = time.monotonic()


@atexit.register
def _end():
    global _ending
    _ending = True
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with _lock:
            if not _running and time.monotonic() - _last > QUIET:
                return
        time.sleep(0.01)

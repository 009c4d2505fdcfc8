"""The states of callbacks: ours say them themselves, Keras' own are read here.

Keras' callbacks offer no state. What an interrupted training must remember of them
stands in the attributes listed below; `_batches_seen...` and the like are private, and
an attribute that a later Keras has no more is an error that names it.
"""

import os
import pathlib

import keras
import numpy as np

# what JSON can hold, by class
ATTRIBUTES = {
    keras.callbacks.EarlyStopping: ("best", "best_epoch", "stopped_epoch", "wait"),
    keras.callbacks.ReduceLROnPlateau: ("best", "cooldown_counter", "wait"),
    keras.callbacks.ModelCheckpoint: (
        "best",
        "_batches_seen_since_last_saving",
        "_last_batch_seen",
    ),
    keras.callbacks.SwapEMAWeights: ("_ema_weights_in_model",),
    keras.callbacks.CSVLogger: ("keys",),
    # nothing to remember
    keras.callbacks.LearningRateScheduler: (),
    keras.callbacks.TensorBoard: (),
    keras.callbacks.TerminateOnNaN: (),
    keras.callbacks.ProgbarLogger: (),
    keras.callbacks.History: (),
}


def can_be_kept(callback):
    """Tell whether a callback's state can be saved and restored.

    Args:
        callback: A callback.

    Returns:
        Boolean.

    Example:

    >>> can_be_kept(keras.callbacks.EarlyStopping())
    True
    >>> can_be_kept(keras.callbacks.RemoteMonitor())
    False
    """
    own = hasattr(callback, "get_state") and hasattr(callback, "set_state")
    return own or _attributes(callback) is not None


def state_of(callback):
    """Give what an interrupted training must remember of a callback.

    Args:
        callback: One for which `can_be_kept`.

    Returns:
        Dictionary of JSON data.

    Raises:
        AttributeError: If this version of Keras keeps it elsewhere.

    Example:

    >>> state_of(keras.callbacks.ReduceLROnPlateau())["wait"]
    0
    """
    if hasattr(callback, "get_state"):
        return callback.get_state()
    state = {
        name: _plain(_read(callback, name)) for name in _attributes(callback) or ()
    }
    if isinstance(callback, keras.callbacks.CSVLogger):
        path = pathlib.Path(callback.filename)
        state["size"] = path.stat().st_size if path.exists() else 0
    return state


def set_state(callback, state):
    """Take over what `state_of` gave.

    Args:
        callback: One for which `can_be_kept`.
        state: The dictionary.

    Example:

    >>> callback = keras.callbacks.ReduceLROnPlateau()
    >>> set_state(callback, {"best": 0.1, "cooldown_counter": 0, "wait": 3})
    >>> callback.wait
    3
    """
    if hasattr(callback, "set_state"):
        callback.set_state(state)
        return
    for name in _attributes(callback) or ():
        setattr(callback, name, state[name])


def arrays_of(callback):
    """Give the arrays that belong to a callback's state, such as best weights.

    Args:
        callback: A callback.

    Returns:
        List of NumPy arrays.

    Example:

    >>> arrays_of(keras.callbacks.EarlyStopping())
    []
    """
    if hasattr(callback, "get_arrays"):
        return [np.asarray(array) for array in callback.get_arrays()]
    if isinstance(callback, keras.callbacks.EarlyStopping):
        return [np.asarray(array) for array in callback.best_weights or ()]
    return []


def set_arrays(callback, arrays):
    """Take over what `arrays_of` gave.

    Args:
        callback: A callback.
        arrays: List of NumPy arrays.

    Example:

    >>> set_arrays(keras.callbacks.EarlyStopping(), [])
    """
    if hasattr(callback, "set_arrays"):
        callback.set_arrays(arrays)
    elif isinstance(callback, keras.callbacks.EarlyStopping) and arrays:
        callback.best_weights = arrays


def before_files_open(callback, state):
    """Keep a callback from emptying what it has written, before training begins.

    Args:
        callback: One for which `can_be_kept`.
        state: What `state_of` gave.

    Example:

    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/log.csv"
    >>> _ = pathlib.Path(path).write_text("epoch,loss\\n0,1.5\\n1,1.2\\n")
    >>> logger = keras.callbacks.CSVLogger(path)
    >>> before_files_open(logger, {"keys": ["loss"], "size": 17})
    >>> pathlib.Path(path).read_text(), logger.append
    ('epoch,loss\\n0,1.5\\n', True)
    """
    if not isinstance(callback, keras.callbacks.CSVLogger):
        return
    path = pathlib.Path(callback.filename)
    if path.exists():
        # rows of epochs that will be trained again
        os.truncate(path, min(state["size"], path.stat().st_size))
        callback.append = True


def _attributes(callback):
    kinds = [kind for kind in type(callback).__mro__ if kind in ATTRIBUTES]
    if isinstance(callback, keras.callbacks.LambdaCallback):
        return ()
    return ATTRIBUTES[kinds[0]] if kinds else None


def _read(callback, name):
    if not hasattr(callback, name):
        raise AttributeError(
            f"{type(callback).__name__} of Keras {keras.__version__} has no {name!r}: "
            "its state cannot be kept. Take the callback of this kind from "
            "kerasmith.callbacks, or another version of Keras."
        )
    return getattr(callback, name)


def _plain(value):
    """Give a number of NumPy or a tensor as Python's, whatever else as it is."""
    if value is None or isinstance(value, (bool, int, str, list)):
        return value
    return float(value)

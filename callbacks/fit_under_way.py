"""What a callback can know of the `fit` that calls it: its arguments, its callbacks.

Keras tells a callback the model alone. The rest stands on the stack, in a list of
callbacks that calls each, and in the arguments of `fit` itself. Where another training
loop keeps none of these, nothing is found.
"""

import inspect

import keras


def callback_lists(frame=None):
    """Give the lists of callbacks that are on the stack, the innermost first.

    Args:
        frame: Where the stack ends; the caller's if `None`.

    Yields:
        Lists of callbacks.

    Example:

    >>> list(callback_lists())
    []
    """
    frame = frame or inspect.currentframe()
    while frame is not None:
        for value in list(frame.f_locals.values()):
            if type(value) is keras.callbacks.CallbackList:
                yield value.callbacks
        frame = frame.f_back


def companions():
    """Find the callbacks of the training whose callback is being called.

    Returns:
        List of callbacks, empty outside of a training.

    Example:

    >>> companions()
    []
    """
    return list(next(callback_lists(), []))


def arguments():
    """Find the arguments of the `fit` that is under way.

    Returns:
        Dictionary, empty outside of a training and in one of another loop.

    Example:

    >>> arguments()
    {}
    """
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code.co_name == "fit" and "validation_data" in frame.f_locals:
            return dict(frame.f_locals)
        frame = frame.f_back
    return {}

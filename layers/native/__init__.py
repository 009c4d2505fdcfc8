"""What a backend does faster than `keras.ops`: one folder a backend.

The same topics stand in each folder, with the same functions, so that a layer asks for
the topic and needs not know the backend. This is the only place under `layers` that
imports TensorFlow, JAX or PyTorch, and only the backend in use is ever imported.
"""

import importlib

import keras


def of(topic):
    """Give the functions of a topic, for the backend in use.

    Args:
        topic: Name of a module that every backend's folder has.

    Returns:
        The module.

    Example:

    >>> of("normalization").__name__.split(".")[-1]
    'normalization'
    """
    return importlib.import_module(f".{keras.backend.backend()}.{topic}", __name__)

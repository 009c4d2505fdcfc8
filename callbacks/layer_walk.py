"""Every layer of a model, in the model's order."""

import fnmatch

import keras


def layers_in(model):
    """List all layers inside a model, at any depth, without the model itself.

    Args:
        model: A model or a layer.

    Returns:
        List of layers: each before those that it contains, none twice.

    Example:

    >>> cell = keras.layers.LSTMCell(3, name="cell")
    >>> inside = keras.Sequential([keras.layers.RNN(cell, name="rnn")], name="inside")
    >>> model = keras.Sequential([inside, keras.layers.Dense(1, name="head")])
    >>> [layer.name for layer in layers_in(model)]
    ['inside', 'rnn', 'cell', 'head']
    """
    found, seen, waiting = [], {id(model)}, _parts(model)
    while waiting:
        thing = waiting.pop(0)
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, keras.layers.Layer):
            found.append(thing)
        waiting = _parts(thing) + waiting
    return found


def _parts(thing):
    """List what may be or contain a layer: the attributes, as Keras looks, too."""
    if isinstance(thing, keras.Model):
        return list(thing.layers)
    if isinstance(thing, keras.layers.Layer):
        return list(vars(thing).values())
    if isinstance(thing, dict):
        return list(thing.values())
    return list(thing) if isinstance(thing, list | tuple | set) else []


def chosen(model, wanted, chooser):
    """List the layers that names, indices, classes or layers stand for.

    Args:
        model: The model.
        wanted: One of these or a list of them: the name of a layer at any depth, with
            `*` for any letters; the index of a layer in `model.layers`; a class of
            layers; a layer of the model.
        chooser: Name of who asks, for the message.

    Returns:
        List of layers in the order of `layers_in(model)`.

    Raises:
        ValueError: If one of them stands for no layer.

    Example:

    >>> names = ("block1_conv", "block1_norm", "head")
    >>> model = keras.Sequential([keras.layers.Dense(1, name=name) for name in names])
    >>> [layer.name for layer in chosen(model, ["block1_*", -1], "FreezeSchedule")]
    ['block1_conv', 'block1_norm', 'head']
    >>> chosen(model, "block2*", "FreezeSchedule")
    Traceback (most recent call last):
    ValueError: FreezeSchedule was given 'block2*', but the model has no such layer. ...
    """
    everything = layers_in(model)
    found = set()
    for one in wanted if isinstance(wanted, list | tuple | set) else [wanted]:
        meant = [layer for layer in everything if _is_meant(model, layer, one)]
        if not meant:
            raise ValueError(
                f"{chooser} was given {one!r}, but the model has no such layer. Its "
                f"layers are {', '.join(layer.name for layer in everything)}; give a "
                "name, with * for any letters, an index into model.layers, a class or "
                "a layer."
            )
        found |= {id(layer) for layer in meant}
    return [layer for layer in everything if id(layer) in found]


def _is_meant(model, layer, one):
    if isinstance(one, str):
        return fnmatch.fnmatchcase(layer.name, one)
    if isinstance(one, int):
        count = len(model.layers)
        return -count <= one < count and model.layers[one] is layer
    return isinstance(layer, one) if isinstance(one, type) else layer is one

"""Which kernels of a model are clipped unit by unit."""

import keras

from ..layers.kernels import parts_of, survey


def clipped_kernels(model, exclude=None):
    """Give the kernels of a model whose units are clipped.

    Gains, biases and other vectors are no kernels. Left out are the layers that make
    the model's outputs (Brock et al., 2021), or those named.

    Args:
        model: A built model.
        exclude: Names of layers, or a function that tells for a layer whether it is
            left out; the layers inside it are, too.

    Returns:
        List of `kerasmith.layers.kernels.Kernel`.

    Raises:
        ValueError: If a name is no layer's, if it is not known which weights of a
            kernel form a unit, or if no kernel is left.

    Example:

    >>> inputs = keras.Input((4,))
    >>> x = keras.layers.Dense(3, name="hidden")(inputs)
    >>> x = keras.layers.Dense(2, name="logits")(x)
    >>> model = keras.Model(inputs, keras.layers.Softmax()(x))
    >>> [kernel.path for kernel in clipped_kernels(model)]
    ['hidden.kernel']
    >>> [kernel.path for kernel in clipped_kernels(model, exclude=["hidden"])]
    ['logits.kernel']
    """
    left_out = {
        id(part) for layer in _chosen(model, exclude) for _, part in parts_of(layer)
    }
    found, unknown = survey(model)
    for _, part, reason in unknown:
        if id(part) not in left_out:
            raise ValueError(
                f"GradientClipping by 'adaptive' cannot tell the units of the layer "
                f"{part.name!r}, for {reason}. Or leave it out: exclude=[{part.name!r}]"
                ", with the names of the last layers."
            )
    kept = [kernel for kernel in found if id(kernel.owner) not in left_out]
    kept = [kernel for kernel in kept if kernel.variable.trainable]
    if not kept:
        raise ValueError(
            "GradientClipping by 'adaptive' finds no kernel to clip: all trainable "
            f"ones of {model.name!r} are excluded. Pass exclude=[] to clip the last "
            "layer, too."
        )
    return kept


def last_layers(model):
    """Give the layers with weights that are nearest to a model's outputs.

    Args:
        model: A built model. Of one that is not functional, whose connections are not
            known, the last layer with weights is taken.

    Returns:
        List of layers.

    Example:

    >>> inputs = keras.Input((4,))
    >>> heads = [keras.layers.Dense(2, name=name)(inputs) for name in ("a", "b")]
    >>> [layer.name for layer in last_layers(keras.Model(inputs, heads))]
    ['a', 'b']
    """
    makers = _makers(model)
    outputs = keras.tree.flatten(getattr(model, "outputs", None) or [])
    if not all(id(output) in makers for output in outputs) or not outputs:
        weighted = [layer for layer in model.layers if layer.weights][-1:]
        return [part for layer in weighted for part in _last_inside(layer)]
    found, seen, waiting = [], set(), outputs[::-1]
    while waiting:
        maker = makers.get(id(waiting.pop()))
        if maker is None or id(maker) in seen:
            continue
        seen.add(id(maker))
        if getattr(maker, "trainable_weights", ()):
            found += _last_inside(maker)
        else:
            waiting += keras.tree.flatten(maker.input)[::-1]
    return found


def _last_inside(layer):
    return last_layers(layer) if isinstance(layer, keras.Model) else [layer]


def _makers(model):
    """Map the identity of every tensor between the layers to the layer it is from."""
    makers = {}
    for operation in getattr(model, "operations", None) or model.layers:
        try:
            outputs = keras.tree.flatten(operation.output)
        except (AttributeError, ValueError):  # called never, or by the user's code
            continue
        makers.update({id(output): operation for output in outputs})
    return makers


def _chosen(model, exclude):
    if exclude is None:
        return last_layers(model)
    parts = [part for _, part in parts_of(model)]
    if callable(exclude):
        return [part for part in parts if exclude(part)]
    missing = sorted(set(exclude) - {part.name for part in parts})
    if missing:
        raise ValueError(
            f"GradientClipping is to exclude the layers {missing}, but {model.name!r} "
            f"has only {sorted({part.name for part in parts} - {model.name})}."
        )
    return [part for part in parts if part.name in set(exclude)]

"""Any network of the zoo as the left half of a U-Net."""

import math

import keras

from .. import layers
from . import registry
from .choices import choose

SMALLEST = 96  # height and width that every network of the zoo takes
PROBE = 512  # height and width of the image at which sizes are compared


def continue_maps(x, multiple, minimum=0):
    """Continue maps to sizes that can be halved, where they are not known to be so.

    Args:
        x: Symbolic tensor of shape `(batch, ..., channels)`.
        multiple: What every size shall be a multiple of.
        minimum: What every size shall be at least, a multiple of that, too.

    Returns:
        Symbolic tensor.

    Example:

    >>> continue_maps(keras.Input((9, 16, 3)), 8).shape
    (None, 16, 16, 3)
    """
    sizes = x.shape[1:-1]
    if None not in sizes and all(n >= minimum and not n % multiple for n in sizes):
        return x
    return layers.MirrorPadding(multiple, minimum=minimum, name="continue")(x)


def encode(encoder, x, depth, options):
    """Run a network of the zoo and give its maps of each size.

    Args:
        encoder: Name of the network.
        x: Symbolic tensor of shape `(batch, height, width, channels)`.
        depth: How often the maps are to be halved at the most; as often as the
            network does if `None`.
        options: Options of the network.

    Returns:
        Dictionary of how often maps were halved to the maps, the lowest included; and
        whether each size is just twice the one below.

    Raises:
        ValueError: If there is no such network, it is one of segmentation, or it does
            not halve its maps as often.

    Example:

    >>> maps, exact = encode("resnet20", keras.Input((33, 64, 3)), None, {})
    >>> {level: y.shape for level, y in maps.items()}
    {0: (None, 36, 64, 16), 1: (None, 18, 32, 32), 2: (None, 9, 16, 64)}
    """
    rows = {name: registry.variant(name) for name in registry.names()}
    # patches of one size are no maps that are halved
    able = [
        name
        for name, row in rows.items()
        if row.task == "classification" and not hasattr(row, "patch_size")
    ]
    choose("encoder", encoder, able)
    shape = (None, None, x.shape[-1])
    net = registry.build(encoder, top=False, input_shape=shape, **options)
    places, exact = _places(net)
    most = max(places)
    if depth is not None and depth not in places:
        raise ValueError(
            f"{encoder} halves its maps {most} times, received depth={depth}: choose "
            f"one of {', '.join(str(level) for level in sorted(places) if level)}."
        )
    lowest = most if depth is None else depth
    x = continue_maps(x, 2**most, 0 if exact else SMALLEST)
    copy = keras.models.clone_model(net, input_tensors=x)
    if options.get("weights") is not None:
        copy.set_weights(net.get_weights())
    chosen = {level: places[level] for level in sorted(places) if level <= lowest}
    return {n: copy.get_layer(name).output for n, name in chosen.items()}, exact


def _places(net):
    """Find the layer whose maps stand for each size, by how often they were halved."""
    maps = {y.name: y.output for y in net.layers if _gives_maps(y)}
    asked = keras.Model(net.input, maps)
    shapes = asked.compute_output_shape((1, PROBE, PROBE, net.input.shape[-1]))
    halvings = {n: round(math.log2(PROBE / s[1])) for n, s in shapes.items()}
    found = {halvings[name]: name for name in maps if _is_endpoint(name)}
    for name in _pooled(net, maps):
        if halvings[name] and halvings[name] < max(found):
            found.setdefault(halvings[name], name)
    exact = all(shapes[name][1] << level == PROBE for level, name in found.items())
    return found, exact


def _gives_maps(layer):
    shape = getattr(layer.output, "shape", ())
    return len(shape) == 4 and not isinstance(layer, keras.layers.InputLayer)


def _is_endpoint(name):
    return name == "stem" or name.removeprefix("stage").isdigit()


def _pooled(net, maps):
    """Name what pooling takes, the zeros around it left aside."""
    makers = {id(output): name for name, output in maps.items()}
    for layer in net.layers:
        if isinstance(layer, keras.layers.MaxPooling2D):
            maker = net.get_layer(makers.get(id(layer.input), layer.name))
            if isinstance(maker, keras.layers.ZeroPadding2D):
                maker = net.get_layer(makers[id(maker.input)])
            if maker is not layer:
                yield maker.name

"""ImageNet's weights, hosted by Keras or torchvision, copied into our architectures."""

import re

import keras
import numpy as np

from ... import layers
from .adapting import (
    DROPS,
    PREPROCESSING,
    TO_COLOURS,
    adapt_channels,
    first_convolution,
    refuse,
)
from .imagenet_files import cache, fetch
from .imagenet_names import HOSTED
from .imagenet_sources import from_application, from_torch
from .symbolic import without_numbers
from .torch_files import read

HEAD = "logits"
FIRST_DENSE = "fc6"  # of VGG
# what a bias that we leave out goes through on its way to the norm that cancels it
PASSING = (
    keras.layers.Add,
    keras.layers.Identity,
    keras.layers.MaxPooling2D,
    layers.DropPath,
)
# what changes training only, or the numbers that training starts from
HARMLESS = ("name", "dtype", "trainable", "momentum", "unbiased", "virtual_batch_size")
HARMLESS_ENDS = ("_initializer", "_regularizer", "_constraint")


def hosted(name):
    """Look up the hosted weights of a variant.

    Args:
        name: Name of the variant.

    Returns:
        Its `Hosted`.

    Raises:
        ValueError: If there are none.

    Example:

    >>> hosted("resnet50_v2")
    Traceback (most recent call last):
    ValueError: there are no ImageNet weights of resnet50_v2, but of resnet50_v2_slim...
    """
    if name in HOSTED:
        return HOSTED[name]
    slim = f"{name}_slim"
    near = f", but of {slim}, which halves the maps elsewhere" if slim in HOSTED else ""
    raise ValueError(
        f"there are no ImageNet weights of {name}{near}; Keras and torchvision host "
        f"those of {', '.join(HOSTED)}."
    )


def load(model):
    """Give a model the weights that are hosted, downloaded where they are not there.

    Args:
        model: One of our architectures, with the preprocessing of the weights.

    Raises:
        ValueError: If the weights do not fit.
        ConnectionError: If they cannot be downloaded.
        OSError: If they cannot be read.

    Example:

    >>> from kerasmith import zoo
    >>> load(zoo.resnet("resnet20"))
    Traceback (most recent call last):
    ValueError: there are no ImageNet weights of resnet20; Keras and torchvision hos...
    """
    row = hosted(model.name)
    refuse(model.name, _changes(model))
    if row.application:
        copy_from_applications(_application(model), model)
    else:
        copy_from_torch(read(_file(model.name, top=True)), model)


def copy_from_applications(theirs, ours):
    """Copy the weights of a model of `keras.applications`, so that logits are equal.

    A bias that ours leaves out goes into the mean of the norm behind it, and the
    difference of two norms' epsilons into the variance. A head of another number of
    classes stays as it is, and so does `preprocessing`.

    Args:
        theirs: Model of `keras.applications`.
        ours: The same architecture, built by us.

    Raises:
        ValueError: If a weight of ours would stay as it is, one of theirs would not
            be used, or shapes differ. Nothing is copied then.

    Example:

    >>> from kerasmith import zoo
    >>> options = {"input_shape": (32, 32, 3), "classes": 5}
    >>> theirs = keras.applications.MobileNet(
    ...     alpha=0.25, weights=None, classifier_activation=None, **options
    ... )
    >>> ours = zoo.mobilenet("mobilenet_v1_025", **options)
    >>> copy_from_applications(theirs, ours)
    >>> image = np.ones((1, 32, 32, 3), "float32")
    >>> difference = _numbers(theirs(image)) - _numbers(ours(image))
    >>> bool(np.abs(difference).max() < 1e-4)
    True
    """
    names = _names(hosted(ours.name), theirs, _pieces(ours))
    _copy(ours, names, from_application(theirs))


def copy_from_torch(arrays, ours):
    """Copy the weights of a network of torchvision, so that logits are equal.

    The head is handled as in `copy_from_applications`.

    Args:
        arrays: Dictionary of PyTorch's names of the weights to arrays.
        ours: The same architecture, built by us.

    Raises:
        ValueError: If a weight of ours would stay as it is, one of theirs would not
            be used, or shapes differ. Nothing is copied then.

    Example:

    >>> from kerasmith import zoo
    >>> ours = zoo.resnet("resnet18", input_shape=(32, 32, 3), classes=5, top=False)
    >>> copy_from_torch({"bn1.weight": np.ones(64, "float32")}, ours)
    Traceback (most recent call last):
    ValueError: these weights do not fit resnet18: stem_conv has no counterpart; ste...
    """
    _copy(ours, hosted(ours.name).names, from_torch(arrays))


def _copy(ours, names, sources):
    pieces = _pieces(ours)
    shifts, used = _shifts(ours, names, sources)
    first, row = first_convolution(ours), hosted(ours.name)
    values, problems = {}, []
    for name, piece in pieces.items():
        source = sources.get(names.get(name))
        if name == HEAD and not _same_classes(source, piece):
            continue
        if source is None:
            problems.append(f"{name} has no counterpart")
            continue
        found = _values(source, piece, shifts.get(name, 0.0))
        if piece is first and "kernel" in found:
            kernel = found["kernel"][:, :, :: -1 if row.reversed_channels else 1]
            found["kernel"] = adapt_channels(kernel, piece.kernel.shape[2])
        problems += _misfits(name, piece, found)
        values[name] = [found.get(weight.name) for weight in piece.weights]
        used |= {(source.name, weight) for weight in found}
    left = {(name, key) for name, source in sources.items() for key in source.arrays}
    if HEAD not in values:  # of another number of classes
        left = {(name, key) for name, key in left if name != names.get(HEAD)}
    problems += [f"their {'/'.join(pair)} has no place" for pair in sorted(left - used)]
    refuse(ours.name, problems)
    for name, arrays in values.items():
        pieces[name].set_weights(arrays)


def _application(model):
    """Build the model of Keras that has what ours needs, with its weights."""
    ours = {layer.name: layer for layer in model.layers}
    dense = ours.get(FIRST_DENSE)
    top = dense is not None or (HEAD in ours and ours[HEAD].units == 1000)
    if dense is not None and dense.kernel.shape[0] != 7 * 7 * 512:
        raise ValueError(
            f"the ImageNet weights of {model.name} are for images of 224 x 224, whose "
            f"maps its dense layers are as large as; received input_shape "
            f"{model.input_shape[1:]}. Resize the images, or build it with top=False."
        )
    row, path = hosted(model.name), _file(model.name, top)
    options = {"include_top": top, "weights": None, **row.options}
    theirs = getattr(keras.applications, row.application)(**options)
    try:
        theirs.load_weights(path)
    except (OSError, ValueError) as problem:
        raise OSError(
            f"{path} cannot be read ({problem}): delete it, so that it is downloaded "
            "again."
        ) from problem
    for layer in theirs.layers:
        if isinstance(layer, keras.layers.Normalization):
            # the file has the deviation for a variance, and Keras divides by its root
            # twice: https://github.com/tensorflow/tensorflow/issues/49930
            found = _numbers(layer.adapt_mean), _numbers(layer.adapt_variance)
            if not np.allclose(255 * np.array(found), row.constants, rtol=1e-3):
                raise ValueError(
                    f"{path} was trained on other images: mean and variance are "
                    f"{found}, expected {np.array(row.constants) / 255}."
                )
    return theirs


def _file(name, top):
    """Give the path of a variant's file, with or without its head."""
    row = hosted(name)
    file, expected = row.files[not top], row.hashes[not top]
    return fetch(name, f"{row.address}{file}", cache() / file, expected)


def _pieces(model):
    """Name the layers whose weights are copied, those inside others too."""
    pieces = {}
    for layer in model.layers:
        if isinstance(layer, DROPS) or layer.name == PREPROCESSING:
            continue
        if isinstance(layer, layers.SqueezeExcite):
            pieces[f"{layer.name}/reduce"] = layer.reduce
            pieces[f"{layer.name}/expand"] = layer.expand
        elif layer.weights:
            pieces[layer.name] = layer
    return pieces


def _names(row, theirs, pieces):
    """Map the names of our layers to those of Keras."""
    if not row.names:
        return _counted(theirs, pieces)
    found = [re.findall(f"^{row.block}", layer.name) for layer in theirs.layers]
    blocks = dict.fromkeys(block for each in found for block in each)
    found = [re.findall(r"^stage(\d+)_block(\d+)", name) for name in pieces]
    ours = sorted({(int(a), int(b)) for each in found for a, b in each})
    names = {name: to for name, to in row.names.items() if name[0] != "_"}
    for (stage, block), their_block in zip(ours, blocks, strict=False):
        for end, to in row.names.items():
            if end[0] == "_":
                names[f"stage{stage}_block{block}{end}"] = to.format(block=their_block)
    return names


def _counted(theirs, pieces):
    """Match convolutions that have no names there in the order they were built in."""

    def number(layer):
        return int(re.findall(r"\d*$", layer.name)[0] or 0)

    convolutions, norms = (
        [x.name for x in sorted(theirs.layers, key=number) if isinstance(x, kind)]
        for kind in (keras.layers.Conv2D, keras.layers.BatchNormalization)
    )
    ours = [name for name in pieces if re.search(r"_(conv|side)\d+$", name)]
    ours.sort(key=lambda name: (not name.startswith("stem"), name))
    names = dict(zip(ours, convolutions, strict=False))
    names |= {f"{a}_norm": b for a, b in zip(ours, norms, strict=False)}
    return {**names, HEAD: "predictions"}


def _shifts(ours, names, sources):
    """Follow each bias that we leave out to the norms that cancel it.

    Along shortcuts they add up, until a projection begins anew.

    Returns:
        What each norm's mean is too large by, and the biases.
    """
    offsets, shifts, used = {}, {}, set()  # offsets of tensors, by identity
    for layer in ours.layers:
        inputs = keras.tree.flatten(layer.input)
        offset = sum(offsets.get(id(tensor), 0.0) for tensor in inputs)
        source = sources.get(names.get(layer.name))
        if isinstance(layer, keras.layers.BatchNormalization):
            shifts[layer.name], offset = offset, 0.0
        elif np.any(offset) and not isinstance(layer, PASSING):
            raise ValueError(
                f"a bias of Keras reaches {layer.name} of {ours.name}, and only a norm "
                "can take it."
            )
        elif source is not None and getattr(layer, "use_bias", True) is False:
            if "bias" in source.arrays:
                used.add((source.name, "bias"))
            offset = source.arrays.get("bias", 0.0)
        offsets[id(layer.output)] = offset
    return shifts, used


def _values(source, piece, shift):
    """Give the numbers for the weights of a piece, by name."""
    theirs = source.arrays
    found = {w.name: theirs[w.name] for w in piece.weights if w.name in theirs}
    if isinstance(piece, keras.layers.BatchNormalization) and "moving_mean" in found:
        found["moving_mean"] = found["moving_mean"] - shift
        found["moving_variance"] = (
            found["moving_variance"] + source.epsilon - piece.epsilon
        )
    for weight in piece.weights:
        value = found.get(weight.name)
        if value is not None and value.shape == (1, 1, *weight.shape):
            found[weight.name] = value[0, 0]  # a 1 x 1 convolution for a dense layer
    return found


def _misfits(name, piece, found):
    for weight in piece.weights:
        shape = np.shape(found[weight.name]) if weight.name in found else "nothing"
        if shape != tuple(weight.shape):
            needed = f"needs shape {tuple(weight.shape)}, received {shape}"
            yield f"{name}/{weight.name} {needed}"


def _same_classes(source, head):
    if source is None:
        return False
    kernel = source.arrays.get("kernel")
    return kernel is None or kernel.shape[-1] == head.units


def _changes(model):
    """Find what differs from the published network, and changes what weights mean."""
    from ..registry import build  # which imports the families, and they import this

    options = {"input_shape": model.input_shape[1:], "top": False}
    for layer in model.layers:
        if layer.name == HEAD:
            options |= {"top": True, "classes": layer.units}
    published = without_numbers(lambda: build(model.name, **options))
    published = {layer.name: layer for layer in published.layers}
    ours = {layer.name: layer for layer in model.layers}
    for name in {**published, **ours}:
        if name in (PREPROCESSING, TO_COLOURS):
            continue
        expected, found = published.get(name), ours.get(name)
        if isinstance(expected or found, DROPS):
            continue
        if found is None:
            yield f"{name} is missing"
        elif expected is None:
            yield f"{name} is no layer of the published network"
        else:
            yield from _differences(name, found, expected)


def _differences(name, found, expected):
    if type(found) is not type(expected):
        kinds = f"{type(found).__name__}, expected {type(expected).__name__}"
        yield f"{name} is a {kinds}"
        return
    configs = found.get_config(), expected.get_config()
    for key in configs[1]:
        values = [config.get(key) for config in configs]
        if key in HARMLESS or key.endswith(HARMLESS_ENDS) or values[0] == values[1]:
            continue
        yield f"{name} has {key}={values[0]!r}, expected {values[1]!r}"


def _numbers(weight):
    return keras.ops.convert_to_numpy(weight)

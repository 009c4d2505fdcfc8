"""Weights in files of ours, matched with a model by the names of its layers.

Only numbers are read: nothing in a file is ever built or run.
"""

import contextlib
import pathlib
import re
import tempfile
import zipfile

from .adapting import PREPROCESSING, adapt_channels, first_convolution, refuse
from .imagenet_names import HOSTED

IN_ARCHIVE = "model.weights.h5"
HEADS = ("logits", "auxiliary1", "auxiliary2")
# what top=False and auxiliary=False leave out
LEFT_OUT = ("logits", "fc6", "fc7")
AUXILIARY = "auxiliary"
# what layers that only drop are called in a file: they have states, and no weights
DROPS = (
    "dropout",
    "spatial_dropout2d",
    "gaussian_dropout",
    "alpha_dropout",
    "drop_block",
    "drop_path",
    "locked_dropout",
)


def constants(name, path):
    """Tell which preprocessing weights in a file were trained with.

    Args:
        name: Name of the variant.
        path: A `.keras` or `.weights.h5` file.

    Returns:
        Mean and deviation of each channel, or `None` where there is none.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds no weights, or those of another variant.

    Example:

    >>> constants("resnet20", "nowhere.keras")
    Traceback (most recent call last):
    FileNotFoundError: there is no file nowhere.keras: weights are 'imagenet', or ...
    """
    with _opened(path) as file:
        _refuse_another(name, path, file)
        if PREPROCESSING not in _layers(path, file):
            return None
    # a U-Net has the name of its encoder at its end
    source = max(
        (n for n in HOSTED if f"_{name}".endswith(f"_{n}")), key=len, default=""
    )
    if not source:
        raise ValueError(
            f"{path} begins with a layer {PREPROCESSING!r}, which only weights that "
            f"came from ImageNet have, and there are none of {name}. Load it with "
            "keras.saving.load_model, and take its layers."
        )
    return HOSTED[source].constants


def load(model, path):
    """Give a model the weights in a file.

    The head stays as it is where the file has none, or one of another number of
    classes. The first kernel is adapted to another number of channels. Whatever else
    differs is refused, but for layers that only drop.

    Args:
        model: One of our architectures.
        path: A `.keras` or `.weights.h5` file that was saved from the same variant.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the weights do not fit; the model is unchanged then.

    Example:

    >>> from kerasmith import zoo
    >>> options = {"input_shape": (8, 8, 3), "classes": 5}
    >>> trained = zoo.mobilenet("mobilenet_v1_025", **options)
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "trained.weights.h5"
    >>> trained.save_weights(path)
    >>> load(zoo.mobilenet("mobilenet_v1_025", **options), path)
    """
    import h5py

    with tempfile.TemporaryDirectory() as folder, _opened(path) as file:
        # Keras writes what it reads: layers inside layers are where it expects them
        filled = pathlib.Path(folder) / "filled.weights.h5"
        model.save_weights(filled)
        with h5py.File(filled, "r+") as ours:
            problems = _fill(model, _layers(filled, ours), _layers(path, file))
        refuse(f"{model.name}: {path}", problems)
        model.load_weights(filled)


@contextlib.contextmanager
def _opened(path):
    """Open the weights in a file, taken out of the archive where they are in one."""
    import h5py

    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no file {path}: weights are 'imagenet', or the path of a .keras "
            "or .weights.h5 file."
        )
    if not path.name.endswith((".keras", ".weights.h5")):
        raise ValueError(
            f"weights are read from .keras and .weights.h5 files, received {path}."
        )
    with contextlib.ExitStack() as stack:
        try:
            if path.suffix == ".keras":
                folder = stack.enter_context(tempfile.TemporaryDirectory())
                path = _taken_out(path, folder)
            file = stack.enter_context(h5py.File(path, "r"))
        except (zipfile.BadZipFile, KeyError, EOFError, OSError) as problem:
            raise ValueError(
                f"{path} is cut short, or holds no weights ({problem})."
            ) from problem
        yield file


def _taken_out(path, folder):
    with zipfile.ZipFile(path) as archive:
        entry = archive.getinfo(IN_ARCHIVE)
        # Keras does not compress; what grows so much fills the disk
        if entry.file_size > 100 * entry.compress_size:
            raise ValueError(
                f"the weights in {path} are {entry.file_size} bytes out of "
                f"{entry.compress_size}, which Keras never writes: refused."
            )
        return archive.extract(entry, folder)


def _layers(path, file):
    """List the arrays of each layer, by its name and their places in it."""
    import h5py

    found = {}
    for kind, group in file.get("layers", {}).items():
        if group.file.filename != file.filename:
            raise ValueError(f"{path} points to other files, which is refused.")
        arrays = {}

        def note(place, item, arrays=arrays):
            if isinstance(item, h5py.Dataset):
                if item.external or item.is_virtual:
                    raise ValueError(f"{path} points to other files, which is refused.")
                arrays[place] = item

        group.visititems(note)
        name = group["vars"].attrs.get("name") if "vars" in group else None
        only_drops = re.sub(r"_\d+$", "", kind) in DROPS
        found[name or kind] = {} if only_drops else arrays
    if not found:
        raise ValueError(f"{path} holds no layers of a functional model.")
    return found


def _refuse_another(name, path, file):
    from ..registry import names  # which imports the families, and they import this

    of = file["vars"].attrs.get("name") if "vars" in file else None
    if of != name and of in names():
        raise ValueError(f"{path} holds the weights of {of}, expected those of {name}.")


def _fill(model, ours, theirs):
    """Put the arrays of a file into the places of ours; tell what does not fit."""
    first = first_convolution(model)
    problems = []
    for name in (layer.name for layer in model.layers):
        places = ours.get(name)
        if not places or name == PREPROCESSING:
            continue
        arrays = theirs.get(name, {})
        if name in HEADS and _is_another_head(places, arrays):
            continue
        if not arrays:
            problems.append(f"it has no {name}")
            continue
        adapts = first is not None and name == first.name
        problems += _fill_layer(name, places, arrays, adapts)
    for name, arrays in theirs.items():
        left_out = name in LEFT_OUT and "logits" not in ours
        if arrays and name not in ours and not left_out:
            if not name.startswith(AUXILIARY):
                problems.append(f"its {name} has no place")
    return problems


def _fill_layer(name, places, arrays, adapts):
    if set(places) != set(arrays):
        yield f"its {name} has {len(arrays)} weights, expected {len(places)}"
        return
    for number, (place, target) in enumerate(places.items()):
        array = arrays[place]
        needed, shape = target.shape, array.shape
        if adapts and number == 0 and len(needed) == len(shape) == 4:
            needed, shape = _without_channels(needed), _without_channels(shape)
        if needed != shape or array.dtype.kind != target.dtype.kind:
            received = f"shape {array.shape} in {array.dtype}"
            expected = f"{target.shape} in {target.dtype}"
            yield f"its {name} has {received}, expected {expected}"
        elif array.shape != target.shape:
            target[...] = adapt_channels(array[...], target.shape[2])
        else:
            target[...] = array[...]


def _is_another_head(places, arrays):
    """Tell whether only the number of classes differs, or there is no head at all."""
    if not arrays:
        return True
    if set(places) != set(arrays):
        return False
    shapes = [(places[place].shape, arrays[place].shape) for place in places]
    same_features = all(a[:-1] == b[:-1] for a, b in shapes)
    return same_features and any(a != b for a, b in shapes)


def _without_channels(shape):
    return shape[:2] + shape[3:]

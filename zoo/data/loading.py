"""The one door to every data set."""

import pathlib

from .dataset import SPLITS, assemble
from .description import Description
from .masks import mask_feature, open_canvas, open_folder
from .preprocessing import check_shape, preprocessing
from .texts import TEXTS

SETS = {
    "digits": "1,797 handwritten digits, 8x8 grey, 10 classes; needs no network",
    "digits_seven": "those of 0 to 6, to learn from for the rest",
    "digits_unseen": "0 to 6 to learn from, 7 to 9 to be tested by",
    "digits_few": "5 training images of each digit, for what has learnt from others",
    "digits_canvas": "4,600 scenes of these digits with a class for each pixel",
    "tfds:NAME": "a set of tensorflow-datasets: tfds:mnist, tfds:cifar10, ...",
    "folder:PATH": "your own images, one sub-folder a class; or images/ and masks/",
}
UNSTATED = "not stated; see the source"


def names():
    """List what `load` takes.

    Returns:
        Pairs of a name and one line about it.

    Example:

    >>> names()[0][0]
    'digits'
    """
    return list(SETS.items())


def load(
    name,
    *,
    input_shape=None,
    batch_size=32,
    seed=0,
    preprocess=None,
    augment=None,
    data_dir=None,
    hold=True,
    masks=False,
    fold=None,
):
    """Load a data set: train, dev and test batches, and what is known of them.

    Args:
        name: `"digits"`, `"tfds:NAME"` or `"folder:PATH"`.
        input_shape: Height, width and channels that the model takes; by default
            those of the set. Images are resized, grey becomes colour and colour grey.
        batch_size: Images in a batch.
        seed: Integer behind the order and the augmentation of every epoch.
        preprocess: Keras layer from raw `uint8` images to what the model takes;
            `preprocessing(input_shape)` by default.
        augment: Keras layers for the training images, behind `preprocess`. The
            numbers they draw follow from `seed`, not from seeds of their own.
        data_dir: Folder of prepared sets; `TFDS_DATA_DIR`, or
            `~/tensorflow_datasets`, by default. Not used by `"folder:PATH"`.
        hold: Whether a set that fits is taken into memory. Where one split is read
            once, reading it alone is quicker.
        masks: Whether a mask goes with each image, a class for each pixel, instead of
            a label: see `kerasmith.zoo.data.masks` for how they are found. They are
            resized with the images, to the nearest value, and augmented with them.
        fold: Which of several folds is chosen by and not trained on: `"2/5"`. They
            are cut of the training and the choosing examples, for sets in memory.

    Returns:
        `Data`.

    Raises:
        ValueError: If there is no such set, or an option cannot be right.
        TypeError: If a layer is not one.
        ConnectionError: If the set has to be downloaded and there is no network.
        OSError: If something cannot be read or written.

    Example:

    >>> digits = load("digits", input_shape=(32, 32, 1))
    >>> digits.description.counts
    {'train': 1197, 'dev': 300, 'test': 300}
    >>> digits.arrays("dev")[0].shape
    (300, 32, 32, 1)
    """
    _check_options(batch_size, seed, preprocess)
    if input_shape is not None:
        input_shape = check_shape(input_shape)
    kind, _, rest = str(name).partition(":")
    if name == "digits_canvas" and masks:
        source = open_canvas(input_shape)
    elif name in SETS and name.startswith("digits"):
        _check_kind(name, masks)
        source = _digits(name, data_dir)
    elif kind == "tfds" and rest:
        source = _catalogue(rest, data_dir, masks)
    elif kind == "folder" and rest:
        source = open_folder(rest) if masks else _folder(rest)
    else:
        raise ValueError(_unknown(name))
    own_shape, splits, about = source
    shape = input_shape or own_shape()
    preprocess = preprocess or preprocessing(shape)
    splits = splits(shape[2])
    if fold is not None:
        from .folds import folded

        splits = folded(splits, fold)
    description = Description(
        input_shape=_output_shape(preprocess, shape, input_shape),
        counts={split: splits[split].count for split in SPLITS},
        **about,
    )
    found = assemble(
        splits,
        description,
        preprocess,
        batch_size,
        seed,
        augment,
        hold,
        masks,
        _resized(own_shape, shape),
    )
    if fold is not None and not found.held:
        raise ValueError(
            f"{name} is too large to be held in memory, as sets with folds are: "
            "load it with a smaller input_shape, or train with several seeds."
        )
    return found


def _resized(own_shape, shape):
    """Tell whether some image has another height or width than wanted."""
    try:
        return tuple(own_shape()[:2]) != tuple(shape[:2])
    except ValueError:  # they differ from each other
        return True


def _check_kind(name, masks):
    if name == "digits_canvas":
        raise ValueError("digits_canvas has masks, not labels: pass masks=True.")
    if masks:
        raise ValueError(
            f"{name} has labels, not masks: choose digits_canvas, or a folder with "
            "images/ and masks/."
        )


def _digits(name, data_dir):
    from . import catalogue

    builder = catalogue.open_digits(data_dir, name)
    return _from_builder(
        builder,
        name,
        "Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, 1998, "
        "UCI Machine Learning Repository, https://doi.org/10.24432/C50P49, as "
        "scikit-learn carries it",
    )


def _catalogue(name, data_dir, masks):
    from . import catalogue

    features = mask_feature if masks else None
    builder = catalogue.open_catalogue(name, data_dir, features)
    home = f", {builder.info.homepage}" if builder.info.homepage else ""
    source = f"tensorflow-datasets, {builder.info.full_name}{home}"
    return _from_builder(builder, f"tfds:{name}", source, masks)


def _from_builder(builder, name, source, masks=False):
    from . import catalogue

    if masks:
        image, (*mask, labels) = "image", mask_feature(builder)
    else:
        mask, (image, label) = None, catalogue.image_and_label(builder)
        labels = builder.info.features[label].names

    def own_shape():
        shape = builder.info.features[image].shape
        if None in shape:
            raise ValueError(
                f"the images of {name} differ in size ({shape}): say what the model "
                "takes, such as input_shape=(224, 224, 3)."
            )
        return check_shape((*shape[:2], 1 if shape[2] == 1 else 3))

    def splits(channels):
        return {
            split: catalogue.read_split(builder, instruction, channels, mask)
            for split, instruction in catalogue.instructions(builder).items()
        }

    about = {
        "name": name,
        "classes": len(labels),
        "labels": tuple(labels),
        "source": source,
        "licence": builder.info.redistribution_info.license or UNSTATED,
    }
    return own_shape, splits, about


def _folder(path):
    from . import folder

    listing = folder.survey(path)

    def splits(channels):
        return {
            split: folder.read_files(files, channels)
            for split, files in listing.files.items()
        }

    about = {
        "name": f"folder:{path}",
        "classes": len(listing.classes),
        "labels": listing.classes,
        "source": f"images in {pathlib.Path(path).expanduser().resolve()}",
        "licence": UNSTATED,
    }
    return lambda: folder.own_shape(listing), splits, about


def _check_options(batch_size, seed, preprocess):
    import keras

    if type(batch_size) is not int or batch_size < 1:
        raise ValueError(f"batch_size needs to be 1, 2, ..., received {batch_size!r}.")
    if type(seed) is not int:
        raise TypeError(f"seed needs to be an integer, received {seed!r}.")
    if preprocess is not None and not isinstance(preprocess, keras.Layer):
        raise TypeError(
            "preprocess needs a Keras layer, such as preprocessing((32, 32, 1)), "
            f"received {preprocess!r}."
        )


def _output_shape(preprocess, shape, input_shape):
    """Find what the preprocessing gives, and hold it against what was asked for."""
    import numpy as np

    output = tuple(preprocess(np.zeros((1, *shape), "uint8")).shape[1:])
    if input_shape is not None and output != input_shape:
        raise ValueError(
            f"preprocess gives images of shape {output}, but "
            f"input_shape={input_shape} was asked for."
        )
    return check_shape(output)


def _unknown(name):
    """Name the nearest set: ours, one of tensorflow-datasets, or a folder there."""
    import difflib

    from . import catalogue

    if isinstance(name, str) and name and pathlib.Path(name).expanduser().is_dir():
        return f"{name!r} is a folder: to load its images, write 'folder:{name}'."
    if name in TEXTS:
        return f"{name!r} is a set of texts: load_texts({name!r}) loads it."
    known = ["digits", *(f"tfds:{each}" for each in catalogue.all_names())]
    near = difflib.get_close_matches(f"tfds:{name}", known, n=1, cutoff=0.8)
    near = difflib.get_close_matches(str(name), ["digits"], n=1) or near
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"there is no data set {name!r}; {hint}Choose one of {', '.join(SETS)}."

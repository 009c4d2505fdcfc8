"""Image classification sets of tensorflow-datasets: `digits` and `tfds:NAME`.

A set's own validation and test splits are used. Where one is missing, a tenth of
the training split takes its place: its last tenth for testing, the tenth before that
for validation (the last tenth where only validation is missing). tensorflow-datasets
shuffles sets when it prepares them, so a slice is a fair sample.
"""

from .preparing import prepared, sets_folder, silence
from .preprocessing import to_channels

WINDOW_BYTES = 2**30  # encoded images in a shuffle of what is not held in memory


def open_digits(data_dir=None, name="digits"):
    """Open the embedded digits, prepared on disk if they are not yet.

    Args:
        data_dir: Folder of prepared sets; that of tensorflow-datasets by default.

        name: `"digits"`, `"digits_seven"`, `"digits_unseen"` or `"digits_few"`.

    Returns:
        Builder of tensorflow-datasets.

    Raises:
        OSError: If the folder cannot be written.

    Example:

    >>> open_digits().info.splits["train"].num_examples
    1197
    """
    from . import digits

    kinds = (
        digits.Digits,
        digits.DigitsSeven,
        digits.DigitsUnseen,
        digits.DigitsFew,
    )
    kind = next(kind for kind in kinds if kind.name == name)
    folder = sets_folder(data_dir)

    def build():
        return kind(data_dir=folder)

    return prepared(build, name, quiet=True)


def open_catalogue(name, data_dir=None, features=None):
    """Open a set of tensorflow-datasets, downloaded if it is not on disk yet.

    Args:
        name: As in its catalogue, with configuration and version if wanted.
        data_dir: Folder of prepared sets; that of tensorflow-datasets by default.
        features: Function that finds what is needed of the set, or refuses it;
            `image_and_label` if `None`.

    Returns:
        Builder of tensorflow-datasets.

    Raises:
        ValueError: If there is no such set, or it has not what is needed.
        ConnectionError: If it has to be downloaded and there is no network.
        OSError: If it cannot be prepared.

    Example:

    >>> open_catalogue("fashion_mnits")
    Traceback (most recent call last):
    ValueError: there is no tensorflow-datasets set 'fashion_mnits'; did you mean ...
    """
    import tensorflow_datasets as tfds

    folder = sets_folder(data_dir)

    def build():
        try:
            with silence():
                return tfds.builder(name, data_dir=folder)
        except tfds.core.DatasetNotFoundError:
            raise ValueError(unknown(name)) from None

    (features or image_and_label)(build())  # no download for a set that cannot serve
    return prepared(build, f"tfds:{name}", quiet=False)


def unknown(name):
    """Say that tensorflow-datasets has no such set, and which it may be.

    Args:
        name: The name received.

    Returns:
        The message.

    Example:

    >>> "'mnist'" in unknown("mnsit")
    True
    """
    import difflib

    near = difflib.get_close_matches(name, all_names(), n=3)
    hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    return (
        f"there is no tensorflow-datasets set {name!r}; {hint}"
        "They are listed at https://www.tensorflow.org/datasets/catalog."
    )


def all_names():
    """List the sets that tensorflow-datasets knows.

    Returns:
        Names.

    Example:

    >>> "mnist" in all_names()
    True
    """
    import tensorflow_datasets as tfds

    return tfds.list_builders(with_community_datasets=False)


def image_and_label(builder):
    """Find the image and the label of a set.

    Args:
        builder: Builder of tensorflow-datasets.

    Returns:
        The names of the two features.

    Raises:
        ValueError: If the set is not one of images with one label each.

    Example:

    >>> image_and_label(open_digits())
    ('image', 'label')
    """
    import tensorflow_datasets as tfds

    features, keys = builder.info.features, builder.info.supervised_keys
    kinds = (tfds.features.Image, tfds.features.ClassLabel)
    if (
        keys is None
        or len(keys) != 2
        or not all(isinstance(key, str) for key in keys)
        or not all(map(isinstance, (features[key] for key in keys), kinds))
    ):
        raise ValueError(
            f"{builder.name} is not a set of images with one label each: its features "
            f"are {', '.join(features)} and its supervised keys {keys}. Choose an "
            "image classification set, or write the images into folders and use "
            "folder:PATH."
        )
    return keys


def instructions(builder):
    """Choose the slices that make train, dev and test.

    Args:
        builder: Prepared builder of tensorflow-datasets.

    Returns:
        Dictionary of slices as tensorflow-datasets writes them; no two overlap.

    Raises:
        ValueError: If there is no training split.

    Example:

    >>> instructions(open_digits())
    {'train': 'train', 'dev': 'validation', 'test': 'test'}
    """
    splits = builder.info.splits
    if "train" not in splits:
        raise ValueError(
            f"{builder.name} has no split 'train'; it has {', '.join(splits)}."
        )
    dev = next((n for n in ("validation", "valid", "val", "dev") if n in splits), None)
    test = "test" if "test" in splits else None
    if dev and test:
        return {"train": "train", "dev": dev, "test": test}
    if dev:
        return {"train": "train[:90%]", "dev": dev, "test": "train[90%:]"}
    if test:
        return {"train": "train[:90%]", "dev": "train[90%:]", "test": test}
    return {"train": "train[:80%]", "dev": "train[80%:90%]", "test": "train[90%:]"}


def read_split(builder, instruction, channels, mask=None):
    """Make the reader of one slice.

    Args:
        builder: Prepared builder of tensorflow-datasets.
        instruction: The slice.
        channels: 1 for grey, 3 for colour.
        mask: The feature that holds the masks and the value of their first class,
            where these are wanted and not the labels.

    Returns:
        `Split`. In a seeded order, encoded images are drawn from a moving window of
        at most 1 GiB: sets beyond that are shuffled within it.

    Example:

    >>> read_split(open_digits(), "train", 1).count
    1197
    """
    import tensorflow as tf
    import tensorflow_datasets as tfds

    from .pipeline import Split

    image, label = image_and_label(builder) if mask is None else ("image", mask[0])
    feature = builder.info.features[image]
    info = builder.info.splits[instruction]
    size = builder.info.splits[instruction.split("[")[0]]
    window = WINDOW_BYTES // max(1, size.num_bytes // max(1, size.num_examples))

    def decode(example):
        pixels = feature.decode_example(example[image])
        target = example[label]
        if mask is not None:
            target = tf.cast(target[..., 0], tf.int32) - mask[1]
        return to_channels(_to_uint8(pixels), channels), target

    def read(seed=None):
        examples = builder.as_dataset(
            split=instruction,
            decoders={image: tfds.decode.SkipDecoding()},
            read_config=tfds.ReadConfig(try_autocache=False),
            shuffle_files=False,
        )
        if seed is not None:
            if not tf.executing_eagerly():
                # in this function's graph alone: the order must not follow from
                # whatever global seed the program has set
                tf.random.set_seed(1)
            examples = examples.shuffle(
                min(window, max(1, info.num_examples)),
                seed=tf.cast(seed[0], tf.int64) * 2**31 + tf.cast(seed[1], tf.int64),
                reshuffle_each_iteration=False,
            )
        return examples.map(decode, num_parallel_calls=tf.data.AUTOTUNE)

    return Split(info.num_examples, read)


def _to_uint8(pixels):
    import tensorflow as tf

    if pixels.dtype == tf.uint8:
        return pixels
    if pixels.dtype == tf.uint16:
        return tf.image.convert_image_dtype(pixels, tf.uint8)
    raise ValueError(
        f"the set's pixels are {pixels.dtype.name}; only uint8 and uint16 have a "
        "known range."
    )

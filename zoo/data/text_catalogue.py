"""Texts of tensorflow-datasets: those with a label, and those in two languages."""

from .catalogue import instructions, open_catalogue
from .text_pairs import TextPairs

UNSTATED = "not stated; see the source"


def open_texts(name, data_dir=None):
    """Open texts of tensorflow-datasets, downloaded if they are not on disk yet.

    What the set calls its supervised pair is taken: a text and a label, or a text and
    its translation. Splits that are missing are taken from the training split, as for
    images.

    Args:
        name: As in its catalogue: `"imdb_reviews"`, `"ted_hrlr_translate/pt_to_en"`.
        data_dir: Folder of prepared sets; that of tensorflow-datasets by default.

    Returns:
        Dictionary of `TextPairs`, the source, and the licence.

    Raises:
        ValueError: If there is no such set, or it has no such pair.
        ConnectionError: If it has to be downloaded and there is no network.

    Example:

    >>> open_texts("imdb_review")
    Traceback (most recent call last):
    ValueError: there is no tensorflow-datasets set 'imdb_review'; did you mean ...
    """
    import tensorflow_datasets as tfds

    builder = open_catalogue(name, data_dir, _pair)
    source, target = _pair(builder)
    labels = tuple(getattr(builder.info.features[target], "names", ()))
    splits = {}
    for split, instruction in instructions(builder).items():
        examples = tfds.as_numpy(builder.as_dataset(split=instruction))
        pairs = [(one[source].decode(), one[target]) for one in examples]
        if not labels:
            pairs = [(text, answer.decode()) for text, answer in pairs]
        splits[split] = TextPairs.of(pairs, labels)
    home = f", {builder.info.homepage}" if builder.info.homepage else ""
    licence = builder.info.redistribution_info.license or UNSTATED
    return splits, f"tensorflow-datasets, {builder.info.full_name}{home}", licence


def _pair(builder):
    """Find the text, and its label or its translation."""
    import tensorflow_datasets as tfds

    features, pair = builder.info.features, builder.info.supervised_keys
    if isinstance(pair, tuple) and len(pair) == 2 and set(pair) <= set(features):
        text, answer = (features[name] for name in pair)
        kinds = tfds.features.Text, tfds.features.ClassLabel
        if isinstance(text, kinds[0]) and isinstance(answer, kinds):
            return pair
    raise ValueError(
        f"tfds:{builder.name} has no text with a label or a translation: its features "
        f"are {', '.join(features)}."
    )

"""The one door to every set of texts."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from ..choices import choose
from .text_pairs import TextPairs

TEXTS = {
    "dates": "34,000 dates as eleven languages write them, to ISO 8601; needs Babel",
    "arithmetic": "34,000 sums such as 12+345, and longer ones to be tested by",
    "help_topics": "1,536 sentences of Python's help, of 20 topics",
    "tfds:NAME": "texts of tensorflow-datasets: tfds:ted_hrlr_translate/pt_to_en, ...",
}
_PYTHON = "The Python documentation, https://docs.python.org/3"


def text_names():
    """List what `load_texts` takes.

    Returns:
        Pairs of a name and one line about it.

    Example:

    >>> text_names()[1][0]
    'arithmetic'
    """
    return list(TEXTS.items())


@dataclasses.dataclass(frozen=True)
class TextDescription:
    """What is known of a set of texts, for people, files and reports.

    Args:
        name: As `load_texts` takes it.
        labels: Name of each class, in the order of the integer labels; none where
            texts are answered by texts.
        counts: Number of texts in each split.
        source: Who made the set and where it is found.
        licence: Under which terms it may be used.

    Example:

    >>> print(TextDescription("sums", (), {"train": 8}, "made here", "yours"))
    sums: pairs of texts; 8 train
    source: made here
    licence: yours
    """

    name: str
    labels: tuple[str, ...]
    counts: Mapping[str, int]
    source: str
    licence: str

    @property
    def classes(self):
        """Number of classes."""
        return len(self.labels)

    def to_dict(self) -> dict[str, Any]:
        """Give all of it as data for JSON.

        Returns:
            Dictionary of text, numbers and lists.
        """
        return {**dataclasses.asdict(self), "labels": [*self.labels]}

    def __str__(self):
        kind = f"texts of {self.classes} classes" if self.labels else "pairs of texts"
        counts = ", ".join(f"{count:,} {split}" for split, count in self.counts.items())
        return (
            f"{self.name}: {kind}; {counts}\n"
            f"source: {self.source}\nlicence: {self.licence}"
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Texts:
    """A set of texts; `load_texts` makes it.

    Args:
        splits: `TextPairs` of `"train"`, `"dev"`, `"test"`, and others to be tested by.
        description: `TextDescription`.

    Example:

    >>> load_texts("arithmetic").splits["test"].targets[0].isdigit()
    True
    """

    splits: Mapping[str, TextPairs]
    description: TextDescription


def load_texts(name, *, seed=0, data_dir=None):
    """Load a set of texts and what a model is to make of them.

    Args:
        name: `"dates"`, `"arithmetic"`, `"help_topics"` or `"tfds:NAME"`.
        seed: Integer behind what is drawn, where the set is made here.
        data_dir: Folder of prepared sets; `TFDS_DATA_DIR`, or
            `~/tensorflow_datasets`, by default.

    Returns:
        `Texts`.

    Raises:
        ValueError: If there is no such set, or it has no texts.
        ImportError: If a package that makes it is not installed.
        ConnectionError: If the set has to be downloaded and there is no network.

    Example:

    >>> load_texts("help_topics").description.classes
    20
    """
    kind, _, rest = str(name).partition(":")
    if kind == "tfds" and rest:
        from .text_catalogue import open_texts

        splits, source, licence = open_texts(rest, data_dir)
    else:
        make, source, licence = _made_here(choose("set of texts", name, tuple(TEXTS)))
        splits = make(seed=seed)
    counts = {split: len(pairs) for split, pairs in splits.items()}
    labels = splits["train"].labels
    return Texts(splits, TextDescription(name, labels, counts, source, licence))


def _made_here(name) -> tuple[Callable, str, str]:
    """Give what makes a set, where it comes from, and its terms."""
    if name == "dates":
        from .dates import dates

        cldr = "made by Kerasmith from Unicode CLDR, https://cldr.unicode.org, by Babel"
        return dates, cldr, "Unicode License v3 (the forms), none (the dates)"
    if name == "arithmetic":
        from .arithmetic import arithmetic

        return arithmetic, "made by Kerasmith", "none"
    if name == "help_topics":
        from .help_topics import help_topics

        return help_topics, _PYTHON, "PSF licence"
    raise ValueError("tfds:NAME needs a name, such as tfds:imdb_reviews.")

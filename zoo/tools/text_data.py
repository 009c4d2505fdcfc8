"""Texts ready for a model: their vocabularies, their tokens, their batches."""

import dataclasses
import hashlib
import json
from typing import Any

import numpy as np

from ..data import text_batches
from ..data.texts import TextDescription, load_texts
from ..data.vocabulary import Vocabulary
from .feed import Feed


@dataclasses.dataclass(eq=False)
class TextData:
    """A set of texts and the vocabularies that were learned of its training split.

    Args:
        splits: Mapping of names to `TextPairs`.
        description: `TextDescription`.
        source_vocabulary: `Vocabulary` of what is read.
        target_vocabulary: That of what is written; the same where both share one, and
            where the answers are classes.

    Example:

    >>> from .. import recipes
    >>> loaded = load(recipes.get("transformer_tiny_dates"))
    >>> loaded.target_vocabulary.tokens[4:7]
    ('-', '0', '1')
    """

    splits: Any
    description: TextDescription
    source_vocabulary: Vocabulary
    target_vocabulary: Vocabulary
    _arrays: dict = dataclasses.field(default_factory=dict, repr=False)

    @property
    def shared(self):
        """Whether one vocabulary serves both sides."""
        return self.target_vocabulary is self.source_vocabulary


def load(recipe):
    """Load the texts of a recipe, and learn their vocabularies.

    Args:
        recipe: `TextRecipe`.

    Returns:
        `TextData`.

    Raises:
        ValueError: If there is no such set, or a vocabulary cannot be learned.
        ImportError: If a package that makes the set is not installed.
        ConnectionError: If it has to be downloaded and there is no network.

    Example:

    >>> from .. import recipes
    >>> load(recipes.get("transformer_tiny_dates")).description.counts["dev"]
    2000
    """
    texts = load_texts(recipe.data)
    train = texts.splits["train"]
    write = not texts.description.labels
    both = write and recipe.target_vocabulary is None
    read = [*train.sources, *train.targets] if both else train.sources
    source = target = Vocabulary.learn(read, **recipe.vocabulary)
    if write and not both:
        target = Vocabulary.learn(train.targets, **(recipe.target_vocabulary or {}))
    return TextData(texts.splits, texts.description, source, target)


def metrics(data):
    """Measure the share of tokens, or of texts, that are right.

    Args:
        data: `TextData`.

    Returns:
        List of metrics.

    Example:

    >>> metrics(None)
    ['accuracy']
    """
    return ["accuracy"]


def samples(data):
    """Give what an exported model is compared by.

    Args:
        data: `TextData`.

    Returns:
        The same: its texts, and its vocabularies.

    Example:

    >>> samples(3)
    3
    """
    return data


def tokens(recipe, data, split):
    """Give a split as tokens: what a network takes, and what it is to find.

    Args:
        recipe: `TextRecipe`.
        data: `TextData`.
        split: Name of a split.

    Returns:
        Pair of inputs and targets. Where texts are answered by texts, of `{"source":
        int32 (texts, time), "target": (texts, target time)}`, which begins with the
        start token, and what follows each token, `(texts, target time)`; where they
        are answered by classes, of int32 `(texts, time)` and `(texts,)`.

    Example:

    >>> from .. import recipes
    >>> recipe = recipes.get("transformer_tiny_dates")
    >>> inputs, targets = tokens(recipe, load(recipe), "dev")
    >>> inputs["target"][0, 0], targets[0, -1]
    (np.int32(2), np.int32(3))
    """
    if split in data._arrays:
        return data._arrays[split]
    pairs = data.splits[split]
    source = _encode(data.source_vocabulary, pairs.sources, recipe.source_length)
    if data.description.labels:
        found = source, pairs.targets
    else:
        target = _encode(data.target_vocabulary, pairs.targets, recipe.length, True)
        found = {"source": source, "target": target[:, :-1]}, target[:, 1:]
    data._arrays[split] = found
    return found


def _encode(vocabulary, texts, most, start=False):
    """Give the tokens of texts, as many as the longest has, but not more than most."""
    found = vocabulary.encode([*texts], start=start, end=True).numpy()
    if found.shape[1] <= most + start:
        return found
    return vocabulary.encode([*texts], most + start, start=start, end=True).numpy()


def feed(recipe, data):
    """Feed tokens: training batches in another order each epoch.

    Args:
        recipe: `TextRecipe`.
        data: `TextData`.

    Returns:
        `Feed`.

    Example:

    >>> from .. import recipes
    >>> recipe = recipes.get("transformer_tiny_dates")
    >>> feed(recipe, load(recipe)).steps == -(-30_000 // recipe.batch_size)
    True
    """
    size = recipe.batch_size
    inputs, targets = tokens(recipe, data, "train")
    train, counter = text_batches.in_epochs(inputs, targets, size, recipe.seed)
    inputs, targets = tokens(recipe, data, "dev")
    dev = text_batches.in_order(inputs, targets, size)
    return Feed(train, dev, int(train.cardinality()), counter.assign)


def check(data, model):
    """Refuse texts that a model cannot learn from.

    Args:
        data: `TextData`.
        model: The model.

    Raises:
        ValueError: If a split has no texts, or a class is out of range.

    Example:

    >>> check.__name__
    'check'
    """
    name = data.description.name
    for split, pairs in data.splits.items():
        if not len(pairs):
            raise ValueError(f"{name} has no texts in its split {split!r}.")
        if pairs.targets.dtype == np.int32:
            low, high = pairs.targets.min(), pairs.targets.max()
            if low < 0 or high >= data.description.classes:
                raise ValueError(
                    f"the classes of {name} are 0 to {data.description.classes - 1}, "
                    f"and {split} has some from {low} to {high}."
                )


def identity(vocabulary):
    """Tell a vocabulary from all others.

    Args:
        vocabulary: `Vocabulary`.

    Returns:
        Dictionary of the number of `tokens`, and a `fingerprint` of all it holds.

    Example:

    >>> one, other = (Vocabulary.learn([text]) for text in ("ab", "ba b"))
    >>> identity(one)["tokens"], identity(one) == identity(other)
    (6, False)
    """
    held = json.dumps(vocabulary.get_config(), sort_keys=True).encode()
    return {
        "tokens": len(vocabulary),
        "fingerprint": hashlib.sha256(held).hexdigest(),
    }

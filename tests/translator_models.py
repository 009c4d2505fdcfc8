"""Translators of dates with weights drawn by NumPy, the same on every backend."""

import functools

import keras
import numpy as np

from kerasmith.zoo.data import Vocabulary, dates
from kerasmith.zoo.seq2seq import seq2seq
from kerasmith.zoo.tools import Translator
from kerasmith.zoo.transformer import transformer

KINDS = ("seq2seq", "transformer")
LENGTH = 9
PAIRS = dates((1100, 1, 1), seed=4)["train"]
SOURCES = [*PAIRS.sources]
# what a stranger may send: nothing, a lot, unseen characters, no UTF-8
ODD = ["", "x" * 3000, "☂ 👍🏽", b"\xff\xfe 3 May", b"3\x00 May 2021", "３ Mai"]
TEXTS = [*SOURCES[:20], *ODD]


@functools.cache
def vocabularies():
    return Vocabulary.learn(SOURCES), Vocabulary.learn([*PAIRS.targets])


def network(kind, **options):
    """Build a small network, and draw weights with which it says this and that."""
    source, target = map(len, vocabularies())
    sizes = {"vocabulary": source, "target_vocabulary": target}
    if kind == "transformer":
        small = {"width": 12, "heads": 3, "feed_forward": 16, "depth": 1}
        options = {**small, **sizes, **options}
        return drawn(transformer("transformer_tiny", **options), 27, 1, 12)
    return drawn(seq2seq(width=10, embedding=6, **sizes, **options), 11, 2, 4)


def drawn(model, seed, embeddings, kernels):
    draw = np.random.default_rng(seed)
    for weight in model.trainable_weights:
        value = draw.normal(size=weight.shape)
        if "embedd" in weight.name:
            value *= embeddings
        elif len(weight.shape) < 2:
            value *= 0.3
            # without a one the logits of a token just said would not be the largest
            value += "gamma" in weight.name and "target_norm" not in weight.path
        else:
            value *= kernels * np.prod(weight.shape[:-1]) ** -0.5
        weight.assign(value)
    return model


@functools.cache
def shared(kind):
    """Give one to all who leave it as it is: it is compiled once."""
    return Translator(network(kind), *vocabularies(), length=LENGTH, width=3)


def numbers(tensor):
    return np.array(keras.ops.convert_to_numpy(tensor), "float64")

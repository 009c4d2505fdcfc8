"""Texts as numbers and back, inside the graph."""

import collections
import json
import pathlib

import numpy as np
import tensorflow as tf

from ...callbacks.files import write_text
from ..choices import choose
from . import text_pieces
from .byte_pairs import learn_merges, merge_batch, merge_table, merged_texts
from .text_pieces import UNKNOWN_TEXT

KINDS = ("characters", "words", "subwords")

_VERSION = 1
_SPECIAL = ("<pad>", "<unknown>", "<start>", "<end>")
_CHUNK = 1024  # texts that are cut together while learning


class Vocabulary(tf.Module):
    """Texts as int32 ids and back, by TensorFlow's own operations.

    Id 0 is padding, 1 what is unknown, 2 the start and 3 the end of a text; the
    tokens follow. `encode` and `decode` run eagerly, in `tf.data` and in a SavedModel
    that holds the vocabulary as an attribute. Bytes that are no UTF-8, and NUL, are
    unknown.

    A token is, by kind:

    * `"characters"`: a Unicode character. Nothing is lost.
    * `"words"`: a word or a punctuation character, as `text_pieces.words` cuts.
      Lost: which white space there was, and where around punctuation.
    * `"subwords"`: characters merged pair by pair; the first of a word carries the
      space before it. Lost: which white space there was.

    Args:
        pieces: Tokens, in the order of their ids; for subwords, the characters.
        kind: `"characters"`, `"words"` or `"subwords"`.
        lowercase: Whether capitals are turned into small letters.
        merges: For subwords: pairs of texts to merge, in order; each makes a token.

    Raises:
        TypeError: If a piece is no text.
        ValueError: If there are none, one occurs twice or in no text of this kind, or
            a merge is none.

    Example:

    >>> letters = Vocabulary.learn(["banana"])
    >>> letters.tokens
    ('<pad>', '<unknown>', '<start>', '<end>', 'a', 'n', 'b')
    >>> ids = letters.encode(["ban", "nab!"], end=True)
    >>> ids.numpy().tolist()
    [[6, 4, 5, 3, 0], [5, 4, 6, 1, 3]]
    >>> [text.decode() for text in letters.decode(ids).numpy()]
    ['ban', 'nab\ufffd']

    Reference:
        Subwords: Sennrich et al., 2016, https://arxiv.org/abs/1508.07909
    """

    PAD, UNKNOWN, START, END = range(4)

    def __init__(self, pieces, kind="characters", lowercase=False, merges=()):
        super().__init__()
        self.kind = choose("kind", kind, KINDS)
        self.lowercase = bool(lowercase)
        pieces = _checked(pieces, kind, lowercase)
        merges = [tuple(pair) for pair in merges]
        if merges and kind != "subwords":
            raise ValueError(f"a vocabulary of {kind} has no merges, received some.")
        texts = [*_SPECIAL, *pieces, *merged_texts(pieces, merges)]
        # JSON: a tf.Module would wrap and watch every list
        self._config = json.dumps({"pieces": pieces, "merges": merges})
        self._tokens = np.array(texts, dtype=object)
        numbers = {text: number for number, text in enumerate(texts) if number > 3}
        with tf.init_scope():
            self._number_of = _table(numbers, numbers.values(), self.UNKNOWN)
            spoken = ["", UNKNOWN_TEXT, "", "", *numbers]
            self._text_of = _table(range(len(spoken)), spoken, UNKNOWN_TEXT)
            self._merged = merge_table(numbers, merges) if merges else None

    @classmethod
    def learn(cls, texts, kind="characters", size=None, lowercase=False):
        """Make a vocabulary of the most frequent tokens of texts.

        Tokens come in the order of their frequency, ties in that of the text; those
        that merges make come after the characters, in the order of the merges.

        Args:
            texts: Iterable of `str` or UTF-8 `bytes`.
            kind: `"characters"`, `"words"` or `"subwords"`.
            size: Tokens at most, counting the four special ones; `None` for all that
                there are. Subwords need room for every character.
            lowercase: Whether to turn capitals into small letters.

        Returns:
            `Vocabulary`.

        Raises:
            TypeError: If `texts` is one text, or holds something else.
            ValueError: If `size` is too small, or there is nothing to learn from.

        Example:

        >>> Vocabulary.learn(["to be, or not to be"], "words", size=7).tokens[4:]
        ('be', 'to', ',')
        """
        choose("kind", kind, KINDS)
        if isinstance(texts, (str, bytes)):
            raise TypeError("learn takes a list of texts, received a single one.")
        room = None if size is None else size - len(_SPECIAL)
        if room is not None and room < 1:
            raise ValueError(
                f"size counts four special tokens and needs to be 5 or more, received "
                f"size={size}."
            )
        counts = _count(list(texts), kind, lowercase)
        if not counts:
            raise ValueError("learn needs texts with something in them, received none.")
        if kind != "subwords":
            return cls(_by_frequency(counts)[:room], kind, lowercase)
        characters = collections.Counter()
        for piece, count in counts.items():
            characters.update({c: count * piece.count(c) for c in set(piece)})
        if room is not None and room < len(characters):
            raise ValueError(
                f"the texts hold {len(characters)} different characters: subwords need "
                f"size={len(characters) + len(_SPECIAL)} or more, received size={size}."
            )
        merges = learn_merges(counts, None if room is None else room - len(characters))
        return cls(_by_frequency(characters), kind, lowercase, merges)

    def encode(self, texts, length=None, start=False, end=False):
        """Turn texts into ids.

        Args:
            texts: Text, list or array of texts, or string tensor `()` or `(batch,)`.
            length: Ids of each text, or `None` for those of the longest. Longer texts
                are cut behind; their start and end are kept.
            start: Whether the start token goes before each text.
            end: Whether the end token goes behind each text.

        Returns:
            int32 tensor `(batch, ids)`, padded behind; of one text, `(ids,)`.

        Raises:
            TypeError: If something is no text.
            ValueError: If there are more dimensions, or `length` has no room for a
                text.

        Example:

        >>> letters = Vocabulary.learn(["banana"])
        >>> letters.encode("banana", length=4, start=True, end=True).numpy()
        array([2, 6, 4, 3], dtype=int32)
        """
        least = 1 + bool(start) + bool(end)
        if length is not None and length < least:
            raise ValueError(
                f"encode needs a length of {least} or more, so that something of a "
                f"text fits, received length={length}."
            )
        room = None if length is None else length + 1 - least
        texts = text_pieces.as_strings(texts)
        # there are no strings on accelerators
        with tf.device("CPU:0"):
            rows = self._rows(tf.reshape(texts, [-1]))[:, :room]
            beside = tf.ones([rows.nrows(), 1], tf.int32)
            ids = tf.concat(
                [
                    *([beside * self.START] if start else []),
                    rows,
                    *([beside * self.END] if end else []),
                ],
                axis=1,
            ).to_tensor(self.PAD, shape=[None, length])
        return ids if texts.shape.rank else ids[0]

    def decode(self, ids):
        """Turn ids into texts.

        Each text stops before its first end token; padding and start tokens are
        skipped. Unknown tokens, and ids that there are not, become U+FFFD.

        Args:
            ids: Integers of shape `(..., ids)`: tensor, ragged tensor, array or list.

        Returns:
            String tensor of shape `(...,)`.

        Raises:
            TypeError: If the ids are no whole numbers.
            ValueError: If there is only one.

        Example:

        >>> letters = Vocabulary.learn(["banana"])
        >>> letters.decode([2, 6, 4, 5, 1, 3, 4, 0]).numpy().decode()
        'ban\ufffd'
        """
        ids = _as_ids(ids, self.PAD)
        shape = tf.shape(ids)
        with tf.device("CPU:0"):
            rows = tf.reshape(ids, [tf.reduce_prod(shape[:-1]), shape[-1]])
            ended = tf.cumsum(tf.cast(rows == self.END, tf.int32), axis=1)
            texts = self._text_of.lookup(tf.where(ended == 0, rows, self.PAD))
            if self.kind == "words":
                texts = tf.ragged.boolean_mask(texts, texts != "")
                texts = tf.strings.reduce_join(texts, axis=-1, separator=" ")
                texts = text_pieces.join_words(texts)
            else:
                texts = tf.strings.reduce_join(texts, axis=-1)
            if self.kind == "subwords":
                texts = tf.strings.regex_replace(texts, "^ ", "")
        texts = tf.reshape(texts, shape[:-1])
        texts.set_shape(ids.shape[:-1])
        return texts

    @property
    def tokens(self):
        """Texts of all tokens, by id; the special ones in angle brackets."""
        return tuple(self._tokens)

    def __len__(self):
        return len(self._tokens)

    def get_config(self):
        """Give what `from_config` makes the same vocabulary of, as data for JSON."""
        return {
            "kind": self.kind,
            "lowercase": self.lowercase,
            **json.loads(self._config),
        }

    @classmethod
    def from_config(cls, config):
        """Make the vocabulary that `get_config` told of."""
        return cls(**config)

    def save(self, path):
        """Write the vocabulary to a JSON file, whole or not at all.

        Args:
            path: Where the file is to stand.

        Returns:
            The path as a `pathlib.Path`.
        """
        data = {"version": _VERSION, **self.get_config()}
        return write_text(path, json.dumps(data, ensure_ascii=False, indent=1) + "\n")

    @classmethod
    def load(cls, path):
        """Read a vocabulary that `save` wrote.

        Args:
            path: The file.

        Returns:
            `Vocabulary`.

        Raises:
            OSError: If it cannot be read.
            ValueError: If it holds no vocabulary, or one of another version.
        """
        try:
            data = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{path} is no JSON file: {error}.") from None
        if not isinstance(data, dict) or "version" not in data:
            raise ValueError(f"{path} holds no vocabulary: write one by save.")
        version = data.pop("version")
        if version != _VERSION:
            raise ValueError(
                f"{path} holds a vocabulary of version {version!r}; this Kerasmith "
                f"reads version {_VERSION}."
            )
        try:
            return cls.from_config(data)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path} holds a broken vocabulary: {error}") from error

    def _rows(self, texts):
        """Give the ids of each text as a ragged int32 tensor."""
        pieces = _cut(texts, self.kind, self.lowercase)
        if self.kind == "subwords":
            # a word that occurs often is merged once
            words, places = tf.unique(pieces.flat_values)
            ids = self._number_of.lookup(text_pieces.characters(words))
            if self._merged is not None:
                ids = merge_batch(ids, self._merged)
            rows = pieces.with_flat_values(tf.gather(ids, places)).merge_dims(1, 2)
        else:
            rows = self._number_of.lookup(pieces)
        return tf.cast(rows, tf.int32)


def _cut(texts, kind, lowercase):
    how = {"words": text_pieces.words, "subwords": text_pieces.parts}
    cut = how.get(kind, text_pieces.characters)
    return cut(text_pieces.clean(texts, lowercase))


def _table(keys, values, default):
    """Map texts to int64 ids, or ids to texts."""
    keys, values = (
        tf.constant(list(side), tf.int64 if isinstance(one, int) else tf.string)
        for side, one in ((keys, next(iter(keys))), (values, default))
    )
    return tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(keys, values), default
    )


def _checked(pieces, kind, lowercase):
    """Refuse pieces that are none, or that no text is cut into."""
    pieces = list(pieces)
    if not pieces:
        raise ValueError("a vocabulary needs at least one piece, received none.")
    texts = text_pieces.as_strings(pieces)
    kind = "words" if kind == "words" else "characters"
    cut = _cut(texts, kind, lowercase)
    alone = (cut.row_lengths() == 1) & (tf.strings.reduce_join(cut, axis=1) == texts)
    alone &= texts != UNKNOWN_TEXT
    seen = set()
    for place, (piece, fits) in enumerate(zip(pieces, alone.numpy(), strict=True)):
        if piece in seen:
            raise ValueError(f"piece {place}, {piece!r}, occurs twice: leave one out.")
        if not fits:
            raise ValueError(
                f"piece {place} is {piece!r}, which no text is cut into"
                f"{' without capitals' if lowercase else ''}: every piece needs to be "
                f"one of the {kind} of a text."
            )
        seen.add(piece)
    return pieces


def _count(texts, kind, lowercase):
    """Count the pieces of texts; U+FFFD separates, for it stands for anything."""
    found = collections.Counter()
    for begin in range(0, len(texts), _CHUNK):
        chunk = text_pieces.as_strings(texts[begin : begin + _CHUNK])
        found.update(_cut(chunk, kind, lowercase).flat_values.numpy().tolist())
    counts = collections.Counter()
    for piece, count in found.items():
        text = piece.decode()
        if kind == "subwords":
            for part in filter(None, text.split(UNKNOWN_TEXT)):
                counts[part] += count
        elif UNKNOWN_TEXT not in text:
            counts[text] += count
    return counts


def _by_frequency(counts):
    return sorted(counts, key=lambda text: (-counts[text], text))


def _as_ids(ids, padding):
    """Make a dense int64 tensor of ids."""
    if isinstance(ids, tf.RaggedTensor):
        ids = ids.to_tensor(padding)
    if not tf.is_tensor(ids):
        ids = np.asarray(ids)
        if not ids.size:
            ids = ids.astype("int64")
        ids = tf.constant(ids)
    if not ids.dtype.is_integer:
        raise TypeError(f"ids need to be whole numbers, received {ids.dtype.name}.")
    if not ids.shape.rank:
        raise ValueError(
            f"decode needs ids of shape (..., ids), received {ids.shape}: pass a list."
        )
    return tf.cast(ids, tf.int64)

"""Text to text: a network that reads and writes, with what turns texts into tokens."""

from typing import Any, NamedTuple

import numpy as np

from ..data.vocabulary import Vocabulary
from .alignments import Alignment
from .compiling import compiled
from .text_samples import listed
from .translator_files import load_translator, save_translator
from .translator_network import TranslatorNetwork, check_penalty, check_whole
from .translator_texts import batches, encoded

LOGITS = 2**26  # numbers that a teacher's logits of a batch may have


class Translation(NamedTuple):
    """A text, and how likely the network finds it.

    Args:
        text: What was said.
        score: `log P / T ** length_penalty`, where `T` are the tokens, the end token
            included.

    Example:

    >>> Translation("2021-05-03", -0.25).text
    '2021-05-03'
    """

    text: str
    score: float


class Translator:
    """A network of `zoo.seq2seq` or `zoo.transformer` from text to text.

    The source vocabulary turns texts into tokens, with the end token behind them, so
    that an empty text has one. Train the network likewise. Longer texts than
    `source_length` are cut behind, and keep their end. Writing begins with the start
    token, and is over at the end token; padding, the start token and what is unknown
    are never said.

    Args:
        model: `keras.Model` with an encoder and a decoder.
        source_vocabulary: `zoo.data.Vocabulary` of the texts to read.
        target_vocabulary: That of the texts to write, the same if `None`.
        length: Tokens of an output at most, the end token included. What has not ended
            then is given as it is.
        width: Number of beams; with 1 the most likely token is taken at each step.
        length_penalty: Exponent of the length in the scores, at least 0.
        source_length: Tokens of a source at most, the end token included.

    Attributes:
        target_vocabulary: That of the outputs, also where it is the source's.
        network: `TranslatorNetwork` of the model.

    Call arguments:
        texts: List of `str` or UTF-8 `bytes`.
        best: Number of translations of each, at most `width`.
        width: Number of beams, the translator's if `None`.
        batch_size: Texts at once, at most. They are sorted by their length.

    Returns:
        List of a `Translation` for each text, in the order of the texts; with `best`
        above 1 a list of lists of so many, the likeliest first. Where fewer were
        found, the others have a score of minus infinity and an empty text.

    Raises:
        TypeError: If an argument is of the wrong type.
        ValueError: If the model is another, the vocabularies do not fit it, or a
            number is out of range; when called, if there are no texts.

    Example:

    >>> from ..seq2seq import seq2seq
    >>> letters = Vocabulary.learn(["banana"])
    >>> model = seq2seq(vocabulary=len(letters), width=8, embedding=4)
    >>> translator = Translator(model, letters, length=5, width=2)
    >>> found = translator(["ban", "anna"], best=2)
    >>> [len(each) for each in found], found[0][0].score >= found[0][1].score
    ([2, 2], True)
    >>> alignment = translator.attend("ban", "nab")
    >>> alignment.source_tokens, alignment.weights.shape
    (('b', 'a', 'n', '<end>'), (4, 4))
    """

    def __init__(
        self,
        model,
        source_vocabulary,
        target_vocabulary: Any = None,
        *,
        length=64,
        width=4,
        length_penalty=0.7,
        source_length=256,
    ):
        self.network = TranslatorNetwork(model)
        self.shared = target_vocabulary is None
        self.source_vocabulary = source_vocabulary
        self.target_vocabulary = source_vocabulary if self.shared else target_vocabulary
        self._check_vocabularies()
        limits, why = self.network.limits, "the positions that the model has"
        check_whole("length", length, limits["target"], why)
        check_whole("source_length", source_length, limits["source"], why)
        check_whole("width", width)
        check_penalty(length_penalty)
        self.length = length
        self.width = width
        self.length_penalty = float(length_penalty)
        self.source_length = source_length
        self._calls = {}

    @property
    def model(self):
        """The `keras.Model`."""
        return self.network.model

    @property
    def settings(self):
        """Dictionary of the numbers that the translator was made with."""
        names = ("length", "width", "length_penalty", "source_length")
        return {name: getattr(self, name) for name in names}

    def __call__(self, texts, best=1, width=None, batch_size=64) -> Any:
        width = self._check_call(best, width, batch_size)
        tokens, scores, _ = self._search(self._read(texts), width, best, batch_size)
        said = self.target_vocabulary.decode(tokens).numpy().tolist()
        found = [
            [
                Translation(text.decode(), float(score))
                for text, score in zip(*row, strict=True)
            ]
            for row in zip(said, scores, strict=True)
        ]
        return [row[0] for row in found] if best == 1 else found

    def attend(self, texts, outputs=None, *, batch_size=64) -> Any:
        """Tell how much each token of an output looks at each of its source.

        Those of a recurrent network are its attention's weights. Those of a
        Transformer are the mean over the heads of its last block.

        Args:
            texts: Text, or a list of texts.
            outputs: Text, or a list of a text for each: what is to be said. What the
                translator says if `None`.
            batch_size: Texts at once, at most.

        Returns:
            `Alignment`, or a list of one for each text.

        Raises:
            TypeError: If something is no text.
            ValueError: If there are no texts, or not as many outputs.
        """
        alone = isinstance(texts, (str, bytes))
        texts = [texts] if alone else texts
        outputs = [outputs] if alone and outputs is not None else outputs
        sources = self._read(texts)
        if outputs is None:
            self._check_call(1, None, batch_size)
            tokens, _, sizes = self._search(sources, self.width, 1, batch_size)
            targets = [row[0, :n] for row, n in zip(tokens, sizes[:, 0], strict=True)]
        else:
            targets = self._targets(outputs, len(sources))
        call, found = self._call("align"), {}
        for places, arrays in self._batches([sources, targets], batch_size):
            for place, weights in zip(places, call(*arrays), strict=False):
                found[place] = self._alignment(sources[place], targets[place], weights)
        found = [found[place] for place in range(len(sources))]
        return found[0] if alone else found

    def log_probability(self, texts, outputs, *, batch_size=64):
        """Tell how likely the network finds outputs, whatever it would say itself.

        An output's end token is counted. It is the score of a translation times
        `T ** length_penalty` where that has ended, and where the vocabulary cuts the
        text into the tokens that were said.

        Args:
            texts: List of texts.
            outputs: List of a text for each.
            batch_size: Texts at once, at most.

        Returns:
            float32 array `(texts,)` of natural logarithms.

        Raises:
            TypeError: If something is no text.
            ValueError: If there are no texts, not as many outputs, or an output has
                more tokens than the model has positions.
        """
        self._check_call(1, None, batch_size)
        sources = self._read(texts)
        targets = self._targets(outputs, len(sources))
        logits = self.network.widths["target"]
        found = np.zeros(len(sources), "float32")
        call = self._call("log_probability")
        for places, arrays in self._batches(
            [sources, targets],
            batch_size,
            lambda widths: LOGITS // (widths[1] * logits),
        ):
            found[places] = call(*arrays)[: len(places)]
        return found

    def save(self, folder):
        """Write the model, the vocabularies and the settings into a folder.

        It is written beside and renamed: what stood there before stays until the new
        one is whole.

        Args:
            folder: A new folder, an empty one, or one that `save` wrote.

        Returns:
            The folder as a `pathlib.Path`.

        Raises:
            FileExistsError: If there is something else.
            OSError: If the folder cannot be written.
        """
        return save_translator(self, folder)

    @classmethod
    def load(cls, folder):
        """Read a translator that `save` wrote, on any backend.

        Args:
            folder: The folder.

        Returns:
            `Translator`. Its model is not compiled.

        Raises:
            FileNotFoundError: If there is no such folder, or a file of it is missing.
            ValueError: If a file is cut short or of a later version, or the model's
                weights are not those that were saved with the vocabularies.
        """
        parts, settings = load_translator(folder)
        return cls(*parts, **settings)

    def export(self, path, *, samples=None):
        """Write a SavedModel that translates texts without Keras.

        It is run in a process without Keras and compared with this translator before
        it takes its place. Its signatures:

        | signature | takes | gives |
        |---|---|---|
        | `serving_default` | `texts` | `text`, `score` |
        | `nbest` | `texts`, `best`, `beams` | `texts`, `scores` |
        | `attend` | `texts` | `text`, `source_tokens`, `target_tokens`, `weights` |

        `texts` are strings `(batch,)`, `best` and `beams` int32 scalars, `best` at most
        `beams`; `nbest` gives `(batch, best)`. Tokens are strings `(batch, tokens)`,
        empty where there is none, and weights `(batch, target tokens, source tokens)`.

        Args:
            path: Folder that receives `saved_model/`.
            samples: Texts to check with; some of the source vocabulary's tokens if
                `None`.

        Returns:
            Path of the SavedModel.

        Raises:
            ExportMismatch: If the SavedModel answers differently. It is removed;
                what stood there before stays.
            ValueError: If the model cannot be converted.
            OSError: If the folder cannot be written.
        """
        from .translator_export import export_translator

        return export_translator(self, path, samples=samples)

    def _check_vocabularies(self):
        for side in ("source", "target"):
            vocabulary = getattr(self, f"{side}_vocabulary")
            if not isinstance(vocabulary, Vocabulary):
                raise TypeError(
                    f"Translator needs a zoo.data.Vocabulary as {side}_vocabulary, "
                    f"received {type(vocabulary).__name__}."
                )
            width = self.network.widths[side]
            if len(vocabulary) != width:
                raise ValueError(
                    f"the {side}_vocabulary has {len(vocabulary)} tokens, and the "
                    f"model's embedding of the {side} {width}: pass the one that the "
                    "model was built for."
                )

    def _check_call(self, best, width, batch_size):
        width = self.width if width is None else width
        check_whole("width", width)
        check_whole("best", best, width, "the number of beams")
        check_whole("batch_size", batch_size)
        return width

    def _read(self, texts):
        """Give the tokens of sources."""
        return encoded(self.source_vocabulary, listed(texts), self.source_length)

    def _targets(self, outputs, count):
        """Give the tokens of outputs."""
        rows = encoded(self.target_vocabulary, listed(outputs, "outputs"))
        if len(rows) != count:
            raise ValueError(
                f"there needs to be an output for each text, received {count} texts "
                f"and {len(rows)} outputs."
            )
        most = self.network.limits["target"]
        longest = max(map(len, rows))
        if most is not None and longest > most:
            raise ValueError(
                f"an output has {longest} tokens, and the model positions for {most}: "
                "shorten it."
            )
        return rows

    def _batches(self, columns, batch_size, room=None):
        network = self.network
        sizes = [
            (network.fixed("source"), self.source_length),
            (network.fixed("target"), network.limits["target"]),
        ]
        return batches(columns, sizes[: len(columns)], batch_size, room)

    def _search(self, sources, width, best, batch_size):
        """Give tokens `(texts, best, length)`, scores and lengths `(texts, best)`."""
        options = {
            "length": self.length,
            "width": width,
            "best": best,
            "length_penalty": self.length_penalty,
        }
        call = self._call("search", **options)
        both = len(sources), best
        tokens = np.zeros((*both, self.length), "int32")
        scores, lengths = np.zeros(both, "float32"), np.zeros(both, "int32")
        for places, arrays in self._batches([sources], batch_size):
            found = call(*arrays)
            for whole, part in zip((tokens, scores, lengths), found, strict=True):
                whole[places] = part[: len(places)]
        return tokens, scores, lengths

    def _call(self, name, **options):
        """Give a compiled function of the network, compiled once."""
        key = (name, *options.items())
        if key not in self._calls:
            function = getattr(self.network, name)
            self._calls[key] = compiled(
                lambda *tokens: function(*tokens, **options),
                self.model,
                arguments=1 if name == "search" else 2,
            )
        return self._calls[key]

    def _alignment(self, source, target, weights):
        return Alignment(
            tuple(self.source_vocabulary.tokens[number] for number in source),
            tuple(self.target_vocabulary.tokens[number] for number in target),
            np.array(weights[: len(target), : len(source)], "float32"),
        )

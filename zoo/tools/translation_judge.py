"""Judging a network that writes: what it wrote, and who is to blame for what is wrong.

A wrong output is the search's fault where the network finds the true text likelier
than what was written, by the score that the search goes by, and the search did not
find it; otherwise it is the network's.
"""

import dataclasses

import numpy as np

from ... import layers
from .alignments import Alignment

SHOWN = 4  # alignments
MISTAKES = 20  # rows of the table
WORDS = 4  # of a text that BLEU can tell something of


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a network wrote for a text.

    Args:
        source: The text.
        reference: What was to be written.
        output: What was written.
        score: How likely the network finds that, as `Translation.score`.
        reference_score: How likely it finds the reference, by the same score.

    Example:

    >>> Answer("3 May 2021", "2021-05-03", "2021-03-05", -0.4, -0.2).fault
    'search'
    """

    source: str
    reference: str
    output: str
    score: float
    reference_score: float | None = None

    @property
    def wrong(self):
        """Whether something else was to be written."""
        return self.output != self.reference

    @property
    def fault(self):
        """Who is to blame: `"search"` or `"model"`; nobody, if it is right."""
        if not self.wrong or self.reference_score is None:
            return None
        return "search" if self.reference_score > self.score else "model"


@dataclasses.dataclass(frozen=True)
class TextVerdict:
    """What a network wrote for all texts of the splits that it is tested by.

    Args:
        scores: Figures, by name.
        answers: `Answer` for each text, by split; the scores of references only where
            it is wrong.
        alignments: `Alignment` of some texts.

    Example:

    >>> TextVerdict({"test_exact_match": 1.0}, {"test": ()}, ()).wrong("test")
    []
    """

    scores: dict[str, float]
    answers: dict[str, tuple[Answer, ...]]
    alignments: tuple[Alignment, ...]

    def wrong(self, split):
        """Give the wrong answers of a split, the surest first."""
        wrong = [answer for answer in self.answers[split] if answer.wrong]
        return sorted(wrong, key=lambda answer: -answer.score)


def judge(translator, splits):
    """Ask a translator for every text of some splits.

    Args:
        translator: `Translator`.
        splits: Mapping of names to `TextPairs`.

    Returns:
        `TextVerdict`, with `NAME_exact_match`, `NAME_word_error_rate` and
        `NAME_character_error_rate` of each split, and `NAME_bleu` where a text has
        four words or more.

    Example:

    >>> judge.__name__
    'judge'
    """
    scores, answers = {}, {}
    for name, pairs in splits.items():
        answers[name] = _answers(translator, pairs)
        outputs = [answer.output for answer in answers[name]]
        figures = layers.text_scores([*pairs.targets], outputs)
        if not any(len(text.split()) >= WORDS for text in pairs.targets):
            del figures["bleu"]
        scores |= {f"{name}_{figure}": value for figure, value in figures.items()}
    return TextVerdict(scores, answers, _alignments(translator, answers))


def faults(verdict):
    """Count whose fault the wrong outputs are.

    Args:
        verdict: `TextVerdict`.

    Returns:
        Rows `(split, texts, wrong, search, model)`.

    Example:

    >>> faults(TextVerdict({}, {"test": ()}, ()))
    [('test', 0, 0, 0, 0)]
    """
    rows = []
    for split, answers in verdict.answers.items():
        told = [answer.fault for answer in answers if answer.wrong]
        rows.append(
            (split, len(answers), len(told), told.count("search"), told.count("model"))
        )
    return rows


def _answers(translator, pairs):
    said = translator([*pairs.sources])
    answers = [
        Answer(source, reference, *translation)
        for source, reference, translation in zip(
            pairs.sources, pairs.targets, said, strict=True
        )
    ]
    wrong = [place for place, answer in enumerate(answers) if answer.wrong]
    if wrong:
        references = [answers[place].reference for place in wrong]
        found = translator.log_probability(
            [answers[place].source for place in wrong], references
        )
        count = translator.target_vocabulary.encode(references, end=True).numpy()
        found = found / np.count_nonzero(count, axis=1) ** translator.length_penalty
        for place, score in zip(wrong, found.tolist(), strict=True):
            answers[place] = dataclasses.replace(
                answers[place], reference_score=float(score)
            )
    return tuple(answers)


def _alignments(translator, answers):
    """Look at the first that are right, and at the surest mistake."""
    first = next(iter(answers.values()))
    right = [answer for answer in first if not answer.wrong]
    wrong = sorted((a for a in first if a.wrong), key=lambda answer: -answer.score)
    shown = [*right[: SHOWN - min(1, len(wrong))], *wrong][:SHOWN]
    return tuple(translator.attend([answer.source for answer in shown]))

"""Scores of written texts, on plain strings and without any backend."""

import collections
import math

from .bleu import SMOOTHING, check


def text_scores(
    references, outputs, *, max_order=4, smoothing=None, smoothing_value=None
):
    """Score texts by BLEU, by error rates and by exact match.

    Words are what stands between white space, characters are those of the text as it
    stands, white space among them: bring case, punctuation and spaces into the form
    that counts before. The formulas are those of `BLEU`, `WordErrorRate`,
    `CharacterErrorRate` and `ExactMatch`; BLEU is what sacrebleu gives with
    `tokenize="none"`, divided by 100.

    Args:
        references: For each output the true text, or a list of several.
        outputs: The texts to score, as many.
        max_order: The longest n-grams of words that count for BLEU.
        smoothing: `None`, `"exp"`, `"floor"` or `"add_k"`, as of `BLEU`.
        smoothing_value: Value of `"floor"` and `"add_k"`, as of `BLEU`.

    Returns:
        Dictionary of `bleu`, `character_error_rate`, `word_error_rate` and
        `exact_match`. Of several references an error rate takes the one with the
        fewest errors, of those the first; any makes an exact match.

    Raises:
        ValueError: If there are no outputs, not as many references, an output without
            any, or an argument of BLEU is out of its range.
        TypeError: If something is no text.

    Example:

    >>> scores = text_scores(
    ...     ["the cat sat on the mat", "hello world"],
    ...     ["the cat sat on a mat", "hello world"],
    ... )
    >>> {name: round(score, 4) for name, score in scores.items()}
    ... # doctest: +NORMALIZE_WHITESPACE
    {'bleu': 0.5584, 'character_error_rate': 0.0909, 'word_error_rate': 0.125,
     'exact_match': 0.5}

    Reference:
        Papineni et al., 2002, https://aclanthology.org/P02-1040
        Hyyrö, 2003, A Bit-Vector Algorithm for Computing Levenshtein and Damerau Edit
        Distances, Nordic Journal of Computing 10
    """
    check("text_scores", max_order, smoothing, smoothing_value)
    pairs = _pairs(references, outputs)
    words = [([text.split() for text in true], out.split()) for true, out in pairs]
    equal = sum(out in true for true, out in pairs)
    return {
        "bleu": _bleu(words, max_order, smoothing, smoothing_value),
        "character_error_rate": _error_rate(pairs),
        "word_error_rate": _error_rate(words),
        "exact_match": equal / len(pairs),
    }


def _pairs(references, outputs):
    """Pair each output with the list of its references."""
    for name, texts in (("references", references), ("outputs", outputs)):
        if isinstance(texts, str):
            raise TypeError(
                f"text_scores needs a list of texts as {name}, received a single text: "
                "put it into a list."
            )
    references, outputs = list(references), list(outputs)
    if not outputs or len(references) != len(outputs):
        raise ValueError(
            "text_scores needs as many references as outputs and at least one, "
            f"received {len(references)} references and {len(outputs)} outputs. "
            "Several references of one output are a list of their own."
        )
    pairs = []
    for i, (true, out) in enumerate(zip(references, outputs, strict=True)):
        true = [true] if isinstance(true, str) else true
        texts = [*true, out] if isinstance(true, list | tuple) else [true, out]
        wrong = [text for text in texts if not isinstance(text, str)]
        if wrong:
            raise TypeError(
                f"text_scores needs texts, received {wrong[0]!r} at place {i}: decode "
                "bytes and write tokens as texts first."
            )
        if not true:
            raise ValueError(f"text_scores received no reference for output {i}.")
        pairs.append((list(true), out))
    return pairs


def _bleu(words, orders, smoothing, value):
    """Give BLEU of pairs of the references' words and the output's."""
    matches, totals, length, reference = [0] * orders, [0] * orders, 0, 0
    for true, out in words:
        length += len(out)
        reference += min((abs(len(text) - len(out)), len(text)) for text in true)[1]
        for n in range(orders):
            found = _ngrams(out, n + 1)
            most = collections.Counter()
            for text in true:
                most |= _ngrams(text, n + 1)
            matches[n] += (found & most).total()
            totals[n] += found.total()
    if not matches[0]:
        return 0.0
    value = SMOOTHING[smoothing] if value is None else value
    precisions = _precisions(matches, totals, smoothing, value)
    if not all(precisions):
        return 0.0
    mean = sum(map(math.log, precisions)) / orders
    return math.exp(mean + min(1 - reference / length, 0.0))


def _ngrams(words, n):
    starts = range(len(words) - n + 1)
    return collections.Counter(tuple(words[i : i + n]) for i in starts)


def _precisions(matches, totals, smoothing, value):
    precisions, halvings = [], 0
    for n, (match, total) in enumerate(zip(matches, totals, strict=True)):
        if smoothing == "add_k" and n:
            match, total = match + value, total + value
        if not match and total and smoothing == "exp":
            halvings += 1
            match = 0.5**halvings
        elif not match and smoothing == "floor":
            match = value
        precisions.append(match / total if total else 0.0)
    return precisions


def _error_rate(pairs):
    """Give the errors a true token; infinite where there is none to have errors."""
    errors = length = 0
    for true, out in pairs:
        distances = [edit_distance(reference, out) for reference in true]
        fewest = distances.index(min(distances))
        errors += distances[fewest]
        length += len(true[fewest])
    if length:
        return errors / length
    return math.inf if errors else 0.0


def edit_distance(first, second):
    """Give the edit distance of two sequences of anything hashable.

    A column of the table of distances is a number, whose bits tell where the distance
    rises and where it falls from one row to the next (Hyyrö, 2003).

    Args:
        first: A text, or a list of words.
        second: Another.

    Returns:
        The fewest substitutions, insertions and deletions that lead from one to the
        other.
    """
    if not first:
        return len(second)
    places = collections.defaultdict(int)
    for i, token in enumerate(first):
        places[token] |= 1 << i
    every, last = (1 << len(first)) - 1, 1 << (len(first) - 1)
    rises, falls, distance = every, 0, len(first)
    for token in second:
        here = places.get(token, 0)
        diagonal = (((here & rises) + rises) ^ rises) | here | falls
        more = falls | (~(diagonal | rises) & every)
        fewer = diagonal & rises
        distance += bool(more & last) - bool(fewer & last)
        more, fewer = (more << 1) | 1, fewer << 1
        rises = (fewer | ~(diagonal | more)) & every
        falls = more & diagonal & every
    return distance

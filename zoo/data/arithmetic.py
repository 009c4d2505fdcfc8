"""Sums as texts: "12+345" and "357"."""

import random

from .text_pairs import TextPairs


def arithmetic(counts=(30_000, 2_000, 2_000), longer=2_000, *, digits=3, seed=0):
    """Make sums of two numbers whose lengths are drawn each for itself.

    No two numbers that are added in one split are added in another, in either order.
    The split `"longer"` has in every sum a number of one digit more than the others
    ever have.

    Args:
        counts: Sums in `"train"`, `"dev"` and `"test"`.
        longer: Sums in `"longer"`.
        digits: Digits of the longest numbers of the first three.
        seed: Integer behind every choice.

    Returns:
        `TextPairs` for each of `"train"`, `"dev"`, `"test"` and `"longer"`.

    Raises:
        ValueError: If there are not three counts, or more than a quarter of all sums
            is wanted.

    Example:

    >>> splits = arithmetic((100, 10, 10), 10, digits=2)
    >>> sums = splits["train"]
    >>> all(eval(s) == int(t) for s, t in zip(sums.sources, sums.targets))
    True
    >>> max(map(len, splits["longer"].sources))
    7
    """
    _check(counts, longer, digits)
    draw = random.Random(seed)
    splits = {"train": [], "dev": [], "test": []}
    wanted = dict(zip(splits, counts, strict=True))
    owners, seen = {}, set()
    while missing := {
        name: wanted[name] - len(pairs)
        for name, pairs in splits.items()
        if len(pairs) < wanted[name]
    }:
        first, second = (_number(draw, draw.randint(1, digits)) for _ in range(2))
        numbers = min(first, second), max(first, second)
        if numbers not in owners:
            # in proportion, so that the few short sums are not all in one split
            owners[numbers] = draw.choices([*missing], [*missing.values()])[0]
        owner = owners[numbers]
        if (first, second) not in seen and owner in missing:
            seen.add((first, second))
            splits[owner].append(_sum(first, second))
    hard = set()
    while len(hard) < longer:
        lengths = [digits + 1, draw.randint(1, digits + 1)]
        draw.shuffle(lengths)
        hard.add(tuple(_number(draw, length) for length in lengths))
    # a set has no order of its own
    hard = sorted(hard)
    draw.shuffle(hard)
    splits["longer"] = [_sum(*numbers) for numbers in hard]
    return {name: TextPairs.of(pairs) for name, pairs in splits.items()}


def _number(draw, digits):
    """Draw a number of so many digits; 0 is one of a single digit."""
    return draw.randrange(10 ** (digits - 1) if digits > 1 else 0, 10**digits)


def _sum(first, second):
    return f"{first}+{second}", f"{first + second}"


def _check(counts, longer, digits):
    if len(counts) != 3 or min(*counts, longer) < 0:
        raise ValueError(
            "arithmetic needs counts of train, dev and test, none below 0, received "
            f"counts={counts} and longer={longer}."
        )
    if digits < 1:
        raise ValueError(f"arithmetic needs digits=1 or more, received {digits}.")
    most = 10 ** (2 * digits) // 4
    if sum(counts) > most:
        raise ValueError(
            f"of numbers of up to {digits} digits at most {most:,} sums are made (a "
            f"quarter of all), received counts={counts}: ask for fewer, or for "
            f"digits={digits + 1}."
        )
    if longer > 10 * most:
        raise ValueError(
            f"at most {10 * most:,} longer sums are made, received longer={longer}."
        )

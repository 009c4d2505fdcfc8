"""Dates as people of eleven languages write them, and as ISO 8601 does."""

import datetime
import random

from .text_pairs import TextPairs

FIRST, LAST = datetime.date(1900, 1, 1), datetime.date(2100, 12, 31)

_SPLITS = ("train", "dev", "test")
_LANGUAGES = "en_US en_GB de fr es it nl pt pl ru sv ja".split()
# short forms only where the order can be told: points are day first everywhere,
# and what begins with the year goes on with the month; 03/05/2021 could be either
_WRITTEN = [
    *((language, form) for language in _LANGUAGES for form in ("long", "full")),
    *((language, "medium") for language in _LANGUAGES),
    *((language, "short") for language in ("pl", "ru", "sv", "ja")),
]
# ways that Unicode's tables do not have; {th} is the day with its ending
_SPOKEN = (
    "{th} of {month} {year}",
    "the {th} of {month}, {year}",
    "{month} {th}, {year}",
    "{th} {month} {year}",
    "{month} {day} {year}",
    "{weekday}, the {th} of {month} {year}",
)


def dates(counts=(30_000, 2_000, 2_000), *, seed=0):
    """Make dates from 1900 to 2100 in many forms, and the same as `"2021-05-03"`.

    Forms and names of months come from Unicode's tables (CLDR), as Babel has them,
    in English, German, French, Spanish, Italian, Dutch, Portuguese, Polish, Russian,
    Swedish and Japanese, with their narrow spaces; some more of English are added.
    Capitals vary. No day of one split is in another, no text occurs twice, and every
    text tells its date: where the order of day and month could be either, it is left
    out.

    Another version of Babel may write some dates differently.

    Args:
        counts: Dates in `"train"`, `"dev"` and `"test"`.
        seed: Integer behind every choice.

    Returns:
        `TextPairs` for each of `"train"`, `"dev"` and `"test"`.

    Raises:
        ImportError: If Babel is not installed.
        ValueError: If there are not three counts, or more than 200,000 dates are
            wanted.

    Example:

    >>> train = dates((100, 10, 10), seed=3)["train"]
    >>> len(train), len(train.targets[0])
    (100, 10)
    """
    if len(counts) != len(_SPLITS) or min(counts) < 0 or sum(counts) > 200_000:
        raise ValueError(
            "dates needs counts of train, dev and test, none below 0 and at most "
            f"200,000 together, received counts={counts}."
        )
    draw, write = random.Random(seed), _writer()
    days = [*range(FIRST.toordinal(), LAST.toordinal() + 1)]
    draw.shuffle(days)
    seen, splits, begin = set(), {}, 0
    for name, count in zip(_SPLITS, counts, strict=True):
        share = max(1, (len(days) - len(counts)) * count // max(1, sum(counts)))
        own, pairs = days[begin : begin + share], []
        begin += share
        while len(pairs) < count:
            day = datetime.date.fromordinal(draw.choice(own))
            text = _in_capitals(draw, write(draw, day))
            if text not in seen:
                seen.add(text)
                pairs.append((text, day.isoformat()))
        splits[name] = TextPairs.of(pairs)
    return splits


def ordinal(number):
    """Write an English ordinal number.

    Args:
        number: From 0 on.

    Returns:
        Its digits with their ending.

    Example:

    >>> [ordinal(number) for number in (1, 2, 3, 4, 11, 12, 13, 21, 30)]
    ['1st', '2nd', '3rd', '4th', '11th', '12th', '13th', '21st', '30th']
    """
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if 10 < number % 100 < 20 else ending}"


def _writer():
    """Give a function that writes a day in a form that is drawn."""
    try:
        from babel.dates import format_date
    except ImportError:
        raise ImportError(
            "dates needs Babel, which knows how dates are written: "
            'pip install "kerasmith[text]".'
        ) from None

    forms = [*_WRITTEN, *(("en", spoken) for spoken in _SPOKEN)]

    def write(draw, day):
        language, form = draw.choice(forms)
        if language != "en":
            return format_date(day, form, locale=language)
        month, weekday = (format_date(day, f, locale="en") for f in ("MMMM", "EEEE"))
        return form.format(
            th=ordinal(day.day),
            day=day.day,
            month=month,
            weekday=weekday,
            year=day.year,
        )

    return write


def _in_capitals(draw, text):
    """Leave three in five as they are; the others become all small or all capital."""
    return draw.choice((str, str, str, str.lower, str.upper))(text)

"""Sentences of Python's own help, by their topic."""

import collections
import random
import re

from .text_pairs import TextPairs

# the twenty topics with most sentences that are not copied whole into another one
TOPICS = (
    "assignment",
    "attribute-access",
    "binary",
    "calls",
    "comparisons",
    "customization",
    "debugger",
    "execmodel",
    "formatstrings",
    "function",
    "import",
    "numeric-types",
    "objects",
    "sequence-types",
    "string-methods",
    "strings",
    "try",
    "types",
    "typesmapping",
    "typesseq",
)
_WORDS = 4  # of the shortest sentence

_BETWEEN = re.compile(r"(?<=[.!?])\s+(?=[\"“(*]*[A-Z])")
_WHOLE = re.compile(r"[\"“(*]*[A-Z].*[.!?][\"”’)*]*")


def help_topics(topics=TOPICS, *, seed=0):
    """Give sentences of Python's help topics, and which topic each is from.

    Sentences of fewer than four words, and those in several of the topics, are left
    out. Of each topic a tenth of the sentences is for testing, a tenth for choosing.

    The text is that of the running Python: each version's differs somewhat. Python
    3.11 has 1,536 sentences, 29 to 234 a topic.

    Args:
        topics: Names of help topics; their places in this list are the classes.
        seed: Integer behind every choice.

    Returns:
        `TextPairs` for each of `"train"`, `"dev"` and `"test"`, with classes as
        targets.

    Raises:
        ValueError: If there is no such topic, one is named twice, or one has fewer
            than 10 sentences of its own.

    Example:

    >>> train = help_topics(("import", "strings"))["train"]
    >>> train.labels
    ('import', 'strings')
    >>> train.targets.dtype, len(train) > 40
    (dtype('int32'), True)

    Reference:
        The Python Language Reference and Library Reference, PSF licence,
        https://docs.python.org/3/license.html
    """
    from pydoc_data.topics import topics as texts

    from ..choices import choose

    topics = tuple(topics)
    if len(set(topics)) != len(topics):
        raise ValueError(f"every topic can be named once, received {topics}.")
    found = [dict.fromkeys(sentences(choose("topic", name, texts))) for name in topics]
    everywhere = collections.Counter(one for own in found for one in own)
    draw = random.Random(seed)
    splits = {"train": [], "dev": [], "test": []}
    for number, sentences_of_topic in enumerate(found):
        own = [one for one in sentences_of_topic if everywhere[one] == 1]
        if len(own) < 10:
            raise ValueError(
                f"topic {topics[number]!r} has {len(own)} sentences of its own beside "
                "the others; leave it out, or those that repeat it."
            )
        draw.shuffle(own)
        tenth = len(own) // 10
        for name, part in (
            ("test", own[:tenth]),
            ("dev", own[tenth : 2 * tenth]),
            ("train", own[2 * tenth :]),
        ):
            splits[name] += [(one, number) for one in part]
    for pairs in splits.values():
        draw.shuffle(pairs)
    return {name: TextPairs.of(pairs, topics) for name, pairs in splits.items()}


def sentences(text):
    """Find the sentences of a help text.

    Args:
        text: Paragraphs with empty lines between them.

    Returns:
        List of sentences of four words or more, in order, white space made single
        spaces.

    Example:

    >>> sentences("Title\\n*****\\n\\nThis is a\\nsentence. So is\\nthis one. No.")
    ['This is a sentence.', 'So is this one.']
    """
    found = []
    for paragraph in re.split(r"\n\s*\n", text):
        for sentence in _BETWEEN.split(" ".join(paragraph.split())):
            if _WHOLE.fullmatch(sentence) and len(sentence.split()) >= _WORDS:
                found.append(sentence)
    return found

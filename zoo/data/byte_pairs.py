"""Byte-pair merges: learned from counted words, and done on whole batches of words.

Every merge makes a token that was not there before, of two that were. So the order of
the merges is that of the tokens they make, and it does not matter whether a word's
merges are done one at a time or all equal ones together.

Deviation from the paper: a pair whose two texts joined are a token already is never
merged (a second way to the same token). Pairs seen once are not merged, either.

Reference:
    Sennrich et al., 2016, https://arxiv.org/abs/1508.07909
"""

import collections
import heapq
import itertools

import tensorflow as tf

# pairs of ids as one number: `left * _SHIFT + right`
_SHIFT = 2**32
_NEVER = tf.int64.max


def learn_merges(words, limit=None):
    """Find the pairs of tokens to merge, most frequent first, ties by their text.

    Args:
        words: How often each word occurs, by its text.
        limit: Merges at most, or `None`.

    Returns:
        List of pairs of texts.

    Example:

    >>> learn_merges({"low": 5, "lower": 2, "newest": 6, "widest": 3}, 4)
    [('e', 's'), ('es', 't'), ('l', 'o'), ('lo', 'w')]
    """
    tokens, counts = [list(word) for word in words], list(words.values())
    made = {character for word in words for character in word}
    pairs, places = collections.Counter(), collections.defaultdict(set)
    for place, word in enumerate(tokens):
        for pair in itertools.pairwise(word):
            pairs[pair] += counts[place]
            places[pair].add(place)
    heap = [(-count, "".join(pair), pair) for pair, count in pairs.items()]
    heapq.heapify(heap)
    merges = []
    while heap and (limit is None or len(merges) < limit):
        count, text, pair = heapq.heappop(heap)
        if -count != pairs[pair] or text in made:
            continue  # counted anew since, or a second way to a token
        if -count < 2:
            break
        merges.append(pair)
        made.add(text)
        changed = set()
        for place in places.pop(pair):
            before = tokens[place]
            after = tokens[place] = merge_in(before, pair)
            for old in itertools.pairwise(before):
                pairs[old] -= counts[place]
                changed.add(old)
            for new in itertools.pairwise(after):
                pairs[new] += counts[place]
                places[new].add(place)
                changed.add(new)
        for one in changed:
            heapq.heappush(heap, (-pairs[one], "".join(one), one))
    return merges


def merge_in(tokens, pair):
    """Merge a pair everywhere in a word, from left to right.

    Args:
        tokens: Texts of the word's tokens.
        pair: Two texts.

    Returns:
        List of texts.

    Example:

    >>> merge_in(list("aaab"), ("a", "a"))
    ['aa', 'a', 'b']
    """
    merged = []
    rest = iter(range(len(tokens)))
    for i in rest:
        if tuple(tokens[i : i + 2]) == pair:
            merged.append("".join(pair))
            next(rest)
        else:
            merged.append(tokens[i])
    return merged


def merged_texts(characters, merges):
    """Name the tokens that merges make.

    Args:
        characters: Tokens to begin with.
        merges: Pairs of texts, in order.

    Returns:
        List of texts, one for each merge.

    Raises:
        ValueError: If a merge is no pair of tokens that are there, or makes one that
            is there.

    Example:

    >>> merged_texts("low", [("l", "o"), ("lo", "w")])
    ['lo', 'low']
    """
    there, made = set(characters), []
    for place, pair in enumerate(merges):
        if len(pair) != 2 or not there.issuperset(pair):
            raise ValueError(
                f"merge {place} is {pair!r}; every merge needs to be a pair of "
                "characters or of what earlier merges made."
            )
        text = "".join(pair)
        if text in there:
            raise ValueError(
                f"merge {place}, {pair!r}, makes {text!r} a second time: leave it out."
            )
        there.add(text)
        made.append(text)
    return made


def merge_table(numbers, merges):
    """Make the table of `merge_batch`.

    Args:
        numbers: Id of each token, by its text; those of merged ones rise in the order
            of the merges.
        merges: Pairs of texts.

    Returns:
        `tf.lookup.StaticHashTable` from a pair of ids, as one number, to the id of
        the merged token.

    Example:

    >>> table = merge_table({"a": 4, "b": 5, "ab": 6}, [("a", "b")])
    >>> int(table.size())
    1
    """
    keys = [numbers[left] * _SHIFT + numbers[right] for left, right in merges]
    values = [numbers[left + right] for left, right in merges]
    return tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(keys, values, tf.int64, tf.int64), _NEVER
    )


def merge_batch(ids, table):
    """Do all merges of all words, every word's earliest first.

    Args:
        ids: Ragged int64 tensor `(words, characters)` of ids.
        table: Of `merge_table`.

    Returns:
        Ragged int64 tensor `(words, tokens)`.

    Example:

    >>> table = merge_table({"a": 4, "b": 5, "ab": 6}, [("a", "b")])
    >>> merge_batch(tf.ragged.constant([[4, 5, 4], [5, 4]], tf.int64), table).to_list()
    [[6, 4], [5, 4]]
    """
    words = ids.nrows()

    def step(_, flat, owners):
        found = table.lookup(flat[:-1] * _SHIFT + flat[1:])
        found = tf.where(owners[:-1] == owners[1:], found, _NEVER)
        earliest = tf.math.unsorted_segment_min(found, owners[:-1], words)
        wanted = found == tf.gather(earliest, owners[:-1])
        begins = _every_other(wanted & (found < _NEVER))
        merged = tf.concat([tf.where(begins, found, flat[:-1]), flat[-1:]], 0)
        # what was merged into its left neighbour goes; the first token never is
        kept = tf.concat([tf.fill(tf.shape(flat[:1]), True), ~begins], 0)
        return (
            tf.reduce_any(begins),
            tf.boolean_mask(merged, kept),
            tf.boolean_mask(owners, kept),
        )

    _, flat, owners = tf.while_loop(
        lambda again, *_: again,
        step,
        [tf.constant(True), ids.flat_values, ids.value_rowids()],
        [tf.TensorShape([]), tf.TensorShape([None]), tf.TensorShape([None])],
    )
    return type(ids).from_value_rowids(flat, owners, words, validate=False)


def _every_other(wanted):
    """Keep the first, third, ... of each run: of a a a, only the first pair."""
    # each run and the False before it make one segment
    padded = tf.concat([[False], wanted], 0)
    segment = tf.cumsum(tf.cast(tf.math.logical_not(padded), tf.int32)) - 1
    place = tf.range(tf.size(padded))
    start = tf.gather(tf.math.segment_min(place, segment), segment)
    return wanted & ((place - start) % 2 == 1)[1:]

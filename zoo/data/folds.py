"""Folds: training and choosing examples, cut into parts of which one is chosen by."""

from .pipeline import Split


def read_fold(text):
    """Read which fold is meant.

    Args:
        text: `"2/5"`: the second of five.

    Returns:
        The number of the fold, from 0, and how many there are.

    Raises:
        ValueError: If it is something else.

    Example:

    >>> read_fold("2/5")
    (1, 5)
    """
    number, _, folds = str(text).partition("/")
    whole = number.isdigit() and folds.isdigit()
    if not whole or int(folds) < 2 or not 1 <= int(number) <= int(folds):
        raise ValueError(
            f"fold needs the number of a fold and how many there are, such as '2/5', "
            f"received {text!r}."
        )
    return int(number) - 1, int(folds)


def folded(splits, fold):
    """Cut training and choosing examples anew; those for judging stay.

    A fold holds every so many-th example in the order of the source, so that sorted
    classes are spread evenly.

    Args:
        splits: `Split` for each of `"train"`, `"dev"` and `"test"`.
        fold: As for `read_fold`.

    Returns:
        The same, of which `"dev"` is the fold and `"train"` the rest.

    Raises:
        ValueError: If there are fewer examples than folds.

    Example:

    >>> import tensorflow as tf
    >>> def part(first, count):
    ...     numbers = tf.data.Dataset.range(first, first + count)
    ...     return Split(count, lambda seed=None: numbers.map(lambda n: (n, n)))
    >>> splits = {"train": part(0, 4), "dev": part(4, 3), "test": part(7, 2)}
    >>> found = folded(splits, "2/3")
    >>> [int(n) for n, _ in found["dev"].read()], found["train"].count
    ([1, 4], 5)
    """
    number, folds = read_fold(fold)
    train, dev = splits["train"], splits["dev"]
    total = train.count + dev.count
    if total < folds:
        raise ValueError(f"fold={fold!r}: there are only {total} examples.")
    inside = len(range(number, total, folds))

    def part(chosen, count):
        def read(seed=None):
            rows = train.read().concatenate(dev.read()).enumerate()
            rows = rows.filter(lambda row, _: (row % folds == number) == chosen)
            return rows.map(lambda _, example: example)

        return Split(count, read)

    return {**splits, "train": part(False, total - inside), "dev": part(True, inside)}

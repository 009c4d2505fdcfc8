"""More classes of the images there are: what is turned or mirrored is a class anew."""

import numpy as np


def turned_classes(images, labels, *, turns=(1, 2, 3), mirror=False):
    """Add turned copies of images, each class turned one way being another class.

    What compares images learns to tell classes apart that it has never seen, the
    better the more classes it has seen. Only for what a turn makes another: a 6 turned
    by half is a 9, and an O stays an O; leave such classes out of the result by their
    labels.

    Args:
        images: Array of shape `(n, height, width, channels)`, of squares.
        labels: Whole numbers from 0, of shape `(n,)`, the classes.
        turns: Numbers of quarter turns anticlockwise, of 1, 2 and 3.
        mirror: Whether images mirrored from left to right, as they are and then
            turned, are further classes.

    Returns:
        Images `(m, height, width, channels)` and labels `(m,)`, those given first. A
        class `c` of `count`, the highest label and one, has the label
        `c + count * turns`, and `c + count * (4 + turns)` where it is mirrored.

    Raises:
        ValueError: If the shapes do not fit, images are no squares, a label is
            negative, or a turn is none of these.
        TypeError: If labels are no whole numbers.

    Example:

    >>> images = np.arange(8).reshape(2, 2, 2, 1)
    >>> more, labels = turned_classes(images, [0, 1], turns=(1,))
    >>> labels.tolist(), more[2, ..., 0].tolist()
    ([0, 1, 2, 3], [[1, 3], [0, 2]])

    Reference:
        Santoro et al., 2016, https://arxiv.org/abs/1605.06065, section 4.1
    """
    images, labels = np.asarray(images), np.asarray(labels)
    if images.ndim != 4 or images.shape[1] != images.shape[2]:
        raise ValueError(
            "turned_classes needs images of shape (n, height, width, channels) that "
            f"are as high as wide, received {images.shape}."
        )
    if labels.shape != images.shape[:1]:
        raise ValueError(
            f"turned_classes needs a label for each of the {len(images)} images, "
            f"received labels of shape {labels.shape}."
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise TypeError(f"labels need to be whole numbers, received {labels.dtype}.")
    if labels.min(initial=0) < 0:
        raise ValueError(f"labels need to be 0, 1, ..., received {labels.min()}.")
    wrong = [turn for turn in turns if turn not in (1, 2, 3)]
    if wrong:
        raise ValueError(
            f"turns are quarter turns, of 1, 2 and 3, received {wrong[0]!r}."
        )
    ways = [(turn, False) for turn in turns]
    if mirror:
        ways += [(turn, True) for turn in (0, *turns)]
    count = int(labels.max(initial=-1)) + 1
    more = [(images, labels)]
    for turn, mirrored in ways:
        seen = images[:, :, ::-1] if mirrored else images
        turned = np.rot90(seen, turn, axes=(1, 2))
        more.append((turned, labels + count * (turn + 4 * mirrored)))
    images, labels = (np.concatenate(parts) for parts in zip(*more, strict=True))
    return images, labels

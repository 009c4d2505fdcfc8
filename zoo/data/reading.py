"""In which order the things on an image are read."""

import numpy as np


def reading_lines(boxes):
    """Sort boxes into lines, top to bottom, each read from left to right.

    The highest box that is not yet read begins a line. To it belong all unread boxes
    that share with it at least half of the smaller one's height. A line is read by
    the middles of its boxes.

    Args:
        boxes: Array of shape `(count, 4)`: left, top, right and bottom of each, in
            any unit.

    Returns:
        List of lines, each a list of positions in `boxes`.

    Raises:
        ValueError: If the array has another shape.

    Example: two boxes beside each other, one below.

    >>> reading_lines([[20, 2, 30, 12], [5, 30, 15, 40], [0, 0, 10, 10]])
    [[2, 0], [1]]
    """
    boxes = np.asarray(boxes)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(
            "reading_lines needs boxes of shape (count, 4), each left, top, right and "
            f"bottom, received the shape {boxes.shape}."
        )
    left, top, right, bottom = boxes.T
    unread, lines = np.lexsort((left, top)), []
    while len(unread):
        first = unread[0]
        shared = np.minimum(bottom[unread], bottom[first]) - top[unread]
        heights = (bottom - top)[unread], bottom[first] - top[first]
        beside = 2 * shared >= np.minimum(*heights)
        line = unread[beside]
        lines.append(line[np.lexsort((top[line], (left + right)[line]))].tolist())
        unread = unread[~beside]
    return lines

"""In which order boxes are read, on paper and in scenes."""

import itertools

import numpy as np
import pytest

from kerasmith.zoo import data


def brute_force_lines(boxes):
    """Read line by line, each as long as another box belongs to it."""
    unread, lines = [tuple(int(v) for v in box) for box in boxes], []
    while unread:
        first = min(unread, key=lambda box: (box[1], box[0]))
        rows = set(range(first[1], first[3]))
        line = []
        for box in unread:
            own = set(range(box[1], box[3]))
            if 2 * len(own & rows) >= min(len(own), len(rows)):
                line.append(box)
        unread = [box for box in unread if box not in line]
        lines.append(sorted(line, key=lambda box: (box[0] + box[2], box[1])))
    return lines


@pytest.mark.parametrize(
    "boxes, lines",
    [
        ([], []),
        ([[5, 5, 9, 9]], [[0]]),
        # a row, a little uneven, given from the right
        ([[40, 2, 50, 22], [20, 0, 30, 20], [0, 4, 10, 24]], [[2, 1, 0]]),
        # two rows of two
        (
            [[30, 31, 40, 41], [2, 0, 12, 10], [0, 30, 10, 40], [30, 3, 40, 13]],
            [[1, 3], [2, 0]],
        ),
        # half of the smaller height is enough, less is not
        ([[0, 0, 10, 20], [20, 15, 30, 25]], [[0, 1]]),
        ([[0, 0, 10, 20], [20, 16, 30, 26]], [[0], [1]]),
        # a small one beside a large one, wherever it stands
        ([[20, 30, 25, 38], [0, 0, 18, 40]], [[1, 0]]),
        # steps do not chain: each is held against the line's first
        ([[0, 0, 10, 10], [20, 4, 30, 14], [40, 8, 50, 18]], [[0, 1], [2]]),
        # in one column, from above
        ([[0, 40, 10, 50], [0, 20, 10, 30], [0, 0, 10, 10]], [[2], [1], [0]]),
    ],
)
def test_lines_are_read_as_people_do(boxes, lines):
    boxes = np.array(boxes).reshape(-1, 4)
    assert data.reading_lines(boxes) == lines
    assert data.reading_lines(boxes / 100) == lines


def test_scenes_stand_in_reading_order():
    scenes = list(data.digits_canvas("train", 150))
    for scene in [*scenes, *data.digits_canvas("dev", 40, digits=20, overlap=0.5)]:
        lines = brute_force_lines(scene.boxes)
        assert list(itertools.chain(*lines)) == [tuple(box) for box in scene.boxes]
        digits = iter(scene.classes)
        read = ["".join(str(next(digits)) for _ in line) for line in lines]
        assert scene.text == "\n".join(read)
    assert sum("\n" in scene.text for scene in scenes) > 50


def test_low_scenes_are_one_line_of_text():
    for scene in data.digits_canvas("train", 100, size=(32, 128), digit_size=(24, 28)):
        assert "\n" not in scene.text


def test_boxes_of_another_shape_are_not_read():
    with pytest.raises(ValueError, match=r"received the shape \(4,\)"):
        data.reading_lines([1, 2, 3, 4])

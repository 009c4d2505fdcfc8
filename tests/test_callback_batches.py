"""Batches of whatever `fit` takes: the same rows, whoever gives them."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from kerasmith.callbacks import batches

X = np.arange(24.0).reshape(8, 3)
Y = np.arange(8)


class Numbered(keras.utils.PyDataset):
    """Four batches, or no end of them; an end of epoch is noted."""

    ended = 0

    def __init__(self, endless=False):
        super().__init__()
        self.endless = endless

    @property
    def num_batches(self):
        return None if self.endless else 4

    def __getitem__(self, index):
        part = slice(index % 4 * 2, index % 4 * 2 + 2)
        return X[part], Y[part]

    def on_epoch_end(self):
        self.ended += 1


class Loader:
    """Gives lists, and begins anew, as PyTorch's does; its tensors hold gradients."""

    def __init__(self, wrap=np.asarray):
        self.wrap = wrap

    def __iter__(self):
        return ([self.wrap(part) for part in batch] for batch in generator())


def generator():
    four = Numbered()
    return (four[index] for index in range(4))


def dataset():
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((X, Y)).batch(2)


def tensors():
    return ops.convert_to_tensor(X), ops.convert_to_tensor(Y)


KINDS = {
    "arrays": lambda: (X, Y),
    "numbers": lambda: (X.tolist(), Y.tolist()),
    "tensors": tensors,
    "PyDataset": Numbered,
    "tf.data": dataset,
    "loader": Loader,
    "tensors in lists": lambda: Loader(ops.convert_to_tensor),
    "generator": generator,
    "function": lambda: generator,
    "function to arrays": lambda: lambda: (X, Y),
    "function to a list": lambda: lambda: [list(batch) for batch in generator()],
}
every_kind = pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)


def rows_of(parts):
    return np.concatenate([batches.to_array(part) for part in parts])


@every_kind
def test_once_gives_every_sample_in_order(make):
    found = list(batches.once(make(), "somebody", 2))
    np.testing.assert_array_equal(rows_of(x for x, _, _ in found), X)
    np.testing.assert_array_equal(rows_of(y for _, y, _ in found), Y)
    assert all(weight is None for _, _, weight in found)


@every_kind
def test_forever_begins_anew_and_a_generator_ends(make):
    feed = batches.forever(make(), "somebody", 2)
    found = list(itertools.islice(feed, 8))
    labels = rows_of(y for _, y, _ in found)
    assert sorted(labels) == sorted([*Y, *Y] if make is not generator else Y)
    for x, y, _ in found:
        assert "float32" in str(x.dtype) or ops.is_tensor(x)
        np.testing.assert_allclose(batches.to_array(x), X[batches.to_array(y)])


@every_kind
def test_first_inputs_and_count_are_of_the_same_rows(make):
    x, y, weight = batches.first_batch(make(), "somebody")
    assert type(x) is type(y) is np.ndarray and weight is None
    np.testing.assert_array_equal(x, X[: len(x)])
    np.testing.assert_array_equal(y, Y[: len(x)])
    assert batches.count(make(), "somebody") == 8
    inputs = rows_of(batches.inputs_of(make(), "somebody", size=3))
    np.testing.assert_array_equal(np.sort(inputs, 0), X)
    two = list(batches.inputs_of(make(), "somebody", 2, size=2))
    assert [len(part) for part in two][0] >= 2 and len(two) == 2


def test_arrays_are_drawn_anew_each_time_and_alike_in_each_run():
    def labels(seed=0):
        feed = batches.forever((X, Y), "somebody", 3, seed)
        return [y.tolist() for _, y, _ in itertools.islice(feed, 6)]

    drawn = labels()
    assert drawn == labels() != labels(1)
    assert all(len(set(one)) == 3 for one in drawn)  # the rest of two is left out
    passes = [sum(drawn[i : i + 2], []) for i in (0, 2, 4)]
    assert all(len(set(one)) == 6 for one in passes) and passes[0] != passes[1]


def test_a_small_set_is_one_batch():
    (x, y, _) = next(batches.forever((X, Y), "somebody", 32))
    assert sorted(y) == Y.tolist() and len(x) == 8


def test_structures_and_weights_stay_together():
    data = {"a": X, "b": X[:, 0]}, [Y, Y + 1], np.ones(8)
    for x, y, weight in batches.forever(data, "somebody", 3):
        np.testing.assert_array_equal(x["a"], X[y[0]])
        np.testing.assert_array_equal(x["b"], X[y[0], 0])
        np.testing.assert_array_equal(y[1], y[0] + 1)
        assert weight.tolist() == [1, 1, 1]
        break
    (inputs,) = batches.inputs_of({"a": X, "b": X}, "somebody")
    np.testing.assert_array_equal(inputs["a"], inputs["b"])
    (one, other) = next(batches.inputs_of([X, X + 1], "somebody"))
    np.testing.assert_array_equal(one + 1, other)
    halves = batches.head((X, None), 2)
    assert halves[0].shape == (2, 3) and halves[1] is None


def test_a_data_set_without_end_is_no_epoch():
    data = Numbered(endless=True)
    found = list(itertools.islice(batches.once(data, "somebody"), 9))
    assert found[8][1].tolist() == [0, 1] and data.ended == 0
    with pytest.raises(ValueError, match="somebody received data without an end"):
        batches.check(data, None, "somebody")
    batches.check(data, 3, "somebody")
    batches.check(Numbered(), None, "somebody")


@pytest.mark.parametrize(
    "data, problem, message",
    [
        (3, TypeError, "somebody needs data as .* received int"),
        (None, TypeError, "received NoneType"),
        ("text", TypeError, "received str"),
        (X, TypeError, "received ndarray"),
        ({"a": X}, TypeError, "received dict"),
        (iter([X]), TypeError, "received ndarray"),
        (iter([(X, Y, Y, Y)]), TypeError, "received tuple"),
        ((X, Y[:3]), ValueError, r"lengths \[3, 8\]"),
        ((X[:0], Y[:0]), ValueError, "somebody received no data"),
        (iter([]), ValueError, "somebody received no data"),
    ],
)
def test_what_gives_no_batch_with_labels_is_refused(data, problem, message):
    with pytest.raises(problem, match=message):
        batches.first_batch(data, "somebody")
    if not hasattr(data, "__next__"):
        with pytest.raises(problem, match=message):
            next(batches.forever(data, "somebody"))

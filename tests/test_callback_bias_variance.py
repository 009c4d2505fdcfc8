"""Errors on several sets tell what to work on."""

import math

import keras
import numpy as np
import pytest

from kerasmith import callbacks

DRAW = np.random.default_rng(0)


def make_sets(sizes=(200, 100, 300), shift=0.0):
    """Draw sets of two classes, of which the last lies elsewhere."""
    sets = []
    for place, size in enumerate(sizes):
        y = DRAW.integers(0, 2, size)
        x = DRAW.normal(size=(size, 2)) + 2 * y[:, None] + shift * (place == 2)
        sets.append((x.astype("float32"), y))
    return sets


def make_model(**options):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.1), loss, metrics=["accuracy"], **options)
    return model


# human, train, train_dev, dev and test error, and the gap they are an example of:
# Machine Learning Yearning, chapters 20 and 40 to 42
BOOK = [
    ((0.0, 0.01, None, 0.11, None), "variance and data mismatch"),
    ((0.0, 0.15, None, 0.16, None), "avoidable bias"),
    ((0.14, 0.15, None, 0.30, None), "variance and data mismatch"),
    ((0.0, 0.01, 0.09, 0.10, None), "variance"),
    ((0.0, 0.10, 0.11, 0.12, None), "avoidable bias"),
    ((0.0, 0.01, 0.015, 0.10, None), "data mismatch"),
    ((0.0, 0.02, 0.03, 0.04, 0.20), "overfitting to dev"),
]


@pytest.mark.parametrize("errors, largest", BOOK)
def test_the_examples_of_the_book(errors, largest):
    human, train, train_dev, dev, test = errors
    result = callbacks.bias_variance(
        train, dev, train_dev=train_dev, test=test, human_error=human
    )
    assert result.largest.name == largest and largest in result.advice
    assert sum(gap.size for gap in result.gaps) == pytest.approx((test or dev) - human)
    assert result.largest.within_noise is None


def test_the_standard_error_is_that_of_many_draws():
    sizes = {"train": 400, "dev": 250}
    gap = callbacks.bias_variance(0.1, 0.16, sizes=sizes).gaps[1]
    drawn = DRAW.binomial(250, 0.16, 20000) / 250 - DRAW.binomial(400, 0.1, 20000) / 400
    assert gap.deviation == pytest.approx(drawn.std(), rel=0.03)
    assert not gap.within_noise
    few = callbacks.bias_variance(0.1, 0.16, sizes={"train": 40, "dev": 25})
    assert few.gaps[1].within_noise and "within noise" in str(few)
    first = few.gaps[0]  # that of humans counts as exact
    assert first.deviation == pytest.approx(math.sqrt(0.1 * 0.9 / 40))


def test_nothing_to_work_on_and_what_is_no_error():
    result = callbacks.bias_variance(0.1, 0.1, human_error=0.2)
    assert result.largest is None and "No error is above" in str(result)
    for bad in (-0.1, math.nan):
        with pytest.raises(ValueError, match="errors of 0 or more"):
            callbacks.bias_variance(bad, 0.1)
    assert callbacks.bias_variance(3.0, 4.0).largest.name == "avoidable bias"
    with pytest.raises(ValueError, match="up to 1 where sizes are given"):
        callbacks.bias_variance(3.0, 4.0, sizes={"train": 5})


def test_a_training_is_judged_by_its_errors(tmp_path):
    sets = make_sets(shift=3.0)
    found = callbacks.BiasVariance(*sets, human_error=0.05)
    model = make_model()
    history = model.fit(*sets[0], epochs=12, verbose=0, callbacks=[found]).history
    errors = found.result.errors
    for name, (x, y) in zip(("train", "train_dev", "dev"), sets, strict=True):
        answers = model.predict(x, verbose=0).argmax(-1)
        assert errors[name] == pytest.approx(np.mean(answers != y), abs=1e-6)
    assert found.result.largest.name == "data mismatch"
    n, p = (200, 100), (errors["train"], errors["train_dev"])
    expected = math.sqrt(sum(q * (1 - q) / m for q, m in zip(p, n, strict=True)))
    assert found.result.gaps[1].deviation == pytest.approx(expected)
    assert "error_dev" not in history and found.history == []
    figure = found.plot(tmp_path / "bars.png")
    assert (tmp_path / "bars.png").stat().st_size > 1000
    shown = " ".join(text.get_text() for text in figure.axes[0].texts)
    assert "data mismatch" in shown


def test_it_evaluates_every_few_epochs_and_logs():
    sets = make_sets()
    found = callbacks.BiasVariance(sets[0], None, sets[1], test=sets[2], every=2)
    model = make_model(steps_per_execution=1)
    options = {"validation_data": sets[1], "verbose": 0}
    history = model.fit(*sets[0], epochs=5, callbacks=[found], **options).history
    assert [row["epoch"] for row in found.history] == [1, 3]
    assert history["error_dev"] == [row["dev"] for row in found.history]
    assert len(history["error_test"]) == 2 and "error_train_dev" not in history
    expected = [1 - history["val_accuracy"][epoch] for epoch in (1, 3)]
    np.testing.assert_allclose(history["error_dev"], expected, atol=1e-6)


@pytest.mark.parametrize("every", [None, 1])
def test_training_goes_on_as_if_nothing_happened(every):
    sets = make_sets()
    found = callbacks.BiasVariance(*sets, every=every)
    weights = []
    for kept in ([], [found]):
        model = make_model()
        model.fit(*sets[0], epochs=3, verbose=0, callbacks=kept)
        weights.append(model.get_weights())
    for with_it, without in zip(*weights, strict=True):
        np.testing.assert_array_equal(with_it, without)


def test_batches_are_counted_once():
    sets = make_sets()

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            part = slice(index * 30, index * 30 + 30)
            return tuple(array[part] for array in sets[1])

    found = callbacks.BiasVariance(sets[0], Batches(), sets[2])
    make_model().fit(*sets[0], verbose=0, callbacks=[found])
    assert found.sizes == {"train": 200, "train_dev": 100, "dev": 300}


def test_bad_arguments_are_refused():
    one, _, other = make_sets()
    for options, message in (
        ({"every": 0}, "every >= 1 or None, received 0"),
        ({"human_error": -1}, "human_error >= 0, received -1"),
        ({"monitor": "money"}, "cannot be told by its name"),
    ):
        with pytest.raises(ValueError, match=message):
            callbacks.BiasVariance(one, None, other, **options)
    with pytest.raises(ValueError, match="train and dev"):
        callbacks.BiasVariance(one, None, None)
    found = callbacks.BiasVariance(one, None, other, monitor="auc")
    with pytest.raises(ValueError, match="nothing to draw"):
        found.plot()
    with pytest.raises(KeyError, match="'auc'.*accuracy"):
        make_model().fit(*one, epochs=3, verbose=0, callbacks=[found])

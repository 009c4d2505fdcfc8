"""Losses of segmentation where positions are ignored, certain, masked or wrong."""

import functools
import warnings

import keras
import numpy as np
import pytest
from conformance.gradients import gradients

from kerasmith import layers

ALL = {
    "dice": layers.SoftDice,
    "dice_batch": functools.partial(layers.SoftDice, over="batch", squared=True),
    "jaccard": functools.partial(layers.SoftJaccard, empty="penalise", smooth=1.0),
    "tversky": functools.partial(layers.Tversky, gamma=4 / 3),
    "cross_entropy": layers.BoundaryWeightedCrossEntropy,
    "focal": layers.Focal,
    "focal_root": functools.partial(layers.Focal, 0.5, 0.25),
}
every_loss = pytest.mark.parametrize("build", ALL.values(), ids=ALL)


def number(tensor):
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def labels_for(*shape, classes=4, seed=1):
    return np.random.default_rng(seed).integers(0, classes, shape)


def slope_of(loss, labels, predictions):
    (slope,) = gradients(lambda arrays: loss(labels, arrays[0]), [predictions])
    return slope


@pytest.mark.parametrize("ignored", [255, -1, 2])
@pytest.mark.parametrize("form", ["labels", "rows"])
@every_loss
def test_ignored_positions_are_as_if_they_were_not_there(build, form, ignored):
    logits, labels = drawn(1, 9, 4), labels_for(1, 9)
    out = [1, 4, 5]
    labels[labels == 2] = 3
    labels[:, out] = ignored
    shown = labels
    if form == "rows":
        shown = np.array(
            [np.eye(4)[n] if 0 <= n < 4 else np.zeros(4) for n in labels[0]]
        )
        shown = shown[None]
    loss = build(from_logits=True, ignore_class=ignored)
    rest = np.delete(np.arange(9), out)
    expected = number(loss(labels[:, rest], logits[:, rest]))
    logits[:, 4] = [1e4, -1e4, 0, 1]  # whatever is predicted there
    assert number(loss(shown, logits)) == pytest.approx(expected, rel=1e-5)
    slope = slope_of(loss, shown, logits)
    assert np.all(slope[:, out] == 0)
    assert np.all(np.isfinite(slope)) and np.any(slope != 0)


@every_loss
def test_without_any_position_that_counts_the_loss_is_0(build):
    for labels in (np.full((2, 5), 255), np.zeros((2, 5, 4))):
        loss = build(from_logits=True, ignore_class=255)
        logits = drawn(2, 5, 4)
        assert number(loss(labels, logits)) == 0
        assert np.all(slope_of(loss, labels, logits) == 0)


@every_loss
def test_a_sample_of_ignored_positions_leaves_the_others_alone(build):
    logits, labels = drawn(2, 5, 4), labels_for(2, 5)
    labels[0] = 255
    loss = build(from_logits=True, ignore_class=255, reduction=None)
    alone = build(from_logits=True, reduction=None)
    expected = number(alone(labels[1:], logits[1:]))
    np.testing.assert_allclose(number(loss(labels, logits))[1:], expected, 1e-5)


def test_the_class_that_is_ignored_is_no_empty_class():
    """It is true nowhere, but is not lost for being predicted."""
    p = np.full((1, 4, 3), 1 / 3, "float32")
    labels = np.array([[1, 1, 2, 0]])
    keywords = {"empty": "penalise", "smooth": 1.0, "ignore_class": 0}
    scores = [(2 * 2 / 3 + 1) / (1 + 2 + 1), (2 * 1 / 3 + 1) / (1 + 1 + 1)]
    found = number(layers.SoftDice(**keywords)(labels, p))
    assert found == pytest.approx(1 - np.mean(scores), rel=1e-5)


@pytest.mark.parametrize("sure", [1000.0, -1000.0], ids=["right", "wrong"])
@pytest.mark.parametrize("channels", [4, 1])
@every_loss
def test_certain_predictions_have_finite_slopes(build, channels, sure):
    labels = labels_for(2, 5, classes=max(channels, 2))
    logits = np.where(np.eye(channels)[labels % channels] > 0, sure, -sure)
    if channels == 1:
        logits = np.where(labels > 0, sure, -sure)[..., None]
    loss = build(from_logits=True)
    value = number(loss(labels, logits))
    assert np.isfinite(value) and (value < 1e-4) == (sure > 0)
    assert np.all(np.isfinite(slope_of(loss, labels, logits.astype("float32"))))
    p = np.where(logits > 0, 1.0, 0.0).astype("float32")
    value = number(build()(labels, p))
    assert np.isfinite(value) and (value < 1e-4) == (sure > 0)
    assert np.all(np.isfinite(slope_of(build(), labels, p)))


@every_loss
def test_a_label_that_is_no_class_makes_the_loss_nan(build):
    """The same on every backend: some would read beside the logits, some stop."""
    logits, labels = drawn(2, 5, 4), labels_for(2, 5)
    for wrong in (255, -1, 4):
        labels[0, 2] = wrong
        assert np.isnan(number(build()(labels, logits)))
    mask = np.array([[0, 255, 0, 255, 255]])  # as an image of a mask often comes
    assert np.isnan(number(build()(mask, logits[:1, :, :1])))
    assert np.isfinite(number(build()(mask / 255, logits[:1, :, :1])))


def test_the_mean_of_a_large_image_is_right_in_float16():
    """Its sum and its number of positions are above 65,504."""
    logits = np.zeros((1, 300, 301, 2), "float16")
    loss = layers.BoundaryWeightedCrossEntropy(from_logits=True, dtype="float16")
    found = loss(np.ones((1, 300, 301), "uint8"), logits)
    assert number(found) == pytest.approx(np.log(2), rel=1e-3)
    found = layers.SoftDice(from_logits=True, dtype="float16")(
        np.ones((1, 300, 301), "uint8"), logits
    )
    assert number(found) == pytest.approx(1 / 3, rel=1e-3)


def test_many_classes_keep_apart_in_bfloat16():
    """It has 8 bits for a whole number: 299 would be 300."""
    logits = np.zeros((1, 2, 301), "float32")
    logits[:, :, 299] = 30
    loss = layers.Focal(0, from_logits=True, dtype="bfloat16", reduction=None)
    found = number(loss(np.array([[299, 300]]), logits))[0]
    assert found[0] < 1e-4 and found[1] == pytest.approx(30, rel=0.01)


@every_loss
def test_masked_steps_take_no_part(build):
    """A layer below may mask steps; Keras would multiply losses by the mask."""
    x, labels = drawn(5, 5, 3), labels_for(5, 5, classes=3)
    x[1:, 3:] = 0
    model = keras.Sequential(
        [keras.Input((5, 3)), keras.layers.Masking(), keras.layers.Dense(3)]
    )
    jit = keras.backend.backend() != "torch"
    model.compile(loss=build(from_logits=True, ignore_class=7), jit_compile=jit)
    ignored = labels.copy()
    ignored[1:, 3:] = 7
    expected = number(build(from_logits=True, ignore_class=7)(ignored, model(x) + 0.0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = model.evaluate(x, labels, batch_size=5, verbose=0)
    assert found == pytest.approx(float(expected), rel=1e-5)


def test_sizes_may_be_unknown_and_differ():
    model = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Identity()])
    for loss in (layers.SoftDice(from_logits=True), layers.Focal(from_logits=True)):
        model.compile(loss=loss)
        for size in ((5, 3), (1, 4)):
            logits, labels = drawn(2, *size, 3), labels_for(2, *size, classes=3)
            found = model.evaluate(logits, labels, verbose=0)
            assert found == pytest.approx(float(number(loss(labels, logits))), rel=1e-5)


@pytest.mark.parametrize(
    "true, predicted, message",
    [
        ((2, 5, 4), (2, 5, 3, 4), r"y_true of shape \(2, 5, 4\).*classes at positions"),
        (
            (2, 5, 3, 2),
            (2, 5, 3, 4),
            r"among \(2, 5, 3\), \(2, 5, 3, 1\), \(2, 5, 3, 4",
        ),
        ((3, 5), (2, 5, 4), r"\(3, 5\)"),
        ((2, 5, 2), (2, 5, 1), r"among \(2, 5\), \(2, 5, 1\)\.$"),
        ((2,), (2,), "received y_pred of shape"),
        ((2, 1, 1, 1, 1), (2, 1, 1, 1, 1, 3), "at most three axes of positions"),
    ],
)
@pytest.mark.parametrize("build", [layers.SoftDice, layers.Focal])
def test_shapes_that_do_not_fit_are_refused(build, true, predicted, message):
    with pytest.raises(ValueError, match=f"{build.__name__}.*{message}"):
        build()(np.zeros(true), np.zeros(predicted, "float32"))


def test_weights_that_do_not_fit_are_refused():
    logits, labels = drawn(3, 5, 3, 4), labels_for(3, 5, 3)
    for shape in ((3, 4, 3), (2,), (3, 5, 3, 4)):
        with pytest.raises(ValueError, match="Focal received sample_weight of shape"):
            layers.Focal()(labels, logits, sample_weight=np.ones(shape))
    with pytest.raises(ValueError, match="one weight for each sample"):
        layers.SoftDice()(labels, logits, sample_weight=np.ones((3, 5, 3)))
    with pytest.raises(ValueError, match=r"received sample_weight of shape \(2,\)"):
        layers.SoftDice()(labels, logits, sample_weight=np.ones(2))


@pytest.mark.parametrize(
    "build, message",
    [
        (
            lambda: layers.SoftDice(over="image"),
            "'sample' or 'batch', received 'image'",
        ),
        (lambda: layers.SoftJaccard(empty="drop"), "'skip' or 'penalise'"),
        (lambda: layers.SoftDice(empty="penalise"), "needs a smooth above 0"),
        (lambda: layers.SoftDice(smooth=-1), "smooth of at least 0, received -1"),
        (lambda: layers.Tversky(0, 0), "not both 0, received alpha=0, beta=0"),
        (lambda: layers.Tversky(gamma=0.75), "The power is 1 / gamma"),
        (lambda: layers.Focal(-1), "gamma of at least 0, received -1"),
        (lambda: layers.Focal(2, [0.5, -1]), "one for each class, received"),
        (lambda: layers.Focal(ignore_class=2.5), "whole number as ignore_class"),
    ],
)
def test_bad_arguments_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_an_alpha_that_does_not_fit_the_predictions_is_refused():
    labels = labels_for(2, 5, classes=2)
    with pytest.raises(ValueError, match="3 values of alpha, and predictions of 4"):
        layers.Focal(2, [1, 2, 3])(labels, drawn(2, 5, 4))
    with pytest.raises(ValueError, match="1 - alpha.*received alpha=2.0"):
        layers.Focal(2, 2)(labels, drawn(2, 5, 1))

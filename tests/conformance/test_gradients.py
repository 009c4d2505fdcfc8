"""Gradients exist, are finite, and are the slopes of the result."""

import keras
import numpy as np
import pytest
from conformance.gradients import directions_for, gradients, slope, traced
from conformance.tables import ARCHITECTURES, LOSSES, ROWS, every

SINGLE = {name: row for name, row in ROWS.items() if name not in ARCHITECTURES}


def scalar_function(row, training):
    """Give a function of the trainable weights and the inputs, and its arguments."""
    layer = row.built()
    inputs = row.inputs()
    variables = [
        weight
        for weight in layer.trainable_variables
        if training or weight.name not in row.in_training_alone
    ]
    mix = np.random.default_rng(11).normal(size=layer(inputs).shape).astype("float32")

    def function(arrays):
        held = zip(variables, arrays[:-1], strict=True)
        # what is drawn in a scope moves no random state: each call draws the same
        with keras.StatelessScope(state_mapping=held):
            outputs = layer(arrays[-1], training=training)
        return keras.ops.sum(keras.ops.multiply(outputs, mix))

    weights = [keras.ops.convert_to_numpy(w) for w in variables]
    return function, [*weights, inputs]


def check_slope(row, function, arrays, found, directions):
    step, tolerance = (1e-4, 0.1) if row.corners else (1e-2, 2e-3)
    expected = slope(function, arrays, directions, step)
    pairs = list(zip(found, directions, strict=True))
    total = sum(float(np.sum(g * d, dtype="float64")) for g, d in pairs)
    # the sum may be small where large terms cancel
    size = np.sqrt(sum(np.sum((g * d) ** 2, dtype="float64") for g, d in pairs))
    # and the function's own last digits are divided by the step
    value = abs(float(keras.ops.convert_to_numpy(function(arrays))))
    rounding = 8 * np.finfo("float32").eps * max(1.0, value) / step
    small = float(max(tolerance * size, rounding))
    assert total == pytest.approx(expected, rel=tolerance, abs=small)


every_mode = pytest.mark.parametrize("training", [False, True], ids=["test", "train"])


@every_mode
@every(ROWS)
def test_every_weight_and_input_has_a_finite_gradient(row, training):
    function, arrays = scalar_function(row, training)
    for gradient in gradients(function, arrays):
        assert gradient is not None
        assert np.all(np.isfinite(gradient))
        assert np.any(gradient != 0)


@every_mode
@every(SINGLE)
def test_each_gradient_is_the_slope(row, training):
    function, arrays = scalar_function(row, training)
    function = traced(function)
    found = gradients(function, arrays)
    directions = directions_for(arrays, seed=5)
    for i in range(len(arrays)):
        along = [d if i == j else np.zeros_like(d) for j, d in enumerate(directions)]
        check_slope(row, function, arrays, found, along)


@every(ARCHITECTURES)
def test_the_gradient_of_a_model_is_the_slope(row):
    function, arrays = scalar_function(row, training=False)
    function = traced(function)
    found = gradients(function, arrays)
    for seed in range(3):
        check_slope(row, function, arrays, found, directions_for(arrays, seed))


@every(LOSSES)
def test_the_gradient_of_a_loss_is_the_slope(row):
    loss, arrays = row.build(), [row.predictions]

    def function(arrays):
        return loss(row.labels, arrays[0])

    (found,) = gradients(function, arrays)
    for seed in range(3):
        along = directions_for(arrays, seed)
        assert np.sum(found * along[0]) == pytest.approx(
            slope(function, arrays, along, 1e-2), rel=2e-3, abs=1e-4
        )

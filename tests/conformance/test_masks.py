"""Where a mask goes: passed on, consumed, or refused with a warning."""

import contextlib

import keras
import numpy as np
import pytest
from conformance.row import Row
from conformance.tables import LAYERS, ROWS, every

# a layer of Keras stands with the consumers, to show that the question has an answer
CONTROL = {
    "control": Row(keras.layers.GlobalAveragePooling1D, (3, 5, 2), mask="consumed")
}
PASSED = {name: row for name, row in ROWS.items() if row.mask == "passed"}
CONSUMED = {name: row for name, row in ROWS.items() if row.mask == "consumed"} | CONTROL
every_mode = pytest.mark.parametrize("training", [False, True], ids=["test", "train"])


class MaskSeen(keras.layers.Layer):
    """Tells which mask arrives."""

    def __init__(self):
        super().__init__()
        self.supports_masking = True
        self.seen = None

    def call(self, inputs, mask=None):
        self.seen = mask
        return inputs


def padded(row):
    """Give inputs of which the second position, or sample, is nothing but padding."""
    inputs = row.inputs()
    inputs[(slice(None), 1) if inputs.ndim > 2 else 1] = 0
    return inputs, np.any(inputs != 0, axis=-1)


@every_mode
@every(LAYERS | CONTROL)
def test_a_mask_goes_where_the_table_says(row, training):
    inputs, mask = padded(row)
    layer, after = row.built(), MaskSeen()
    refused = row.mask == "refused"
    with (
        pytest.warns(UserWarning, match="does not support masking")
        if refused
        else contextlib.nullcontext()
    ):
        after(layer(keras.layers.Masking()(inputs), training=training))
    if row.mask == "passed":
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(after.seen), mask)
    else:
        assert after.seen is None


@every_mode
@every(PASSED)
def test_a_mask_passed_on_passes_a_graph_too(row, training):
    inputs, mask = padded(row)
    after = MaskSeen()
    symbolic = row.symbolic()
    outputs = row.built()(keras.layers.Masking()(symbolic))
    keras.Model(symbolic, after(outputs))(inputs, training=training)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(after.seen), mask)


@every(CONSUMED)
def test_what_a_consumed_mask_hides_changes_nothing(row):
    inputs, mask = padded(row)
    layer, mask = row.built(), mask[..., None]
    results = [
        keras.ops.convert_to_numpy(
            layer(np.where(mask, inputs, padding), mask=mask[..., 0])
        )
        for padding in (np.float32(0), np.float32(9))
    ]
    np.testing.assert_allclose(results[1], results[0], 1e-5, 1e-6)

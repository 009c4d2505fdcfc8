"""All rows in one model, so that one compilation, one file, one process serve all."""

import zlib

import keras


def join(rows, *, front=False):
    """Build a model with an input `to_NAME` and an output `NAME` for each row.

    With `front`, a dense layer stands before each row, so that each has something to
    learn, and learns it through the row. Each row draws the same weights whatever the
    others are.
    """
    inputs, outputs = {}, {}
    for name, row in rows.items():
        keras.utils.set_random_seed(zlib.crc32(name.encode()))
        x = inputs[f"to_{name}"] = row.symbolic(f"to_{name}")
        if front:
            x = keras.layers.Dense(row.shape[-1], name=f"front_of_{name}")(x)
        try:
            outputs[name] = row.build()(x)
        except Exception as error:
            error.add_note(f"in the row {name!r} of the tables")
            raise
    return keras.Model(inputs, outputs)


def inputs_of(rows, batch=None):
    """Draw inputs for all rows."""
    return {f"to_{name}": row.inputs(batch=batch) for name, row in rows.items()}


def numbers(tensors):
    """Turn a dictionary of tensors into one of arrays."""
    return {name: keras.ops.convert_to_numpy(t) for name, t in tensors.items()}

"""Rows of recurrent cells that wrap cells, and of recurrent layers."""

import keras
from conformance.row import Row

from kerasmith import layers


def in_a_model(features, run):
    """Build a model that runs a cell over a sequence."""
    steps = keras.Input((None, features))
    # as of any model: its result has float32
    result = keras.layers.Activation("linear", dtype="float32")(run(steps))
    return keras.Model(steps, result)


def sequences(cell, features, **keywords):
    return in_a_model(features, keras.layers.RNN(cell, **keywords))


def attending(cell, features):
    """Let a sequence attend to itself."""

    def run(steps):
        layer = keras.layers.RNN(cell, return_sequences=True)
        return layer(steps, initial_state=cell.initial_state(steps))

    return in_a_model(features, run)


def zoneout():
    return layers.Zoneout(keras.layers.LSTMCell(4), 0.2, 0.3, seed=1)


def zoneout_stack():
    cells = [keras.layers.GRUCell(5), keras.layers.SimpleRNNCell(4)]
    return layers.Zoneout(cells, hidden_rate=0.1)


def additive():
    return layers.AttentionCell(keras.layers.LSTMCell(4), 5, 3)


def multiplicative():
    cells = [keras.layers.LSTMCell(4), keras.layers.GRUCell(3)]
    cell = layers.Zoneout(cells, 0.1, 0.1)
    return layers.AttentionCell(
        cell, 5, 7, score="multiplicative", kernel_initializer="he_uniform"
    )


def dot():
    return layers.AttentionCell(
        keras.layers.GRUCell(5), 5, score="dot", input_feeding=False
    )


LAYERS = {
    "zoneout": Row(
        lambda: sequences(zoneout(), 5, return_sequences=True),
        (3, 7, 5),
        unknown=(1,),
        mask="passed",
        part=zoneout,
    ),
    "zoneout_stack": Row(
        lambda: sequences(zoneout_stack(), 3, return_sequences=True),
        (3, 5, 3),
        unknown=(1,),
        mask="passed",
        part=zoneout_stack,
    ),
    "zoneout_lstm": Row(
        lambda: layers.ZoneoutLSTM(
            4, hidden_rate=0.1, cell_rate=0.4, return_sequences=True
        ),
        (3, 7, 5),
        unknown=(1,),
        mask="passed",
    ),
    "zoneout_gru": Row(
        lambda: layers.ZoneoutGRU(4, hidden_rate=0.3, go_backwards=True, seed=1),
        (3, 7, 5),
        unknown=(1,),
        mask="consumed",
    ),
    "zoneout_gru_before": Row(
        lambda: layers.ZoneoutGRU(
            3, hidden_rate=0.3, reset_after=False, return_sequences=True, unroll=True
        ),
        (3, 5, 4),
        mask="passed",
    ),
    "attention_cell": Row(
        lambda: attending(additive(), 5),
        (3, 7, 5),
        unknown=(1,),
        mask="passed",
        part=additive,
    ),
    "attention_cell_multiplicative": Row(
        lambda: attending(multiplicative(), 5),
        (3, 7, 5),
        unknown=(1,),
        mask="passed",
        part=multiplicative,
    ),
    "attention_cell_dot": Row(
        lambda: attending(dot(), 5),
        (3, 7, 5),
        unknown=(1,),
        mask="passed",
        part=dot,
    ),
}

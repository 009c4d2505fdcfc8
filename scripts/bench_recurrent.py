"""What `kerasmith bench` measures of zoneout, against Keras' recurrent layers."""

import functools

from kerasmith.scripts.bench import Pair

SHAPE = (64, 100, 256)
UNITS = 256


def zoneout():
    """Time the layers with zoneout, forward and backward, against those without.

    Batches of 64 sequences of 100 steps, 256 features and 256 units. The layers give
    the outputs of all steps. Each side is compiled as the backend does it.

    Returns:
        List of `Pair`.

    Example:

    >>> [pair.label.split()[0] for pair in zoneout()]
    ['ZoneoutLSTM', 'ZoneoutGRU']
    """
    import keras

    from kerasmith import layers

    common = {"units": UNITS, "return_sequences": True}
    rates = {"hidden_rate": 0.05, "cell_rate": 0.5}
    return [
        Pair(
            f"ZoneoutLSTM of {UNITS} units at {SHAPE}, against LSTM",
            _step(lambda: layers.ZoneoutLSTM(**common, **rates)),
            _step(lambda: keras.layers.LSTM(**common)),
        ),
        Pair(
            f"ZoneoutGRU of {UNITS} units at {SHAPE}, against GRU",
            _step(lambda: layers.ZoneoutGRU(**common, hidden_rate=0.05)),
            _step(lambda: keras.layers.GRU(**common)),
        ),
    ]


def _step(build):
    """Compile at the first call, so that a list of pairs costs nothing."""

    @functools.cache
    def compiled():
        from kerasmith.zoo.tools.training_step import training_step

        return training_step([build()], SHAPE)

    return lambda: compiled()()


ROWS = {"zoneout": zoneout}

"""Rows of the callbacks that steer the learning rate."""

from kerasmith import callbacks

CALLBACKS = {
    # one row only: two owners of the rate in one training are refused
    "learning_rate": lambda folder, **keywords: callbacks.LearningRate(
        **{
            "base": "linear",
            "peak": 0.05,
            "warmup": 1,
            "epochs": 6,
            "plateau": callbacks.Plateau("loss", patience=2, min_delta=1.0),
            "file": folder / "rate.txt",
            **keywords,
        }
    ),
}

WITHOUT_STATE = {}

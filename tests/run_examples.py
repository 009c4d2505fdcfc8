"""Histories, counts and labels such as runs have."""

import numpy as np

from kerasmith.zoo.tools import report

NAN = float("nan")


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=http://evil.example/x.png onerror=alert(1)>',
    "'; </style></table></body> & co",
    "$x_{\\frac$",  # no formula, and not a valid one either
    "犬 \n\t two lines",
    "",
]


def falling(epochs, **more):
    steps = np.arange(epochs)
    return {
        "loss": np.exp(-steps / 5) + 0.1,
        "accuracy": 1 - np.exp(-steps / 3 - 0.1),
        "val_loss": np.exp(-steps / 4) + 0.2 + 0.01 * steps,
        "val_accuracy": 0.98 - 0.9 * np.exp(-steps / 3),
        **more,
    }


def scattered(classes, each=50):
    """Draw a confusion matrix whose errors fall anywhere."""
    random = np.random.default_rng(classes)
    truth = np.repeat(np.arange(classes), each)
    guess = random.integers(0, classes, len(truth))
    predicted = np.where(random.random(len(truth)) < 0.9, truth, guess)
    return report.confusion_matrix(truth, predicted, classes)

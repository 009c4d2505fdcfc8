"""Callbacks that look into a training and say what is wrong with it."""

from ...callbacks import BiasVariance, TrainingMonitor

# images whose activations are measured
SAMPLES = 32


def diagnose(data, folder):
    """Watch every layer during training, and weigh the errors of the splits after it.

    Args:
        data: `Data` of the run.
        folder: Its folder, whose `tensorboard/layers` gets the figures of the layers.

    Returns:
        List of callbacks, for `Recipe.callbacks`.

    Example:

    >>> import pathlib
    >>> from kerasmith import zoo
    >>> digits = zoo.data.load("digits")
    >>> [type(one).__name__ for one in diagnose(digits, pathlib.Path("runs/mine"))]
    ['TrainingMonitor', 'BiasVariance']
    """
    images, _ = next(iter(data.batches("train")))
    return [
        TrainingMonitor(
            data=images[:SAMPLES].numpy(), log_dir=folder / "tensorboard" / "layers"
        ),
        BiasVariance(data.batches("train"), None, data.dev, test=data.test),
    ]

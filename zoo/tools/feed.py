"""What a training is fed with."""

import dataclasses
from collections.abc import Callable
from typing import Any


@dataclasses.dataclass(frozen=True)
class Feed:
    """Batches of one training.

    Args:
        train: Batches for training.
        dev: Batches for choosing.
        steps: Training batches an epoch.
        seek: Chooses the epoch that the next iteration gives.

    Example:

    >>> Feed([], [], 3, print).steps
    3
    """

    train: Any
    dev: Any
    steps: int
    seek: Callable

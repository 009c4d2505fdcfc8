"""When a metric has stopped improving, and what follows."""

import dataclasses
import math
import typing

from . import monitor as monitors


class Memory(typing.NamedTuple):
    """What a plateau rule remembers from epoch to epoch.

    Attributes:
        best: Value of the last improvement by more than `min_delta`, or `None`.
        wait: Epochs without such an improvement.
        cooldown: Epochs of rest that are left.
        top: Best value so far, by however little, or `None`.

    Example:

    >>> Memory()
    Memory(best=None, wait=0, cooldown=0, top=None)
    """

    best: float | None = None
    wait: int = 0
    cooldown: int = 0
    top: float | None = None


@dataclasses.dataclass(frozen=True)
class Plateau:
    """Lower the learning rate when a metric has stopped improving.

    After `patience` epochs without an improvement of more than `min_delta` the rate
    is multiplied by `factor`; then `cooldown` epochs pass before waiting begins
    again. The rule is that of `keras.callbacks.ReduceLROnPlateau`, save that a value
    which is not finite never counts as the best.

    Args:
        monitor: Name of the metric to watch.
        factor: What the rate is multiplied by, in (0, 1).
        patience: Epochs without an improvement that are borne.
        cooldown: Epochs of rest after the rate was lowered.
        min_delta: Smallest change that counts as an improvement.
        minimum: The rate is never lowered below this.
        mode: `"max"`, `"min"`, or `"auto"` to tell by the metric's name.
        return_to_best: Whether training goes on from the best weights when the rate
            is lowered. They are kept on the device.

    Raises:
        ValueError: If a value is out of its range, or the direction cannot be told.

    Example:

    >>> Plateau("val_loss", factor=0.5, patience=3).direction
    -1
    """

    monitor: str = "val_loss"
    factor: float = 0.1
    patience: int = 10
    cooldown: int = 0
    min_delta: float = 1e-4
    minimum: float = 0.0
    mode: str = "auto"
    return_to_best: bool = False

    def __post_init__(self):
        if not 0 < self.factor < 1:
            raise ValueError(f"Plateau needs a factor in (0, 1), received {self}.")
        if self.patience < 0 or self.cooldown < 0:
            raise ValueError(f"Plateau needs patience, cooldown >= 0, received {self}.")
        if not (self.min_delta >= 0 and self.minimum >= 0):
            raise ValueError(f"Plateau needs min_delta, minimum >= 0, received {self}.")
        monitors.direction(self.monitor, self.mode)

    @property
    def direction(self):
        """Tell whether larger (1) or smaller (-1) values are better."""
        return monitors.direction(self.monitor, self.mode)

    def judge(self, memory, value, can_fall=True):
        """Tell what an epoch's value means.

        Args:
            memory: The `Memory` of the epochs before.
            value: The metric's value.
            can_fall: Whether the rate still is above its minimum.

        Returns:
            The `Memory` with this epoch, whether the value is the best so far, and
            whether the rate is to fall.

        Example:

        >>> rule = Plateau("loss", patience=1)
        >>> memory, best, fall = rule.judge(Memory(), 0.5)
        >>> rule.judge(memory, 0.6)
        (Memory(best=0.5, wait=0, cooldown=0, top=0.5), False, True)
        """
        best, wait, cooldown, top = memory
        is_top = self._improves(value, top, 0.0)
        top = value if is_top else top
        if cooldown:
            cooldown, wait = cooldown - 1, 0
        if self._improves(value, best, self.min_delta):
            return Memory(value, 0, cooldown, top), is_top, False
        if cooldown:
            return Memory(best, wait, cooldown, top), is_top, False
        wait += 1
        if wait >= self.patience and can_fall:
            return Memory(best, 0, self.cooldown, top), is_top, True
        return Memory(best, wait, 0, top), is_top, False

    def _improves(self, value, best, by):
        if not math.isfinite(value):
            return False
        return best is None or (value - best) * self.direction > by

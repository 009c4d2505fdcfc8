"""Learning-rate schedules that Keras lacks; any optimizer takes them, too."""

import math

import keras
from keras import ops

LearningRateSchedule = keras.optimizers.schedules.LearningRateSchedule


def _positive(owner, **values):
    """Refuse what is not above zero."""
    for name, value in values.items():
        if not (isinstance(value, (int, float)) and 0 < value < math.inf):
            raise ValueError(f"{owner} needs {name} > 0, received {value!r}.")


@keras.saving.register_keras_serializable("kerasmith")
class StepDecay(LearningRateSchedule):
    """Multiply the rate by a factor every so many steps.

    `initial * factor^floor(step / every)`

    Args:
        initial: The rate of the first step.
        every: Steps (or epochs) from one fall to the next.
        factor: What it is multiplied by.

    Raises:
        ValueError: If one of them is not above zero.

    Example:

    >>> schedule = StepDecay(1.0, every=10, factor=0.5)
    >>> [float(schedule(step)) for step in (0, 9, 10, 25)]
    [1.0, 1.0, 0.5, 0.25]
    """

    def __init__(self, initial, every, factor=0.1):
        _positive("StepDecay", initial=initial, every=every, factor=factor)
        self.initial, self.every, self.factor = initial, every, factor

    def __call__(self, step):
        falls = ops.floor(ops.cast(step, "float32") / self.every)
        return self.initial * ops.power(float(self.factor), falls)

    def get_config(self):
        return {"initial": self.initial, "every": self.every, "factor": self.factor}


@keras.saving.register_keras_serializable("kerasmith")
class OneCycle(LearningRateSchedule):
    """Rise to the peak, then fall far below the start, both along half a cosine.

    From `peak / start` up to `peak` over the first `rise` of the steps, then down to
    `peak / (start * end)`. The paper's cycle is of straight lines; the cosines are
    those of fastai and PyTorch.

    Args:
        peak: The highest rate.
        length: Number of steps; the rate stays at its end afterwards.
        rise: Share of the steps that go up, in (0, 1).
        start: How many times the peak is the first rate.
        end: How many times the first rate is the last.

    Raises:
        ValueError: If a value is not above zero, or `rise` not below 1.

    Example:

    >>> schedule = OneCycle(0.5, length=100)
    >>> [round(float(schedule(step)), 4) for step in (0, 30, 65, 100)]
    [0.02, 0.5, 0.25, 0.0]

    Reference:
        Smith & Topin, 2018, https://arxiv.org/abs/1708.07120
    """

    def __init__(self, peak, length, rise=0.3, start=25.0, end=1e4):
        _positive("OneCycle", peak=peak, length=length, rise=rise, start=start, end=end)
        if rise >= 1:
            raise ValueError(f"OneCycle needs rise < 1, received {rise}.")
        self.peak, self.length, self.rise = peak, length, rise
        self.start, self.end = start, end

    def __call__(self, step):
        share = ops.minimum(ops.cast(step, "float32") / self.length, 1.0)
        first = self.peak / self.start
        up = _half_cosine(first, self.peak, share / self.rise)
        fallen = (share - self.rise) / (1 - self.rise)
        down = _half_cosine(self.peak, first / self.end, fallen)
        return ops.where(share < self.rise, up, down)

    def get_config(self):
        names = ("peak", "length", "rise", "start", "end")
        return {name: getattr(self, name) for name in names}


def _half_cosine(begin, end, share):
    """Go from `begin` to `end` along half a cosine."""
    return end + (begin - end) * 0.5 * (1.0 + ops.cos(math.pi * share))


@keras.saving.register_keras_serializable("kerasmith")
class Noam(LearningRateSchedule):
    """Warm up in a straight line, then fall with the root of the step.

    `scale * width^-0.5 * min(step^-0.5, step * warmup^-1.5)`, the steps counted from
    1; the peak, at step `warmup`, is `scale * (width * warmup)^-0.5`.

    Args:
        width: Width of the model (512 in the paper).
        warmup: Steps of the rise.
        scale: Factor of it all.

    Raises:
        ValueError: If one of them is not above zero.

    Example:

    >>> rates = [float(Noam(512)(step)) for step in (0, 3999, 15999)]
    >>> [f"{rate:.3g}" for rate in rates]
    ['1.75e-07', '0.000699', '0.000349']

    Reference:
        Vaswani et al., 2017, https://arxiv.org/abs/1706.03762
    """

    def __init__(self, width, warmup=4000, scale=1.0):
        _positive("Noam", width=width, warmup=warmup, scale=scale)
        self.width, self.warmup, self.scale = width, warmup, scale

    def __call__(self, step):
        step = ops.cast(step, "float32") + 1.0
        height = self.scale * self.width**-0.5
        return height * ops.minimum(ops.rsqrt(step), step * self.warmup**-1.5)

    def get_config(self):
        return {"width": self.width, "warmup": self.warmup, "scale": self.scale}

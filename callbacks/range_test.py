"""Finding a learning rate by trying a range of them."""

import contextlib
import dataclasses
import itertools
import math

import numpy as np
from keras import ops

from . import batches, drawing, rate_hook, training_state
from .drawing import BLUE, GREY, ORANGE

# how many times its least value the mean of the last losses may be
DIVERGED, LAST = 4.0, 5


@dataclasses.dataclass(frozen=True)
class RangeTest:
    """What `find_learning_rate` saw.

    Attributes:
        rates: The rates tried, one an update, ascending.
        losses: The loss of each update's batch, before the update.
        smoothed: The losses smoothed.

    Example:

    >>> rates = [10.0**i for i in range(-5, 2)]
    >>> test = RangeTest.of(rates, [1.0, 1.0, 0.9, 0.5, 0.3, 0.6, 4.0])
    >>> test.steepest, test.tenth_of_minimum, test.suggestion == test.steepest
    (0.001, 0.01, True)
    """

    rates: tuple
    losses: tuple
    smoothed: tuple

    @classmethod
    def of(cls, rates, losses):
        """Make one of rates and losses.

        Args:
            rates: Sequence of rates.
            losses: Sequence of as many losses.

        Returns:
            `RangeTest`.

        Example: see `RangeTest`.
        """
        pairs = [
            (float(rate), float(loss))
            for rate, loss in zip(rates, losses, strict=True)
            if math.isfinite(loss)
        ]
        rates, losses = zip(*pairs, strict=True) if pairs else ((), ())
        return cls(rates, losses, tuple(smooth(losses)))

    @property
    def steepest(self):
        """Give the rate at which the smoothed loss falls most per factor of rate."""
        return self.rates[steepest(self.rates, self.smoothed)]

    @property
    def tenth_of_minimum(self):
        """Give a tenth of the rate at which the smoothed loss is least."""
        return self.rates[int(np.argmin(self.smoothed))] / 10

    @property
    def suggestion(self):
        """Give the rate to begin with: the smaller of the two.

        Of momentum, the few steps of the test show only a part.
        """
        return min(self.steepest, self.tenth_of_minimum)

    def plot(self, path=None):
        """Draw the losses over the rates.

        Args:
            path: Where to save the picture; nowhere if `None`.

        Returns:
            `matplotlib.figure.Figure`.
        """
        with drawing.figure((6.4, 3.6), path) as figure:
            axes = figure.subplots()
            axes.plot(self.rates, self.losses, color=GREY, label="loss of the batch")
            axes.plot(self.rates, self.smoothed, color=BLUE, label="smoothed")
            marks = {"steepest": self.steepest, "minimum / 10": self.tenth_of_minimum}
            for (name, rate), style in zip(marks.items(), ("-", ":"), strict=True):
                axes.axvline(rate, color=ORANGE, ls=style, label=f"{name}: {rate:.2g}")
            low, high = min(self.losses), max(self.losses[: len(self.losses) // 2 + 1])
            margin = 0.1 * (high - low) or 0.1
            axes.set_ylim(low - margin, high + 3 * margin)  # the end is off the top
            axes.set(xlabel="learning rate", ylabel="loss")
            drawing.logarithmic(axes, "x")
            axes.legend(fontsize="small")
        return figure


def smooth(values, reach=None):
    """Smooth by the mean of the values near by, equally many on both sides.

    A mean of the past alone, as is common, shifts the curve towards higher rates: by
    a factor of five with 100 rates from 1e-7 to 10 and a weight of 0.9.

    Args:
        values: Sequence of numbers.
        reach: How many on each side, fewer near the ends; a twentieth of all if
            `None`.

    Returns:
        List of as many numbers.

    Example:

    >>> smooth([0.0, 3.0, 0.0, 3.0, 9.0], 1)
    [0.0, 1.0, 2.0, 4.0, 9.0]
    """
    count = len(values)
    reach = max(1, count // 20) if reach is None else reach
    means = []
    for i in range(count):
        near = min(reach, i, count - 1 - i)
        means.append(float(np.mean(values[i - near : i + near + 1])))
    return means


def steepest(rates, losses):
    """Find where a loss falls most per factor of the rate, on its way to the least.

    The way begins where the loss has last been within a tenth of the fall from its
    first level, the mean of the first quarter: before, it is noise that falls.

    Args:
        rates: Ascending rates.
        losses: As many losses.

    Returns:
        Index.

    Raises:
        ValueError: If there are fewer than two, or none is below the first level.

    Example:

    >>> steepest([0.01, 0.1, 1.0, 10.0], [1.0, 0.9, 0.2, 7.0])
    1
    """
    least = int(np.argmin(losses)) if len(losses) else 0
    level = np.mean(losses[: least // 4 + 1]) if least else 0.0
    if least == 0 or losses[least] >= level:
        raise ValueError(
            "no rate of the range test lowered the loss: the model does not learn, or "
            "the lowest rate is too high already. Try a smaller `low`."
        )
    begun = losses[least] + 0.9 * (level - losses[least])
    begin = least - 1
    while begin > 0 and losses[begin] < begun:
        begin -= 1
    falls = np.diff(losses[begin : least + 1])
    return begin + int(np.argmin(falls / np.diff(np.log(rates[begin : least + 1]))))


def find_learning_rate(
    model, data, *, low=1e-7, high=10.0, steps=100, batch_size=32, seed=0
):
    """Try learning rates from low to high, one a step, and tell which lower the loss.

    The rate of step s is `low (high / low)^(s / (steps - 1))`. It ends when the loss
    is no number any more, or the mean of the last five four times its least.
    Afterwards the model, its optimizer, metrics and random generators are what they
    were, bit by bit, also where it was broken off.

    Args:
        model: A compiled model.
        data: Arrays `(x, y)` or `(x, y, sample_weight)`, taken in an order drawn by
            `seed`; a `tf.data.Dataset`, `keras.utils.PyDataset` or PyTorch loader,
            begun anew when it is at its end; a generator of batches; or a function
            without arguments that makes one.
        low: First rate.
        high: Last rate.
        steps: Number of rates.
        batch_size: Samples a step; only for arrays.
        seed: Seed of the order; only for arrays.

    Returns:
        `RangeTest` with `suggestion`, `rates`, `losses` and `plot(path)`.

    Raises:
        ValueError: If an argument is out of its range, the model not compiled, or
            there are no data.
        TypeError: If the data are nothing that gives batches with labels.

    Example:

    >>> import keras
    >>> keras.utils.set_random_seed(1)
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> x = np.random.default_rng(1).normal(size=(64, 2))
    >>> test = find_learning_rate(model, (x, x @ [[2.0], [-3.0]]), low=1e-4)
    >>> 0.01 < test.suggestion < 1
    True

    Reference:
        Smith, 2017, https://arxiv.org/abs/1506.01186
    """
    if not 0 < low < high < math.inf:
        raise ValueError(f"0 < low < high is needed, received {low} and {high}.")
    if steps < 3:
        raise ValueError(f"find_learning_rate needs steps >= 3, received {steps}.")
    if getattr(model, "optimizer", None) is None:
        raise ValueError("find_learning_rate needs a compiled model: compile it first.")
    feed = batches.forever(data, "find_learning_rate", batch_size, seed)
    first = next(feed)
    if not model.built:
        model(first[0], training=False)
    rate_hook.release(model)
    hook = rate_hook.RateHook(rate_hook.own_rate(model.optimizer))
    rates = np.geomspace(low, high, steps)
    with unchanged(model):
        rate_hook.take(model, hook)
        losses = _sweep(model, hook, itertools.chain([first], feed), rates)
    return RangeTest.of(rates[: len(losses)], losses)


def _sweep(model, hook, feed, rates):
    """Take the steps, until the loss has run away or the data is at its end."""
    losses = []
    micro_steps = rate_hook.micro_steps(model.optimizer)
    for rate in rates:
        hook.level.assign(rate)
        seen = [
            model.train_on_batch(*batch, return_dict=True)["loss"]
            for batch in itertools.islice(feed, micro_steps)
        ]
        if len(seen) < micro_steps:
            break
        losses.append(float(np.mean(seen)))
        if not math.isfinite(losses[-1]):
            break
        means = np.convolve(losses, np.ones(LAST) / LAST, "valid")
        if len(means) and means[-1] > DIVERGED * means.min() > 0:
            break
    return losses


@contextlib.contextmanager
def unchanged(model):
    """Bring a model back to what it was, whatever is done to it meanwhile.

    Weights, metrics, random generators and the optimizer with its count are copied
    to the host and put back bit by bit.

    Args:
        model: A compiled, built model.

    Yields:
        Nothing.

    Example:

    >>> import keras
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> before = model.get_weights()
    >>> with unchanged(model):
    ...     _ = model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)
    >>> [bool((a == b).all()) for a, b in zip(before, model.get_weights())]
    [True, True]
    """
    variables = [*training_state.variables_of(model), *model.metrics_variables]
    kept = [(v, np.array(ops.convert_to_numpy(v))) for v in variables]
    for variable, value in kept:
        # on JAX, weights that became their own average share its memory, which no
        # step can take over twice
        variable.assign(value)
    generators = training_state.random_states()
    stop_training = model.stop_training
    try:
        yield
    finally:
        rate_hook.release(model)
        for metric in model.metrics:  # those made meanwhile are not among the kept
            metric.reset_state()
        for variable, value in kept:
            variable.assign(value)
        training_state.set_random_states(generators)
        model.stop_training = stop_training

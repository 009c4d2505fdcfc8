"""Whether the gradients that training follows are those of the loss."""

import copy
import dataclasses
import inspect
from typing import Any

import keras
import numpy as np
from keras import ops

from ..layers import native
from .batches import first_batch, to_array
from .differences import noise, slope, step_for
from .double_precision import default_float, double_precision
from .gradient_report import GradientReport, WeightCheck, judge
from .rebuilding import compile_alike, rebuilt

DIRECTIONS = 5
# verdicts, the worse the later
ORDER = ("kinks", "zero", "great", "good", "coarse", "look again", "unclear", "wrong")


def check_gradients(
    model, data, *, entries=30, inputs=False, training=True, dropout=False, seed=0
):
    """Compare the gradients of a model or layer with slopes found by differences.

    For each weight `|numerical - automatic| / (|numerical| + |automatic|)` over a
    sample of its entries, and over five random directions in which all its entries
    move. Below 1e-7 is great, from 1e-5 on it is to be looked at, from 1e-3 on wrong.
    A copy in float64 is checked, with central differences; the model stays as it was.
    The loss includes what regularisation adds. Kinks, as of ReLU and max-pooling, are
    told apart: where the steps cross one they are narrowed, and entries right on one,
    where no slope is the right one, are left out and counted.

    Where the layers compute in float32 whatever their dtype, the differences are
    coarser: the report's `noise` tells, and steps are chosen by it. A gradient that is
    meant not to be the slope (a straight-through estimator) is reported as wrong.

    Args:
        model: A model or layer whose config tells all there is to build it. It is
            built by the data if it is not yet.
        data: For a compiled model a batch `(x, y)` or `(x, y, sample_weight)`, or
            batches of these, of which the first is taken. The loss is the compiled
            one. For a layer or a model that is not compiled its inputs, a tuple where
            it takes several arguments; the loss is a fixed random sum of its outputs.
            A few examples are enough.
        entries: Number of entries of each weight to check, half of them where the
            gradient is not zero. A weight with fewer is checked whole.
        inputs: Whether to check the inputs that are floats too.
        training: Whether the layers run as in training: batch normalisation with the
            statistics of the batch.
        dropout: Whether what is dropped or disturbed at random stays so, with the same
            draws each time. It is off otherwise.
        seed: Seed of the sampled entries and directions.

    Returns:
        `GradientReport`; `str` of it is a table, and `passed` tells whether all is
        well.

    Raises:
        ValueError: If there is nothing to check, the model cannot be built once more
            by its config, the loss is not finite, or it differs from one evaluation
            to the next.
        TypeError: If the model is no layer, or the data has another form.

    Example:

    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> model.compile("sgd", "mse")
    >>> draw = np.random.default_rng(0)
    >>> x, y = draw.normal(size=(4, 3)), draw.normal(size=(4, 2))
    >>> report = check_gradients(model, (x, y))
    >>> report.passed, [weight.verdict for weight in report.weights]
    (True, ['great', 'great'])

    Reference:
        Baydin et al., 2018, Automatic Differentiation in Machine Learning,
        https://arxiv.org/abs/1502.05767
    """
    if not isinstance(model, keras.layers.Layer):
        raise TypeError(
            "check_gradients needs a layer or a model of Keras, received "
            f"{type(model).__name__}."
        )
    if not isinstance(entries, int) or entries < 1:
        raise ValueError(f"check_gradients needs entries >= 1, received {entries!r}.")
    batch = _Batch.of(model, data)
    if not model.built:
        batch.call(model, False)
    without = () if dropout else ("dropout",)
    failure = None
    # some layers hold numbers in float32, others in Keras' default float, and
    # TensorFlow mixes neither with float64: try the one, then the other
    for floatx in ("float64", "float32"):
        with double_precision():
            try:
                batch = dataclasses.replace(batch, floatx=floatx)
                problem = _problem(model, batch, training, inputs, without)
                value, gradients = native.of("derivatives").compiled(problem[2])
                claimed = gradients(problem[1])
            except Exception as error:
                failure = failure or error
                continue
            return _compare(*problem[:2], value, claimed, entries, seed)
    raise failure or ValueError("check_gradients found no float to compute in.")


@dataclasses.dataclass(frozen=True)
class _Batch:
    """What a model is called with, and what its loss needs beside."""

    arguments: tuple
    y: object = None
    weight: object = None
    floatx: str = "float32"

    @classmethod
    def of(cls, model, data):
        if getattr(model, "compiled", False):
            x, *rest = first_batch(data, "check_gradients")
            parts = ((x,), *rest)
        else:
            parts = (data if isinstance(data, tuple) else (data,), None, None)
        return cls(*(keras.tree.map_structure(_widened, part) for part in parts))

    def call(self, layer, training, arguments=None):
        arguments = self.arguments if arguments is None else arguments
        takes = inspect.signature(layer.call).parameters
        options = {"training": training} if "training" in takes else {}
        arguments = keras.tree.map_structure(_to_tensor, arguments)
        with default_float(self.floatx):
            return layer(*arguments, **options)


def _widened(thing):
    if thing is None:
        return None
    array: Any = to_array(thing)
    return array.astype("float64") if _is_float(array) else array


def _is_float(array):
    # bfloat16 is no float of NumPy's
    return np.issubdtype(array.dtype, np.floating) or array.dtype.name == "bfloat16"


def _to_tensor(thing):
    return None if thing is None else ops.convert_to_tensor(thing)


def _problem(model, batch, training, inputs, without):
    """Give names, arrays, and the loss as a function of the arrays."""
    new = rebuilt(
        model,
        lambda layer: batch.call(layer, training),
        precision="float64",
        without=without,
    )
    loss = _loss_of(model, new, batch, training)
    weights = new.trainable_variables
    leaves = keras.tree.flatten(batch.arguments)
    floats = [i for i, leaf in enumerate(leaves) if inputs and _is_float(leaf)]
    names = [weight.path for weight in weights]
    names += (
        [f"inputs[{i}]" for i in floats]
        if len(leaves) > 1
        else ["inputs"] * len(floats)
    )
    if not names:
        raise ValueError(
            f"{model.name!r} has no trainable weights, so there is no gradient to "
            "check; pass inputs=True to check that of its inputs."
        )

    def function(tensors):
        given = [_to_tensor(leaf) for leaf in leaves]
        for i, tensor in zip(floats, tensors[len(weights) :], strict=True):
            given[i] = tensor
        held = list(zip(weights, tensors[: len(weights)], strict=True))
        # what is drawn in a scope moves no random state: each call draws the same
        with keras.StatelessScope(held, collect_losses=True):
            return loss(keras.tree.pack_sequence_as(batch.arguments, given))

    arrays = [np.array(ops.convert_to_numpy(weight), "float64") for weight in weights]
    return names, arrays + [leaves[i] for i in floats], function


def _loss_of(model, new, batch, training):
    """Give the loss as a function of the arguments of a call."""
    if getattr(model, "compiled", False):
        losses = keras.tree.map_structure(_loss_in_double, model.loss)
        compile_alike(model, new, loss=losses)
        takes = inspect.signature(new.compute_loss).parameters
        options = {"training": training} if "training" in takes else {}

        def compiled(arguments):
            y_pred = batch.call(new, training, arguments)
            y, weight = (
                keras.tree.map_structure(_to_tensor, part)
                for part in (batch.y, batch.weight)
            )
            return new.compute_loss(
                x=arguments[0], y=y, y_pred=y_pred, sample_weight=weight, **options
            )

        return compiled

    draw = np.random.default_rng(1)
    mixes = [
        draw.normal(size=output.shape)
        for output in keras.tree.flatten(batch.call(new, training))
    ]

    def projected(arguments):
        outputs = keras.tree.flatten(batch.call(new, training, arguments))
        sums = [
            ops.sum(ops.multiply(ops.cast(output, "float64"), _to_tensor(mix)))
            for output, mix in zip(outputs, mixes, strict=True)
        ]
        return sum(new.losses, sum(sums))

    return projected


def _loss_in_double(loss):
    """Give a loss that computes in float64; one by name does so when compiled."""
    if not isinstance(loss, keras.losses.Loss):
        return loss
    wider = copy.copy(loss)
    # its config may not tell all its arguments, so only what the base class holds
    keras.losses.Loss.__init__(wider, loss.name, loss.reduction, "float64")
    return wider


def _compare(names, arrays, value, claimed, entries, seed):
    here, again = value(arrays), value(arrays)
    if not np.isfinite(here) or abs(here - again) > 1e-9 * abs(here):
        raise ValueError(
            f"check_gradients needs a loss that is finite and repeats itself, found "
            f"{here} and then {again}. Where layers draw at random, draw through "
            "keras.random.SeedGenerator, or leave dropout=False."
        )
    draw = np.random.default_rng(seed)
    deviation = noise([_line(value, arrays, draw) for _ in range(5)])
    step = step_for(deviation, abs(here))
    checks = []
    claimed = [
        np.zeros(array.shape) if claim is None else np.asarray(claim, "float64")
        for array, claim in zip(arrays, claimed, strict=True)
    ]
    largest = max(float(np.max(np.abs(claim), initial=0)) for claim in claimed)
    for which, (name, claim) in enumerate(zip(names, claimed, strict=True)):
        scale = float(np.sqrt(np.mean(np.square(claim)))) if claim.size else 0.0

        def slope_along(direction, which=which, scale=scale):
            def along(distance):
                moved = [*arrays]
                moved[which] = arrays[which] + distance * direction
                return value(moved)

            return slope(along, step, deviation, scale)

        checks.append(_check(name, claim, largest, slope_along, entries, draw))
    return GradientReport(tuple(checks), deviation / max(abs(here), deviation))


def _line(value, arrays, draw):
    """Sample the loss at small equal distances along a random line."""
    directions = [
        (float(np.sqrt(np.mean(np.square(array)))) or 1.0)
        * draw.normal(size=array.shape)
        for array in arrays
    ]
    return [
        value([a + 3e-7 * k * d for a, d in zip(arrays, directions, strict=True)])
        for k in range(12)
    ]


def _check(name, claim, largest, slope_along, entries, draw):
    chosen = _choose(claim, entries, draw)
    slopes, claims = [], claim.ravel()[chosen]
    for index in chosen:
        one = np.zeros(claim.size)
        one[index] = 1
        slopes.append(slope_along(one.reshape(claim.shape)))
    error, counted, verdict = judge(slopes, claims, largest)
    apart = [
        abs(s.value - c) if use else -1.0
        for s, c, use in zip(slopes, claims, counted, strict=True)
    ]
    worst = int(np.argmax(apart)) if len(apart) else 0
    if len(chosen) < claim.size:
        ways = draw.normal(size=(DIRECTIONS, *claim.shape))
        # and one straight uphill, where the slope is largest beside its rounding
        ways = [way / np.linalg.norm(way) for way in [*ways, claim] if np.any(way)]
        sums = [float(np.sum(way * claim)) for way in ways]
        found, _, told = judge([slope_along(way) for way in ways], sums, largest)
        if ORDER.index(told) > ORDER.index(verdict):
            error, verdict = found, told
    at = bool(counted.any())
    return WeightCheck(
        path=name,
        shape=tuple(claim.shape),
        relative_error=error,
        worst=tuple(map(int, np.unravel_index(chosen[worst], claim.shape)))
        if at
        else None,
        numerical=slopes[worst].value if at else 0.0,
        automatic=float(claims[worst]) if at else 0.0,
        checked=len(chosen),
        kinks=int(np.sum(~counted)),
        verdict=verdict,
    )


def _choose(claim, entries, draw):
    """Choose entries: all of a small weight, else half where the gradient is not 0."""
    if claim.size <= entries:
        return np.arange(claim.size)
    alive = np.flatnonzero(claim)
    first = draw.permutation(alive)[: (entries + 1) // 2]
    rest = draw.choice(claim.size, entries, replace=False)
    return np.array(list(dict.fromkeys([*first, *rest]))[:entries])

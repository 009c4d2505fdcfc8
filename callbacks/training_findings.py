"""What the measurements of a training say is wrong, in sentences."""

import dataclasses
import math

import numpy as np

from .training_pictures import table, update_ratios


@dataclasses.dataclass(frozen=True)
class Limits:
    """From where on `TrainingMonitor.findings` speaks of a fault.

    Attributes:
        vanishing: Root mean square of a layer's gradient, as a share of that of the
            layer with the largest, the median over the samples. At 1e-4 the slowest
            layer of plain descent moves ten thousand times less than the fastest.
        exploding: Norm of the whole gradient in any sample. Clipping in published
            recipes is at norms of 0.25 to 10: 1000 is beyond every one of them.
        spike: Norm of the whole gradient in a sample, as a multiple of the median.
        small_update: Norm of an update over that of the weights, the median of a
            layer. float32 rounds at 6e-8: below 1e-6 an update loses its digits.
        large_update: The same, above; about 1e-3 is usual, at 0.1 ten steps could
            replace the weights.
        dead: Share of the units of a layer that are 0 for every sample.

    Example:

    >>> Limits(dead=0.9).dead
    0.9
    """

    vanishing: float = 1e-4
    exploding: float = 1e3
    spike: float = 100.0
    small_update: float = 1e-6
    large_update: float = 0.1
    dead: float = 0.5


def find(record, limits):
    """List what is wrong, the most serious first.

    Args:
        record: Dictionary of `layers` (names), `sizes` (numbers of weights),
            `samples`, `outputs` (names), `activations` and `trouble`, as
            `TrainingMonitor` keeps them.
        limits: `Limits`.

    Returns:
        List of sentences, empty where nothing was found.

    Example:

    >>> sample = {"gradient": [1e-9, 1], "weight": [1, 1], "update": [0.001, 0.3]}
    >>> record = {"layers": ["first", "last"], "sizes": [4, 4], "trouble": None}
    >>> record |= {"samples": [{"step": 0, **sample}], "outputs": [], "activations": []}
    >>> for sentence in find(record, Limits()):
    ...     sentence
    'vanishing gradient: first gets 1e-09 times the gradient of last (root mean...
    'large updates: a step changes last by 0.3 of its norm (the median...
    """
    # what was restored has no names before training goes on
    found = [_trouble(record["trouble"])] if record["trouble"] else []
    gradients = table(record, "gradient")
    if gradients.size and record["layers"]:
        steps = [sample["step"] for sample in record["samples"]]
        found += _exploding(gradients, steps, limits)
        found += _vanishing(gradients, record, limits)
        found += _updates(update_ratios(record), record["layers"], limits)
    return found + _dead(record, limits)


def _median(values):
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else math.nan


def _exploding(gradients, steps, limits):
    totals = np.sqrt(np.nansum(np.square(gradients), 1))
    # an infinite or undefined norm counts as larger than any
    totals = np.where(np.isfinite(totals), totals, np.inf)
    worst = int(np.argmax(totals))
    usual = _median(totals)
    if totals[worst] > limits.exploding:
        return [
            f"exploding gradient: its norm was {totals[worst]:.3g} at step "
            f"{steps[worst]} (limit {limits.exploding:g}). Lower the learning rate, "
            "clip the gradient, or check the initialisation and the scale of the data."
        ]
    if len(totals) > 2 and totals[worst] > limits.spike * usual > 0:
        return [
            f"spike of the gradient: its norm was {totals[worst]:.3g} at step "
            f"{steps[worst]}, {totals[worst] / usual:.3g} times the median. Clip it, "
            "or look at that batch."
        ]
    return []


def _vanishing(gradients, record, limits):
    means = gradients / np.sqrt(np.array(record["sizes"], "float64"))
    usual = np.array([_median(column) for column in means.T])
    if not np.isfinite(usual).any() or np.nanmax(usual) <= 0:
        return []
    largest = int(np.nanargmax(usual))
    weak = [i for i, v in enumerate(usual / usual[largest]) if v < limits.vanishing]
    if not weak:
        return []
    names = record["layers"]
    weakest = min(weak, key=lambda i: usual[i])
    return [
        f"vanishing gradient: {names[weakest]} gets "
        f"{usual[weakest] / usual[largest]:.2g} times the gradient of "
        f"{names[largest]} (root mean square of a weight, median over the samples; "
        f"limit {limits.vanishing:g}; {len(weak)} of {len(names)} layers below it). "
        "Try residual connections, normalisation, another activation or initialisation."
    ]


def _updates(ratios, names, limits):
    usual = [_median(column) for column in ratios.T]
    found = []
    large = [i for i, ratio in enumerate(usual) if ratio > limits.large_update]
    small = [i for i, ratio in enumerate(usual) if ratio < limits.small_update]
    if large:
        worst = max(large, key=lambda i: usual[i])
        found.append(
            f"large updates: a step changes {names[worst]} by {usual[worst]:.2g} of "
            f"its norm (the median; limit {limits.large_update:g}; {len(large)} of "
            f"{len(names)} layers beyond it). Lower the learning rate."
        )
    if small:
        worst = min(small, key=lambda i: usual[i])
        found.append(
            f"small updates: a step changes {names[worst]} by only {usual[worst]:.2g} "
            f"of its norm (the median; limit {limits.small_update:g}; {len(small)} of "
            f"{len(names)} layers below it). It hardly learns."
        )
    return found


def _dead(record, limits):
    found = []
    for row in record["activations"][-1:] if record["outputs"] else ():
        for name, share in zip(record["outputs"], row["dead"], strict=True):
            if share is not None and share > limits.dead:
                found.append(
                    f"dead units: {share:.0%} of the units of {name} gave 0 for every "
                    f"sample after epoch {row['epoch']} (limit {limits.dead:.0%}). "
                    "Lower the learning rate, check its biases, or take a leaky "
                    "activation."
                )
    return found


def _trouble(trouble):
    text = (
        f"the loss was not finite at batch {trouble['batch']} of epoch "
        f"{trouble['epoch']}"
    )
    if trouble["batches"] > 1:
        text += f" or one of the {trouble['batches'] - 1} before it"
    if trouble["samples"]:
        text += f"; samples {trouble['samples']} of its inputs are not finite"
    if trouble["layer"]:
        text += (
            f"; with the weights of step {trouble['step']} the first layer whose "
            f"output is not finite is {trouble['layer']}"
        )
    elif trouble["step"] is not None:
        text += (
            f"; with the weights of step {trouble['step']} the outputs of all layers "
            "are finite: it arose in the loss, or the weights went wrong since (a "
            "monitor with every=1 tells)"
        )
    if trouble["weights"]:
        text += (
            f"; by then weights were not finite in {trouble['weights'][0]}"
            f" ({len(trouble['weights'])} layers in all)"
        )
    return text + "."

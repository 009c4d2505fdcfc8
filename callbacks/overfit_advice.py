"""What usually is wrong with a network that cannot learn ten examples by heart."""

import dataclasses
import math

import keras
import numpy as np

from .label_kinds import name_of, takes_logits


@dataclasses.dataclass(frozen=True)
class Facts:
    """What was seen of a network that did not pass.

    Attributes:
        labels: Labels of the examples, as an array, or `None` if they are no array.
        kind: What `kind_of_labels` says of them.
        outputs: Outputs for the examples at the end, as an array, or `None`.
        again: The same from one more call.
        among: Output for the first example in its batch, as an array, or `None`.
        alone: The same in a batch of nothing but copies of it.
        linear: Whether the outputs were linear in the inputs before the training.
        inputs: Inputs of the examples, a structure of arrays, or `None`.
        loss: The compiled loss.
        weights: Paths of the weights that may be trained.
        unmoved: Paths of those that no step has changed.
        frozen: Names of layers whose weights may not be trained.

    Example:

    >>> Facts(weights=("dense/kernel",)).unmoved
    ()
    """

    labels: object = None
    kind: str | None = None
    outputs: object = None
    again: object = None
    among: object = None
    alone: object = None
    linear: bool = False
    inputs: object = None
    loss: object = None
    weights: tuple = ()
    unmoved: tuple = ()
    frozen: tuple = ()


def course(curve):
    """Say in a word how a loss went.

    Args:
        curve: The loss of each step.

    Returns:
        `"not finite"`, `"negative"`, `"rises"`, `"flat"`, `"falls slowly"` or
        `"stalls"`.

    Example:

    >>> course([1.0, 5.0, 20.0]), course([1.0] * 9), course([1.0] + [0.4] * 20)
    ('rises', 'flat', 'stalls')
    >>> course([1 / step for step in range(1, 30)]), course([1.0, float("nan")])
    ('falls slowly', 'not finite')
    """
    values = np.asarray(curve, "float64")
    if not np.all(np.isfinite(values)):
        return "not finite"
    if values.min() < 0:
        return "negative"
    tail = max(len(values) // 10, 1)
    first, last = values[0], float(np.median(values[-tail:]))
    # a rate that throws the weights far off at first can leave them where nothing moves
    leaps = len(values) > 9 and np.mean(values[1:] > 1.1 * values[:-1]) > 0.1
    if last > 1.05 * first or values.max() > 1.5 * first or leaps:
        return "rises"
    if last > 0.95 * first:
        return "flat"
    earlier = values[: -2 * tail][-tail:]
    falls = len(earlier) and last < 0.95 * float(np.median(earlier))
    return "falls slowly" if falls else "stalls"


COURSES = {
    "not finite": "The loss became infinite or no number: the learning rate is too "
    "high, or something divides by 0 or takes the logarithm of 0; look for such values "
    "in the data too.",
    "negative": "The loss fell below 0, where it cannot mean an error: its sign may be "
    "wrong.",
    "rises": "The loss rises, now and then at least: the learning rate is too high, "
    "often by a factor of ten or more, or the sign of the loss or of a gradient is "
    "wrong.",
    "flat": "The loss does not fall at all: no right gradient reaches the weights "
    "(check_gradients looks), the labels do not belong to the inputs, or the learning "
    "rate is far too low.",
    "falls slowly": "The loss still falls: take more steps, or a higher learning rate.",
    "stalls": "The loss falls and then stalls: try another learning rate, first a "
    "third of this one; if that changes nothing, the network has too few units, or "
    "what it needs does not come through to its output.",
}


def advise(curve, facts):
    """Say what usually is wrong, the surest first.

    Args:
        curve: The loss of each step.
        facts: `Facts`.

    Returns:
        List of sentences.

    Example:

    >>> advise([2.0, 2.0, 2.0], Facts())
    ['No weight of the model may be trained: set trainable=True ...']
    >>> advise([2.0, 8.0, 90.0], Facts(weights=("dense/kernel",)))
    ['The loss rises, now and then at least: the learning rate is too high, ...']
    """
    if not facts.weights:
        return [
            "No weight of the model may be trained: set trainable=True on its layers "
            "before compiling."
        ]
    found, sure = [], [*_about_examples(facts)]
    if facts.outputs is not None and np.all(np.isfinite(facts.outputs)):
        sure += _about_probabilities(facts)
        found += _about_outputs(facts)
    weights = [*_about_weights(facts)]
    # outputs that cannot change explain why no weight moves, but not why some do not
    everything = len(facts.unmoved) == len(facts.weights)
    found = [*found, *weights] if everything else [*weights, *found]
    found += _about_labels(facts)
    if is_mixed(facts) and curve[-1] < 0.5 * curve[0]:
        return [*sure, *found]  # the loss went as it should
    seen = course(curve)
    if seen in ("not finite", "rises", "negative"):
        return [*sure, COURSES[seen], *found]
    return [*sure, *found, COURSES[seen]]


def is_mixed(facts):
    """Tell whether the output for an example depends on the others in its batch.

    Args:
        facts: `Facts`.

    Returns:
        Boolean.

    Example:

    >>> is_mixed(Facts(among=np.array([1.0, 2.0]), alone=np.array([2.0, 1.0])))
    True
    """
    if facts.among is None or facts.alone is None or _is_random(facts):
        return False
    apart = np.max(np.abs(facts.among - facts.alone), initial=0)
    return bool(apart > 0.01 * np.max(np.abs(facts.among), initial=0))


def _about_examples(facts):
    if is_mixed(facts):
        yield (
            "The output for an example depends on the others in its batch: look for a "
            "reshape, a softmax, a mean or a shuffle along the wrong axis."
        )
    if _contradict(facts):
        yield (
            "Two examples have the same inputs but different labels, so that nothing "
            "can learn both: do the labels belong to the inputs?"
        )
    if facts.linear:
        yield (
            "The outputs are linear in the inputs, however many layers there are: an "
            "activation is missing between them, if that is not meant so."
        )


def _contradict(facts):
    parts = [np.asarray(part) for part in keras.tree.flatten(facts.inputs)]
    if not isinstance(facts.labels, np.ndarray) or facts.inputs is None:
        return False
    rows = [tuple(part[i].tobytes() for part in parts) for i in range(len(parts[0]))]
    kinds = {(row, facts.labels[i].tobytes()) for i, row in enumerate(rows)}
    return len(kinds) > len(set(rows))


def is_linear(at, halfway):
    """Tell whether outputs are linear in the inputs, whatever softmax comes last.

    Args:
        at: Outputs for a batch of examples, as an array.
        halfway: Outputs for the means of the examples and the same ones backwards.

    Returns:
        Boolean.

    Example:

    >>> x = np.array([[0.0], [1.0], [3.0]])
    >>> is_linear(2 * x, x + x[::-1]), is_linear(x**2, (x + x[::-1]) ** 2 / 4)
    (True, False)
    """
    if len(at) < 2 or at.ndim < 2 or not (np.all(np.isfinite(at))):
        return False
    if at.min() > 0 and np.allclose(at.sum(-1), 1, atol=1e-3):  # undo the softmax
        at, halfway = (np.log(np.maximum(one, 1e-30)) for one in (at, halfway))
        at, halfway = (o - o.mean(-1, keepdims=True) for o in (at, halfway))
    size = np.max(np.ptp(at, axis=0))
    apart = np.max(np.abs(halfway - (at + at[::-1]) / 2))
    return bool(size > 1e-5 * np.max(np.abs(at)) and apart <= 1e-3 * size)


def _about_weights(facts):
    if len(facts.unmoved) == len(facts.weights):
        yield (
            "No step changed any weight: no gradient reaches them (stop_gradient, "
            "argmax, rounding or NumPy on the way?), or the learning rate is 0."
        )
    elif facts.unmoved:
        yield (
            f"No step changed {_list(facts.unmoved)}: no gradient comes there "
            "(stop_gradient, argmax or rounding on the way, or units that are always "
            "off?)."
        )
    if facts.frozen:
        yield (
            f"The weights of {_list(facts.frozen)} may not be trained: set "
            "trainable=True there, if that is not meant so."
        )


def _about_labels(facts):
    if facts.kind and len(np.unique(facts.labels, axis=0)) == 1:
        yield "All the examples have the same label: shuffle the data first."


def _about_outputs(facts):
    outputs = facts.outputs
    if _is_random(facts):
        yield (
            "The outputs differ from one call to the next on the same inputs: "
            "something in the model draws or shuffles at random."
        )
    elif len(outputs) > 1 and np.max(np.ptp(outputs, axis=0)) <= _scale(outputs):
        yield (
            "The output is the same for all examples, so it does not depend on the "
            "input: look for a dead activation, a saturated one, or inputs that are "
            "not passed on."
        )


def _is_random(facts):
    if facts.outputs is None or facts.again is None:
        return False
    apart = np.max(np.abs(facts.outputs - facts.again))
    return bool(apart > 10 * _scale(facts.outputs))


def _scale(outputs):
    return 1e-6 * (1 + float(np.max(np.abs(outputs))))


def _about_probabilities(facts):
    name, outputs = name_of(facts.loss), facts.outputs
    if facts.kind is None or "crossentropy" not in name:
        return
    if (
        takes_logits(facts.loss)
        and outputs.max() > outputs.min() == 0
        and np.mean(outputs == 0) > 0.1
    ):
        yield (
            "Many outputs are 0 and none is below: take the ReLU behind the last layer "
            "away."
        )
    if facts.kind == "binary":
        yield from _about_one_probability(outputs, takes_logits(facts.loss))
        return
    sums_to_one = np.allclose(outputs.sum(-1), 1, atol=1e-3) and outputs.min() >= 0
    if not sums_to_one and not takes_logits(facts.loss):
        yield (
            "The outputs are no probabilities, but the loss takes them for such: pass "
            "from_logits=True to it, or end the model in a softmax."
        )
    if sums_to_one and takes_logits(facts.loss):
        yield (
            "Softmax is applied twice: the outputs are probabilities already, and the "
            "loss, with from_logits=True, takes a softmax of them."
        )
    # the softmax of probabilities lies between these, whatever they are
    most = math.e / (math.e + outputs.shape[-1] - 1)
    least = 1 / (math.e + outputs.shape[-1] - 1)
    within = least - 1e-4 <= outputs.min() and outputs.max() <= most + 1e-4
    if sums_to_one and not takes_logits(facts.loss) and within:
        yield (
            f"Softmax may be applied twice: no probability exceeds {most:.2f}, the "
            "most that a softmax of probabilities can give. Take one of the two away."
        )


def _about_one_probability(outputs, from_logits):
    if np.all(outputs == 1):
        yield (
            "All outputs are 1: a softmax over a single unit is always 1; end the "
            "model in a sigmoid."
        )
    elif not from_logits and (outputs.min() < 0 or outputs.max() > 1):
        yield (
            "The outputs are no probabilities, but the loss takes them for such: pass "
            "from_logits=True to it, or end the model in a sigmoid."
        )


def _list(names):
    shown = ", ".join(names[:4])
    return shown if len(names) <= 4 else f"{shown} and {len(names) - 4} more"

"""What usually is wrong with a network that cannot learn ten examples by heart."""

import dataclasses
import math

import keras
import numpy as np


@dataclasses.dataclass(frozen=True)
class Facts:
    """What was seen of a network that did not pass.

    Attributes:
        labels: Labels of the examples, as an array, or `None` if they are no array.
        kind: What `kind_of_labels` says of them.
        outputs: Outputs for the examples at the end, as an array, or `None`.
        again: The same from one more call.
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
    loss: object = None
    weights: tuple = ()
    unmoved: tuple = ()
    frozen: tuple = ()


def kind_of_labels(labels, outputs, loss):
    """Tell what kind of classification it is.

    Args:
        labels: Array.
        outputs: Array of what the model gives for them.
        loss: The compiled loss.

    Returns:
        `"sparse"` for class numbers, `"one-hot"`, `"binary"`, or `None` if it is no
        classification, or one of many outputs.

    Example:

    >>> kind_of_labels(np.array([2, 0]), np.ones((2, 3)), "loss")
    'sparse'
    >>> kind_of_labels(np.array([0.5, 1.5]), np.ones((2, 1)), "mse") is None
    True
    """
    if not isinstance(labels, np.ndarray) or not isinstance(outputs, np.ndarray):
        return None
    classes = outputs.shape[-1] if outputs.ndim > 1 else 1
    whole = np.all(np.equal(np.mod(labels, 1), 0))
    if classes == 1:
        binary = whole and set(np.unique(labels)) <= {0, 1}
        return "binary" if binary and "binary" in _name(loss) else None
    if labels.shape == outputs.shape:
        one_hot = whole and np.all(labels >= 0) and np.all(labels.sum(-1) == 1)
        return "one-hot" if one_hot else None
    leading = (outputs.shape[:-1], (*outputs.shape[:-1], 1))
    return "sparse" if whole and labels.shape in leading else None


def accuracy(labels, outputs, kind):
    """Give the share of right answers.

    Args:
        labels: Array.
        outputs: Array of probabilities or logits.
        kind: What `kind_of_labels` says.

    Returns:
        Float, `None` if it is no classification.

    Example:

    >>> accuracy(np.array([1, 0]), np.array([[0.2, 0.8], [0.1, 0.9]]), "sparse")
    0.5
    """
    if kind is None:
        return None
    if kind == "binary":
        is_logit = np.any((outputs < 0) | (outputs > 1))
        answers = outputs.ravel() > (0 if is_logit else 0.5)
        return float(np.mean(answers == (labels.ravel() > 0.5)))
    truth = labels.argmax(-1) if kind == "one-hot" else labels.ravel()
    return float(np.mean(outputs.argmax(-1).ravel() == truth.ravel()))


def constant_loss(labels, kind, loss):
    """Give the cross-entropy of the best answer that is the same for all examples.

    Args:
        labels: Array.
        kind: What `kind_of_labels` says.
        loss: The compiled loss.

    Returns:
        The entropy of the labels in nats, 0 if the loss is no cross-entropy.

    Example:

    >>> round(constant_loss(np.array([0, 1]), "sparse", "crossentropy"), 3)
    0.693
    """
    if kind is None or "crossentropy" not in _name(loss):
        return 0.0
    numbers = labels.argmax(-1) if kind == "one-hot" else labels
    _, counts = np.unique(numbers, return_counts=True)
    shares = counts / counts.sum()
    return float(-np.sum(shares * np.log(shares)))


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
    if last > 1.05 * first or values.max() > 10 * first:
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
    "rises": "The loss rises: the learning rate is too high, by a factor of ten or "
    "more, or the sign of the loss or of a gradient is wrong.",
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
    ['The loss rises: the learning rate is too high, ...']
    """
    if not facts.weights:
        return [
            "No weight of the model may be trained: set trainable=True on its layers "
            "before compiling."
        ]
    found = []
    if facts.outputs is not None and np.all(np.isfinite(facts.outputs)):
        found += [*_about_outputs(facts), *_about_probabilities(facts)]
    found += [*_about_weights(facts), *_about_labels(facts)]
    seen = course(curve)
    if seen in ("not finite", "rises", "negative"):
        return [COURSES[seen], *found]
    return [*found, COURSES[seen]]


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
    scale = 1e-6 * (1 + float(np.max(np.abs(outputs))))
    if facts.again is not None and np.max(np.abs(outputs - facts.again)) > 10 * scale:
        yield (
            "The outputs differ from one call to the next on the same inputs: "
            "something in the model draws or shuffles at random."
        )
    elif len(outputs) > 1 and np.max(np.ptp(outputs, axis=0)) <= scale:
        yield (
            "The output is the same for all examples, so it does not depend on the "
            "input: look for a dead activation, a saturated one, or inputs that are "
            "not passed on."
        )


def _about_probabilities(facts):
    name, outputs = _name(facts.loss), facts.outputs
    if facts.kind not in ("sparse", "one-hot") or "crossentropy" not in name:
        return
    sums_to_one = np.allclose(outputs.sum(-1), 1, atol=1e-3) and outputs.min() >= 0
    if not sums_to_one and not _from_logits(facts.loss):
        yield (
            "The outputs are no probabilities, but the loss takes them for such: pass "
            "from_logits=True to it, or end the model in a softmax."
        )
    if sums_to_one and _from_logits(facts.loss):
        yield (
            "Softmax is applied twice: the outputs are probabilities already, and the "
            "loss, with from_logits=True, takes a softmax of them."
        )
    # the softmax of probabilities lies between these, whatever they are
    most = math.e / (math.e + outputs.shape[-1] - 1)
    least = 1 / (math.e + outputs.shape[-1] - 1)
    within = least - 1e-4 <= outputs.min() and outputs.max() <= most + 1e-4
    if sums_to_one and not _from_logits(facts.loss) and within:
        yield (
            f"Softmax may be applied twice: no probability exceeds {most:.2f}, the "
            "most that a softmax of probabilities can give. Take one of the two away."
        )


def _name(loss):
    """Give the name of a loss in small letters and without spaces."""
    name = loss if isinstance(loss, str) else getattr(loss, "__name__", None)
    return str(name or type(loss).__name__).lower().replace("_", "")


def _from_logits(loss):
    config = loss.get_config() if isinstance(loss, keras.losses.Loss) else {}
    return bool(config.get("from_logits", False))


def _list(names):
    shown = ", ".join(names[:4])
    return shown if len(names) <= 4 else f"{shown} and {len(names) - 4} more"

"""What labels and a loss say about a classifier."""

import keras
import numpy as np


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
        return "binary" if binary and "binary" in name_of(loss) else None
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
    if kind is None or "crossentropy" not in name_of(loss):
        return 0.0
    numbers = labels.argmax(-1) if kind == "one-hot" else labels
    _, counts = np.unique(numbers, return_counts=True)
    shares = counts / counts.sum()
    return float(-np.sum(shares * np.log(shares)))


def name_of(loss):
    """Give the name of a loss in small letters and without underscores.

    Args:
        loss: Name, function or `keras.losses.Loss`.

    Returns:
        String.

    Example:

    >>> name_of(keras.losses.BinaryCrossentropy())
    'binarycrossentropy'
    """
    name = loss if isinstance(loss, str) else getattr(loss, "__name__", None)
    return str(name or type(loss).__name__).lower().replace("_", "")


def takes_logits(loss):
    """Tell whether a loss takes logits, not probabilities.

    Args:
        loss: Name, function or `keras.losses.Loss`.

    Returns:
        Boolean.

    Example:

    >>> takes_logits("binary_crossentropy")
    False
    """
    config = loss.get_config() if isinstance(loss, keras.losses.Loss) else {}
    return bool(config.get("from_logits", False))

"""What recipes name by text: optimizers, when to stop, how gradients are clipped."""

import keras

from ...callbacks import (
    GeneralizationLoss,
    GradientClipping,
    Patience,
    ProgressQuotient,
    UpSuccessive,
)
from ..choices import choose

# the numbers that follow the name, in their order, are whole or not
CRITERIA = {
    "patience": (Patience, (int,)),
    "generalization_loss": (GeneralizationLoss, (float,)),
    "progress_quotient": (ProgressQuotient, (float, int)),
    "up_successive": (UpSuccessive, (int, int)),
}
CLIPPINGS = ("value", "norm", "global_norm", "adaptive", "percentile")


def stopping_criterion(text):
    """Make the criterion that text names.

    Args:
        text: `"patience:5"`, `"generalization_loss:5"`, `"progress_quotient:0.5"`,
            `"up_successive:3"`: names and numbers of `kerasmith.callbacks`; `None` or
            `"none"` for none.

    Returns:
        `kerasmith.callbacks.Criterion`, or `None`.

    Raises:
        ValueError: If the text names nothing, or its numbers cannot be right.

    Example:

    >>> stopping_criterion("patience:5").epochs
    5
    """
    if text in (None, "none"):
        return None
    name, _, numbers = _text("stopping", text).partition(":")
    make, kinds = choose("stopping criterion", name, CRITERIA)
    texts = [each for each in numbers.split(",") if each]
    if len(texts) > len(kinds):
        raise ValueError(f"stopping={text!r}: {name} takes {len(kinds)} numbers.")
    told = zip(kinds, texts, strict=False)
    return make(*(_number("stopping", text, kind, each) for kind, each in told))


def gradient_clipping(text):
    """Make the callback that text names.

    Args:
        text: A rule of `kerasmith.callbacks.GradientClipping` and its threshold, such
            as `"global_norm:1.0"` or `"adaptive"`; `None` or `"none"` for none.

    Returns:
        `GradientClipping`, or `None`.

    Raises:
        ValueError: If the text names nothing, or the threshold cannot be right.

    Example:

    >>> gradient_clipping("global_norm:0.5").by
    'global_norm'
    """
    if text in (None, "none"):
        return None
    name, _, number = _text("clipping", text).partition(":")
    choose("rule of clipping", name, CLIPPINGS)
    threshold = _number("clipping", text, float, number) if number else None
    return GradientClipping(threshold, by=name)


def optimizers():
    """Name the optimizers that Keras has.

    Returns:
        List of names as Keras looks them up.

    Example:

    >>> "adam" in optimizers()
    True
    """
    found = (getattr(keras.optimizers, name) for name in dir(keras.optimizers))
    base = keras.optimizers.Optimizer
    return sorted(
        kind.__name__.lower()
        for kind in found
        if isinstance(kind, type) and issubclass(kind, base) and kind is not base
        if kind is not keras.optimizers.LossScaleOptimizer
    )


def _text(field, text):
    if not isinstance(text, str):
        raise ValueError(f"{field} needs text such as 'name:1', received {text!r}.")
    return text


def _number(field, text, kind, each):
    try:
        number = float(each)
    except ValueError:
        raise ValueError(f"{field}={text!r}: {each!r} is no number.") from None
    return int(number) if kind is int and number.is_integer() else number

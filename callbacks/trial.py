"""Changing a trained model, and taking it back where it did harm."""

import math

import keras
from keras import ops


def is_kept(before, after):
    """Tell whether a change is kept by the losses before and after it.

    Args:
        before: Loss before; one that is not finite is worse than any.
        after: Loss after. Where both are equal, the change is kept.

    Returns:
        Boolean.

    Example:

    >>> is_kept(0.5, 0.4), is_kept(0.5, 0.6), is_kept(0.5, math.nan)
    (True, False, False)
    """
    return math.isfinite(after) and not before < after


def check(validation, keep, choices, asker):
    """Refuse validation data that can be read only once, and an unknown choice.

    Args:
        validation: Data to evaluate on, or `None`.
        keep: The choice.
        choices: Those there are.
        asker: Name of who asks, for the message.

    Raises:
        TypeError: If the validation data are a generator.
        ValueError: If the choice is unknown.

    Example:

    >>> check(None, "best", ("better", "exact"), "PreciseBatchNorm")
    Traceback (most recent call last):
    ValueError: PreciseBatchNorm received keep='best'; choose 'better' or 'exact'.
    """
    if keep not in choices:
        names = " or ".join(map(repr, choices))
        raise ValueError(f"{asker} received keep={keep!r}; choose {names}.")
    if hasattr(validation, "__next__"):
        raise TypeError(
            f"{asker} evaluates on the validation data twice, received a generator: "
            "pass arrays as a tuple (x, y), a tf.data.Dataset or a PyDataset."
        )


def attempt(model, change, variables, validation=None, *, always=False):
    """Change a model, evaluate it before and after, and keep the better.

    Without validation data the change is kept. Where something breaks it off, it is
    taken back.

    Args:
        model: Compiled model.
        change: Function without arguments that changes the variables.
        variables: What it changes.
        validation: Data for `evaluate`, or `None`.
        always: Whether the change is kept whatever the losses.

    Returns:
        Whether it was kept, and the losses before and after or `None`.

    Example:

    >>> import numpy as np
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile(loss="mse")
    >>> validation = np.ones((2, 1)), np.ones((2, 1))
    >>> def harm():
    ...     model.layers[0].bias.assign([100.0])
    >>> attempt(model, harm, model.weights, validation)[0]
    False
    >>> ops.convert_to_numpy(model.layers[0].bias).tolist()
    [0.0]
    """
    before = [ops.copy(ops.convert_to_tensor(v)) for v in variables]
    try:
        losses = None if validation is None else [_loss(model, validation)]
        change()
        if losses is None:
            return True, None
        losses.append(_loss(model, validation))
        if always or is_kept(*losses):
            return True, tuple(losses)
    except BaseException:
        _put_back(variables, before)
        raise
    _put_back(variables, before)
    return False, tuple(losses)


def describe(names, kept, losses):
    """Say in a line what came of an attempt.

    Args:
        names: What the state before and the one after are called.
        kept: Whether the change was kept.
        losses: The losses before and after, or `None`.

    Returns:
        Text.

    Example:

    >>> describe(("moving statistics", "exact statistics"), True, (0.5, 0.25))
    'validation loss 0.5 with moving statistics, 0.25 with exact statistics: kept ...'
    """
    chosen = names[bool(kept)]
    if losses is None:
        return f"kept {chosen}"
    pairs = zip(losses, names, strict=True)
    values = [f"{loss:.4g} with {name}" for loss, name in pairs]
    return f"validation loss {', '.join(values)}: kept {chosen}"


def _loss(model, validation):
    if isinstance(validation, tuple):
        x, y, weights = keras.utils.unpack_x_y_sample_weight(validation)
        data = {"x": x, "y": y, "sample_weight": weights}
    else:
        data = {"x": validation}
    try:
        return float(model.evaluate(**data, verbose=0, return_dict=True)["loss"])
    except BaseException:
        # JAX holds the weights elsewhere while it evaluates
        getattr(model, "jax_state_sync", int)()
        raise


def _put_back(variables, values):
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)

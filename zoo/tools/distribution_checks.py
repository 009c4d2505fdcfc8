"""What cannot be trained on several devices, and why."""

import keras

from .. import registry

KINDS = ("mirrored", "multiworker")
_CLIPS = (
    "Keras clips the share of each replica. Leave it out, and clip by the callback "
    "kerasmith.callbacks.GradientClipping"
)
_PER_REPLICA = {
    "clipvalue": _CLIPS,
    "clipnorm": _CLIPS,
    "global_clipnorm": _CLIPS,
    "gradient_accumulation_steps": "Keras fails there. Leave it out, or train on JAX",
}


def check(kind, devices, recipe):
    """Refuse a distribution that cannot be, before anything is opened.

    Args:
        kind: As for `distributing`.
        devices: Likewise.
        recipe: Likewise.

    Raises:
        ValueError: If there is no such distribution, the backend has none, or the
            recipe cannot be trained so.

    Example:

    >>> check("cluster", None, None)
    Traceback (most recent call last):
    ValueError: distribute takes 'mirrored' or 'multiworker', received 'cluster'.
    """
    if kind is not None and kind not in KINDS:
        raise ValueError(
            f"distribute takes {' or '.join(map(repr, KINDS))}, received {kind!r}."
        )
    if devices is not None and kind != "mirrored":
        raise ValueError(
            f"devices={devices!r} counts those of one machine: it goes with "
            "distribute='mirrored'."
        )
    if devices is not None and (type(devices) is not int or devices < 2):
        raise ValueError(f"devices needs to be 2, 3, ..., received {devices!r}.")
    if kind is None:
        return
    if keras.config.backend() not in ("tensorflow", "jax"):
        raise ValueError(
            f"training on several devices is there on the backends tensorflow and jax, "
            f"not on {keras.config.backend()}: set KERAS_BACKEND to one of these."
        )
    if recipe is not None:
        _check_recipe(recipe)


def _check_recipe(recipe):
    if keras.config.backend() != "tensorflow":
        return
    task = registry.variant(recipe.model).task
    if task in ("similarity", "translation"):
        reason = {
            "similarity": "its loss compares the examples of a whole batch",
            "translation": "its loss is a mean over tokens, not over examples",
        }[task]
        raise ValueError(
            f"{recipe.name} cannot be divided among replicas of TensorFlow: {reason}. "
            "Train it on JAX, or on one device."
        )
    for name in _PER_REPLICA:
        if recipe.optimizer_options.get(name):
            raise ValueError(
                f"the optimizer option {name} does not act on replicas of TensorFlow "
                f"as on one device: {_PER_REPLICA[name]}."
            )
    if recipe.steps_per_execution not in (None, 1):
        raise ValueError(
            f"steps_per_execution={recipe.steps_per_execution} is not there on "
            "replicas of TensorFlow: leave it out, or train on JAX."
        )

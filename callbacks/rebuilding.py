"""A second model of the same kind and weights, to try things on."""

import types

import keras
import numpy as np
from keras import ops

FLOATS = ("float16", "bfloat16", "float32", "float64")
MIXED = ("mixed_float16", "mixed_bfloat16")
# what layers call the strength of what they draw; any name with "dropout" counts too
RATES = ("rate", "hidden_rate", "cell_rate", "stddev", "strength")
# and numbers that mean this in one class alone
NUMBERS_OF = {
    "ActivityRegularization": ("regularization", ("l1", "l2")),
    "Whiteout": ("dropout", ("variance", "extra")),
}


def rebuilt(layer, call, *, precision=None, without=()):
    """Build a layer or model once more by its config, with the same weights.

    Args:
        layer: A layer or a model, built.
        call: Function of a layer that calls it on some data, to build the new one.
        precision: Dtype of the weights and computations of the new one, such as
            `"float64"`; as they were if `None`.
        without: What the new one does without: `"dropout"`, for all that is dropped or
            disturbed at random, or `"regularization"`, for penalties on weights and
            activities.

    Returns:
        The new layer, not compiled. The old one is left as it was.

    Raises:
        ValueError: If it cannot be built by its config, or other weights come of it.

    Example:

    >>> import numpy as np
    >>> layer = keras.layers.Dense(2)
    >>> layer.build((None, 3))
    >>> copy = rebuilt(layer, lambda copy: copy(np.ones((1, 3))), precision="float64")
    >>> copy.kernel.dtype, layer.kernel.dtype
    ('float64', 'float32')
    """
    try:
        config = keras.saving.serialize_keras_object(layer)
        if precision:
            config = rewritten(config, lambda *at: _in_precision(precision, *at))
        for what in without:
            config = rewritten(config, lambda *at, what=what: _quiet(what, *at))
        with keras.saving.CustomObjectScope(own_objects(layer)):
            new = keras.saving.deserialize_keras_object(config, safe_mode=False)
        call(new)
    except Exception as error:
        raise ValueError(
            f"{layer.name!r} ({type(layer).__name__}) cannot be built once more by its "
            f"config, which this needs: {type(error).__name__}: {error}\nGive its "
            "class a get_config that tells every argument of its constructor, or pass "
            "the layers inside it one by one."
        ) from error
    _copy_variables(layer, new, "dropout" in without)
    return new


def rewritten(config, change, owner=None):
    """Pass every entry of a nested config through a function.

    Configs of initialisers are left alone, those of a compilation left out.

    Args:
        config: What `serialize_keras_object` gives.
        change: Function of the name of the class that an entry belongs to, its key and
            its value; gives the new value.
        owner: Name of the class that the outermost entries belong to.

    Returns:
        The new config.

    Example:

    >>> config = {"class_name": "Dropout", "config": {"rate": 0.5, "seed": 3}}
    >>> rewritten(config, lambda owner, key, value: 0 if key == "rate" else value)
    {'class_name': 'Dropout', 'config': {'rate': 0, 'seed': 3}}
    """
    if isinstance(config, dict):
        if str(config.get("module")).endswith("initializers"):
            return config
        owner = config.get("class_name", owner)
        return {
            key: rewritten(change(owner, key, value), change, owner)
            for key, value in config.items()
            if key != "compile_config"
        }
    if isinstance(config, list | tuple):
        return type(config)(rewritten(one, change, owner) for one in config)
    return config


def _in_precision(precision, owner, key, value):
    named = key == "dtype" or (owner == "DTypePolicy" and key == "name")
    return precision if named and value in (*FLOATS, *MIXED) else value


def _quiet(what, owner, key, value):
    is_number = isinstance(value, float | int) and not isinstance(value, bool)
    kind, names = NUMBERS_OF.get(owner, (None, ()))
    if kind == what and key in names:
        return 0.0
    if what == "regularization" and key.endswith("_regularizer"):
        return 0.0 if is_number else None
    if what == "dropout" and is_number and (key in RATES or "dropout" in key):
        return 0.0
    return value


def own_objects(layer):
    """Map the names of classes and functions in a layer that are not Keras' own.

    Args:
        layer: Layer, model or optimizer.

    Returns:
        Dictionary, as `keras.saving.CustomObjectScope` takes it.

    Example:

    >>> own_objects(keras.layers.Dense(2, activation="relu"))
    {}
    """
    found, seen, waiting = {}, set(), [layer]
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, dict):
            waiting += thing.values()
        elif isinstance(thing, list | tuple | set):
            waiting += thing
        elif isinstance(thing, types.FunctionType):
            if not thing.__module__.startswith("keras."):
                found[thing.__name__] = thing
        elif hasattr(thing, "get_config") and not isinstance(thing, type):
            if not type(thing).__module__.startswith("keras."):
                found[type(thing).__name__] = type(thing)
            waiting += vars(thing).values()
    return found


def compile_alike(model, new, **options):
    """Compile a model with the loss weights of another, and with what is given.

    Args:
        model: The other model, compiled.
        new: The model to compile.
        **options: Arguments of `compile`.

    Raises:
        ValueError: If the model's class has a `compile` of its own.

    Example:

    >>> model, new = (keras.Sequential([keras.layers.Dense(1)]) for _ in range(2))
    >>> model.compile("sgd", "mse")
    >>> compile_alike(model, new, loss=model.loss)
    >>> new.loss
    'mse'
    """
    if type(model).compile is not keras.Model.compile:
        raise ValueError(
            f"{type(model).__name__} has a compile of its own, which cannot be "
            "repeated for a copy: check the models inside it one by one."
        )
    weights = model.get_compile_config().get("loss_weights")
    new.compile(loss_weights=weights, **options)


def _copy_variables(layer, new, quiet):
    old_weights, new_weights = layer.weights, new.weights
    shapes = [[tuple(v.shape) for v in group] for group in (old_weights, new_weights)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"{layer.name!r} ({type(layer).__name__}) built once more by its config "
            f"has other weights, of shapes {shapes[1]} instead of {shapes[0]}: let its "
            "get_config tell every argument of its constructor."
        )
    pairs = list(zip(old_weights, new_weights, strict=True))
    if len(layer.variables) == len(new.variables):  # with the states of its seeds
        pairs = list(zip(layer.variables, new.variables, strict=True))
    for old, one in pairs:
        one.trainable = old.trainable
        # a rate that the config has set to 0 must not come back from a variable; the
        # shape of a scalar counts as true on TensorFlow
        scalar = not old.trainable and len(old.shape) == 0
        if not (quiet and scalar and old.name in RATES):
            # through NumPy: JAX would share the buffer, and a training step of the new
            # one would take it away from the old
            one.assign(np.array(ops.convert_to_numpy(old)))

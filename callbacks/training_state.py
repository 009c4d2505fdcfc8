"""What a training changes: variables, random generators, callbacks, history."""

import json
import random
import sys
import warnings
from typing import Any

import keras
import numpy as np
from keras import ops

from . import keras_callbacks


def variables_of(model):
    """List what a training changes: weights, random generators, optimizer.

    Args:
        model: A compiled, built model.

    Returns:
        List of variables, in an order that is the same in every process.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> len(variables_of(model))  # kernel, bias, iterations, learning rate
    4
    """
    optimizer = model.optimizer
    if not optimizer.built:
        optimizer.build(model.trainable_variables)
    metrics = {id(variable) for variable in model.metrics_variables}
    kept = [variable for variable in model.variables if id(variable) not in metrics]
    return kept + list(optimizer.variables)


def describe(value):
    """Describe a variable or array so that another process can tell it is the same.

    Args:
        value: A `keras.Variable` or an array.

    Returns:
        List of shape and dtype: names differ from process to process.

    Example:

    >>> describe(keras.Variable([1.0, 2.0]))
    [[2], 'float32']
    """
    return [list(value.shape), keras.backend.standardize_dtype(value.dtype)]


def signature(model):
    """Describe a model and how it is trained, to tell it from another.

    Args:
        model: A compiled, built model.

    Returns:
        Dictionary of JSON data.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> signature(model)["optimizer"]["class"]
    'SGD'
    """
    optimizer = {"class": type(model.optimizer).__name__}
    optimizer |= _without_names(model.optimizer.get_config())
    if ops.convert_to_numpy(model.optimizer.iterations) > 0:
        # where a training was broken off: not what it began with, and restored anyway
        optimizer.pop("learning_rate", None)
    loss = model.loss
    return _as_json(
        {
            "layers": [type(layer).__name__ for layer in model.layers],
            "weights": [describe(weight) for weight in model.weights],
            "precision": model.dtype_policy.name,
            "optimizer": optimizer,
            "loss": loss if isinstance(loss, str) else type(loss).__name__,
        }
    )


def _without_names(config):
    """Leave out names, also of an optimizer within an optimizer: Keras numbers them."""
    if not isinstance(config, dict):
        return config
    return {k: _without_names(v) for k, v in config.items() if k != "name"}


def differences(saved, found):
    """Say what differs between two signatures.

    Args:
        saved: The signature in the state.
        found: That of the model at hand.

    Returns:
        List of sentences, empty if nothing does.

    Example:

    >>> differences({"loss": "mse", "layers": []}, {"loss": "mae", "layers": []})
    ["loss was 'mse' and is 'mae'"]
    """
    told = []
    for key in [*saved, *(key for key in found if key not in saved)]:
        before, now = saved.get(key), found.get(key)
        if before == now or json.dumps(before) == json.dumps(now):
            continue
        if key == "learning_rate" and None in (before, now):
            continue
        if isinstance(before, dict) and isinstance(now, dict):
            told += [f"{key} {one}" for one in differences(before, now)]
        elif isinstance(before, list) and isinstance(now, list):
            told.append(_first_difference(key, before, now))
        else:
            told.append(f"{key} was {before!r} and is {now!r}")
    return told


def take(model, callbacks):
    """Copy all that a training changes.

    Args:
        model: A compiled, built model.
        callbacks: The callbacks whose states belong to it.

    Returns:
        Dictionary of JSON data, and the list of arrays that it describes.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> state, arrays = take(model, [])
    >>> len(state["variables"]), len(state["metrics"]), len(arrays)
    (4, 2, 6)
    """
    state: dict[str, Any] = {"callbacks": []}
    arrays = []
    kinds = {"variables": variables_of(model), "metrics": model.metrics_variables}
    for kind, variables in kinds.items():
        values = [ops.convert_to_numpy(variable) for variable in variables]
        state[kind] = [describe(value) for value in values]
        arrays += values
    for callback in callbacks:
        held = keras_callbacks.arrays_of(callback)
        entry = {
            "name": type(callback).__name__,
            "state": keras_callbacks.state_of(callback),
            "arrays": [describe(array) for array in held],
        }
        state["callbacks"].append(entry)
        arrays += held
    history: Any = getattr(model, "history", None)
    if isinstance(history, keras.callbacks.History):
        values = history.history.items()
        state["history"] = {
            "epoch": list(getattr(history, "epoch", ())),
            "history": {name: [float(v) for v in row] for name, row in values},
        }
    return state, arrays


def check(model, callbacks, state):
    """Refuse a state of another training, before anything is changed.

    Args:
        model: A compiled, built model.
        callbacks: The callbacks that are to take their states over.
        state: What `take` gave.

    Raises:
        ValueError: If it is of another model or of other callbacks.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> check(model, [], {"variables": [], "callbacks": []})
    Traceback (most recent call last):
    ValueError: the state to resume has 0 variables, but this model and optimizer ...
    """
    names = [type(callback).__name__ for callback in callbacks]
    saved_names = [entry["name"] for entry in state["callbacks"]]
    if names != saved_names:
        raise ValueError(
            f"the state to resume is of the callbacks {saved_names}, but this training "
            f"has {names}: give the same callbacks in the same order."
        )
    variables = variables_of(model)
    descriptions = state["variables"]
    if len(variables) != len(descriptions):
        raise ValueError(
            f"the state to resume has {len(descriptions)} variables, but this model "
            f"and optimizer have {len(variables)}: it is of another model."
        )
    for variable, saved in zip(variables, descriptions, strict=True):
        if describe(variable) != saved:
            raise ValueError(
                f"the state to resume has {saved} where this model has {variable.path} "
                f"of {describe(variable)}: it is of another model."
            )


def put(model, callbacks, state, arrays, *, metrics=True):
    """Take over what `take` gave.

    Args:
        model: A compiled, built model.
        callbacks: The callbacks that take their states over.
        state: The dictionary.
        arrays: The arrays.
        metrics: Whether the metrics are set, too. Keras makes some of their variables
            at the first step only.

    Raises:
        ValueError: If the state is of another model or of other callbacks.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> put(model, [], *take(model, []))
    """
    check(model, callbacks, state)
    arrays = list(arrays)
    for variable in variables_of(model):
        variable.assign(arrays.pop(0))
    values = [arrays.pop(0) for _ in state["metrics"]]
    if metrics:
        for variable, value in zip(model.metrics_variables, values, strict=True):
            variable.assign(value)
    for callback, entry in zip(callbacks, state["callbacks"], strict=True):
        held = [arrays.pop(0) for _ in entry["arrays"]]
        keras_callbacks.set_state(callback, entry["state"])
        keras_callbacks.set_arrays(callback, held)
    history: Any = getattr(model, "history", None)
    if "history" in state and isinstance(history, keras.callbacks.History):
        history.epoch = list(state["history"]["epoch"])
        history.history = {k: list(v) for k, v in state["history"]["history"].items()}


def random_states():
    """Copy the states of the generators of Python, NumPy and PyTorch.

    Those of Keras are variables, among the model's own.

    Returns:
        Dictionary of JSON data.

    Example:

    >>> states = random_states()
    >>> before = random.random()
    >>> set_random_states(states)
    >>> random.random() == before
    True
    """
    version, numbers, gauss = random.getstate()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        legacy: Any = np.random.get_state()
    name, keys, *rest = legacy
    states = {
        "python": [version, list(numbers), gauss],
        "numpy": [name, keys.tolist(), *rest],
    }
    if "torch" in sys.modules:
        states["torch"] = sys.modules["torch"].get_rng_state().tolist()
    return states


def set_random_states(states, of=("python", "numpy", "torch")):
    """Take over what `random_states` gave.

    Args:
        states: The dictionary.
        of: Names of the generators that are set.

    Example:

    >>> set_random_states(random_states())
    """
    if "python" in of:
        version, numbers, gauss = states["python"]
        random.setstate((version, tuple(numbers), gauss))
    if "numpy" in of:
        name, keys, *rest = states["numpy"]
        np.random.set_state((name, np.array(keys, "uint32"), *rest))
    if "torch" in of and "torch" in states and "torch" in sys.modules:
        torch = sys.modules["torch"]
        torch.set_rng_state(torch.tensor(states["torch"], dtype=torch.uint8))


def _as_json(value):
    """Make plain data of a configuration; what JSON does not know is told by kind."""
    return json.loads(json.dumps(value, default=lambda thing: type(thing).__name__))


def _first_difference(key, before, now):
    for place, (old, new) in enumerate(zip(before, now, strict=False)):
        if old != new:
            return f"{key} number {place + 1} was {old!r} and is {new!r}"
    return f"{key} were {len(before)} and are {len(now)}"

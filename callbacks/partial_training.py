"""Training some of the weights that an optimizer knows, others later.

An optimizer knows the weights that it was built on. On TensorFlow and PyTorch it takes
gradients for some of them; on JAX `stateless_apply` wants all. And one that was built
while layers were frozen knows too few: it is built anew in place, and keeps its slots.
"""

import contextlib
import functools
import re

import keras
from keras import ops

from .optimizer_hooks import inner, own_variables


def train_only_some(model):
    """Let a model's optimizer know all weights that train now, and train any of them.

    From then on any of these weights may stop training and start again: its momenta
    stay in the optimizer meanwhile.

    Args:
        model: A compiled, built model, all weights trainable that ever train.

    Raises:
        ValueError: If it is not compiled, has several optimizers, or the optimizer
            averages weights.

    Example:

    >>> names = ("body", "head")
    >>> layers = [keras.layers.Dense(1, name=name) for name in names]
    >>> model = keras.Sequential([keras.Input((2,)), *layers])
    >>> model.compile("adam", "mse")
    >>> train_only_some(model)
    >>> model.layers[0].trainable = False
    >>> _ = model.fit(ops.ones((4, 2)), ops.ones((4, 1)), verbose=0)
    """
    optimizer = _checked(model)
    variables = model.trainable_variables
    with _where_variables_live(model):
        if not model.optimizer.built:
            model.optimizer.build(variables)
        elif {id(v) for v in variables} - {id(v) for v in _known_to(optimizer)}:
            _build_anew(model.optimizer, _known_to(optimizer), variables)
    if keras.backend.backend() == "jax":
        optimizer.stateless_apply = functools.partial(
            _stateless_apply, model, optimizer
        )


def _stateless_apply(model, optimizer, optimizer_variables, grads, trainable_variables):
    """Do what an optimizer's own `stateless_apply` does, for some of its weights."""
    weights = model.trainable_variables
    mapping = [
        *zip(weights, trainable_variables, strict=True),
        *zip(optimizer.variables, optimizer_variables, strict=True),
    ]
    with keras.StatelessScope(state_mapping=mapping) as scope:
        optimizer.apply(grads, weights)
    return (
        [scope.get_current_value(variable) for variable in weights],
        [scope.get_current_value(variable) for variable in optimizer.variables],
    )


def _known_to(optimizer):
    # Keras tells in no public way which weights an optimizer was built on
    known = getattr(optimizer, "_trainable_variables", None)
    if known is None or not hasattr(optimizer, "_untrack_variable"):
        raise RuntimeError(
            f"{type(optimizer).__name__} of Keras {keras.__version__} does not tell "
            "which weights it was built on: compile the model while all layers that "
            "ever train are trainable; FreezeSchedule freezes them."
        )
    return known


def _build_anew(optimizer, known, variables):
    """Build a built optimizer on other weights, and keep the slots of those known."""
    core = inner(optimizer)
    within = {id(value) for value in core.variables}
    slots = {}
    for level, values in [
        (core, own_variables(core)),
        (optimizer, [v for v in optimizer.variables if id(v) not in within]),
    ]:
        for slot in values:
            # these two are made with the optimizer, all others when it is built
            if slot.name not in ("iteration", "learning_rate"):
                slots.setdefault(_key(slot), []).append(ops.convert_to_numpy(slot))
                level._untrack_variable(slot)
        level.built = False
    new = {id(variable) for variable in variables}
    optimizer.build([*variables, *(v for v in known if id(v) not in new)])
    for slot in own_variables(optimizer):
        # several slots have one name where layers share a path: they are in order
        if slots.get(_key(slot)):
            slot.assign(slots[_key(slot)].pop(0))


def _key(slot):
    # one that an optimizer gives no name gets a number from Keras: variable_7
    return re.sub(r"_\d+$", "", slot.name)


def _checked(model):
    if getattr(model, "optimizer", None) is None:
        raise ValueError(
            "FreezeSchedule found no optimizer: compile the model before fit()."
        )
    optimizer = inner(model.optimizer)
    if isinstance(optimizer, getattr(keras.optimizers, "MultiOptimizer", ())):
        raise ValueError(
            "FreezeSchedule needs one optimizer, but the model has several in a "
            f"{type(optimizer).__name__}."
        )
    if optimizer.use_ema:
        raise ValueError(
            "FreezeSchedule cannot work with an optimizer that has use_ema=True: Keras "
            "pairs the averages with the trainable weights by their position, which "
            "changes when layers thaw. Leave use_ema out."
        )
    return optimizer


def _where_variables_live(model):
    if keras.backend.backend() != "tensorflow":
        return contextlib.nullcontext()
    return model.distribute_strategy.scope()

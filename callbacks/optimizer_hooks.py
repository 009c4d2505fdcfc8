"""Hooks in the step of an optimizer: what acts on gradients inside the compiled step.

A hook sees the gradients at the place where Keras itself clips them, and the weights
right after they have changed. Keras has no public place for that, so that an optimizer
gets a subclass of its own class while hooks are attached; `_Hooked` is the only part
of Kerasmith that overrides private methods of an optimizer. The subclass is never seen
from outside: `optimizer.__class__` stays what it was, and saved files hold the
optimizer's own configuration and variables only, at any moment.
"""

import contextlib
import threading
from typing import Any

import keras

from ..layers import native

_PRIVATE_PLACES = (
    "_backend_apply_gradients",
    "_clip_gradients",
    "_backend_update_step",
    "_untrack_variable",
)
# the class of an optimizer, before which a mixin is put
_Optimizer: Any = object
# an optimizer's own __setattr__ takes what it is given for something to track
_class_slot = vars(object)["__class__"]


class OptimizerHook:
    """Acts on an optimizer's gradients inside the compiled step.

    Attributes:
        order: Hooks run in ascending order, whatever the order in which they were
            attached. One that only looks at the gradients takes 0, clipping 10.

    Example:

    >>> class Halved(OptimizerHook):
    ...     def transform(self, gradients, variables):
    ...         return [gradient / 2 for gradient in gradients]
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> hook = Halved()
    >>> attach(model, hook)
    >>> detach(model, hook)
    """

    order = 0

    def attach(self, optimizer):
        """Make the variables that the hook needs, by `optimizer.add_variable`.

        Args:
            optimizer: The optimizer, already built; with loss scaling the inner one.
        """

    def transform(self, gradients, variables):
        """Change the gradients of a real update.

        Under gradient accumulation they are the accumulated mean, with loss scaling
        unscaled, and on several replicas summed over them. On JAX it is computed at
        steps that only accumulate, too: what it assigns to variables of the optimizer
        is undone there.

        Args:
            gradients: List of dense tensors.
            variables: Their variables, not yet changed.

        Returns:
            List of as many gradients.
        """
        return gradients

    def updated(self, variables):
        """See the weights right after an update, before constraints project them.

        Args:
            variables: List of the variables that have changed.
        """


class _Attached:
    """What the class of a hooked optimizer knows: its hooks and their variables."""

    def __init__(self, run):
        self.run = run
        self.entries = []
        # replicas of MirroredStrategy trace in threads that take turns
        self.now = threading.local()

    @property
    def ordered(self):
        def place(entry):
            hook = entry[0]
            return hook.order, type(hook).__module__, type(hook).__qualname__

        return sorted(self.entries, key=place)

    @property
    def hooks(self):
        return [hook for hook, _ in self.ordered]

    @property
    def variables(self):
        return [variable for _, added in self.ordered for variable in added]

    def transform(self, gradients):
        replicas = native.of("replicas")
        summed = replicas.summed(gradients)
        changed = summed
        for hook in self.hooks:
            changed = list(hook.transform(changed, self.now.variables))
        if all(new is old for new, old in zip(changed, summed, strict=True)):
            return gradients  # nobody changed them: let Keras go on as ever
        # Keras sums over the replicas once more
        count = replicas.count()
        return changed if count == 1 else [gradient / count for gradient in changed]


class _Saved(_Optimizer):
    """Lists the hooks' variables last, and keeps them out of files."""

    kerasmith_attached: _Attached

    @property
    def variables(self):
        added = self.kerasmith_attached.variables
        theirs = {id(variable) for variable in added}
        own = [value for value in super().variables if id(value) not in theirs]
        if getattr(self.kerasmith_attached.now, "files", False):
            return own
        # whoever saves them himself finds them again whatever the order of callbacks
        return own + added

    def save_own_variables(self, store):
        with self._without_those_of_hooks():
            super().save_own_variables(store)

    def load_own_variables(self, store):
        with self._without_those_of_hooks():
            super().load_own_variables(store)

    @contextlib.contextmanager
    def _without_those_of_hooks(self):
        now = self.kerasmith_attached.now
        before, now.files = getattr(now, "files", False), True
        try:
            yield
        finally:
            now.files = before


class _Hooked(_Saved):
    """Runs the hooks: the one place that overrides private methods of Keras."""

    def apply(self, grads, trainable_variables=None):
        now = self.kerasmith_attached.now
        now.reached = not len(grads) or bool(self.gradient_accumulation_steps)
        result = super().apply(grads, trainable_variables)
        if not now.reached:
            raise RuntimeError(_unreachable(self))
        return result

    def _backend_apply_gradients(self, grads, trainable_variables):
        self.kerasmith_attached.now.variables = list(trainable_variables)
        super()._backend_apply_gradients(grads, trainable_variables)

    def _clip_gradients(self, grads):
        self.kerasmith_attached.now.reached = True
        return super()._clip_gradients(self.kerasmith_attached.transform(grads))

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        super()._backend_update_step(grads, trainable_variables, learning_rate)
        for hook in self.kerasmith_attached.hooks:
            hook.updated(self.kerasmith_attached.now.variables)


def attach(model, hook):
    """Let a hook take part in the steps of a model's optimizer.

    To be called in `on_train_begin`. Attaching a hook that is attached already does
    nothing. Hooks left over from an earlier `fit` that was broken off are taken away.

    Args:
        model: A compiled, built model.
        hook: An `OptimizerHook`.

    Raises:
        ValueError: If the model is not compiled, or has several optimizers.
        RuntimeError: If this version of Keras has no place for hooks.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> hook = OptimizerHook()
    >>> attach(model, hook)
    >>> attached_hooks(model.optimizer) == [hook]
    True
    """
    optimizer = _optimizer_of(model)
    run = getattr(model, "history", None)  # a new one for every fit
    attached = _attached_to(optimizer)
    if attached is not None and attached.run is not run:
        detach_all(model)
        attached = None
    if attached is not None and any(hook is other for other, _ in attached.entries):
        return
    with _where_variables_live(model):
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        before = {id(variable) for variable in optimizer.variables}
        hook.attach(optimizer)
    added = [value for value in optimizer.variables if id(value) not in before]
    if attached is None:
        attached = _Attached(run)
        _take_class(optimizer, _Hooked, attached)
        if model.optimizer is not optimizer:
            _take_class(model.optimizer, _Saved, attached)
    attached.entries.append((hook, added))
    _compile_anew(model)


def detach(model, hook):
    """Take a hook and its variables away from a model's optimizer.

    With the last one the optimizer is as it was before the first. Detaching one that
    is not attached does nothing.

    Args:
        model: The model.
        hook: The hook.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> hook = OptimizerHook()
    >>> attach(model, hook)
    >>> detach(model, hook)
    >>> attached_hooks(model.optimizer)
    []
    """
    optimizer = inner(model.optimizer)
    attached = _attached_to(optimizer)
    entries = attached.entries if attached is not None else []
    for entry in [entry for entry in entries if entry[0] is hook]:
        entries.remove(entry)
        for variable in entry[1]:
            optimizer._untrack_variable(variable)
        _compile_anew(model)
    if attached is not None and not entries:
        for hooked in {id(o): o for o in (optimizer, model.optimizer)}.values():
            if _attached_to(hooked) is not None:
                _class_slot.__set__(hooked, hooked.__class__)


def detach_all(model):
    """Take all hooks away from a model's optimizer.

    Keras tells its callbacks nothing when `fit` is broken off by an exception: hooks
    act on then until the next `fit` with a hook, or this call.

    Args:
        model: The model.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> attach(model, OptimizerHook())
    >>> detach_all(model)
    """
    for hook in attached_hooks(model.optimizer):
        detach(model, hook)


def attached_hooks(optimizer):
    """List the hooks of an optimizer, in the order in which they run.

    Args:
        optimizer: The optimizer, with loss scaling or without.

    Example:

    >>> attached_hooks(keras.optimizers.SGD())
    []
    """
    attached = _attached_to(inner(optimizer))
    return [] if attached is None else attached.hooks


def own_variables(optimizer):
    """List an optimizer's variables without those of hooks.

    Args:
        optimizer: The optimizer, with loss scaling or without.

    Returns:
        List of variables, in the order of `optimizer.variables`.

    Example:

    >>> len(own_variables(keras.optimizers.SGD()))  # iterations, learning rate
    2
    """
    attached = _attached_to(inner(optimizer))
    added = set() if attached is None else {id(value) for value in attached.variables}
    return [value for value in optimizer.variables if id(value) not in added]


def inner(optimizer):
    """Give the optimizer inside loss scaling, or the optimizer itself.

    Args:
        optimizer: The optimizer.

    Example:

    >>> sgd = keras.optimizers.SGD()
    >>> inner(keras.optimizers.LossScaleOptimizer(sgd)) is sgd, inner(sgd) is sgd
    (True, True)
    """
    while isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        optimizer = optimizer.inner_optimizer
    return optimizer


def _attached_to(optimizer):
    return getattr(type(optimizer), "kerasmith_attached", None)


def _optimizer_of(model):
    if getattr(model, "optimizer", None) is None:
        raise ValueError(
            "the model has no optimizer to act on: compile it before fit(), or leave "
            "out the callbacks that act on gradients."
        )
    optimizer = inner(model.optimizer)
    several = getattr(keras.optimizers, "MultiOptimizer", ())
    if isinstance(optimizer, several):
        raise ValueError(
            f"the model has several optimizers in a {type(optimizer).__name__}, each "
            "with gradients of its own: callbacks that act on gradients need one."
        )
    if not all(hasattr(optimizer, name) for name in _PRIVATE_PLACES):
        raise RuntimeError(_unreachable(optimizer))
    return optimizer


def _unreachable(optimizer):
    return (
        f"{optimizer.__class__.__name__} of Keras {keras.__version__} does not clip "
        "gradients where Kerasmith can act on them. Use one of the optimizers of "
        "Keras 3.15, or clip by the arguments clipvalue, clipnorm or global_clipnorm "
        "of the optimizer instead."
    )


def _take_class(optimizer, mixin, attached):
    original = type(optimizer)
    namespace = {
        "__module__": original.__module__,
        "__qualname__": original.__qualname__,
        "__doc__": original.__doc__,
        # files and clones are made from what an object says that its class is
        "__class__": property(lambda self: original),
        "from_config": original.from_config,
        "kerasmith_attached": attached,
    }
    _class_slot.__set__(
        optimizer, type(original.__name__, (mixin, original), namespace)
    )


def _where_variables_live(model):
    if keras.backend.backend() != "tensorflow":
        return contextlib.nullcontext()
    return model.distribute_strategy.scope()


def _compile_anew(model):
    # on_train_begin comes after Keras made the function, which it looks up every step
    model.make_train_function(force=True)

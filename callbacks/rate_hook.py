"""The learning rate as the optimizer's step computes it."""

import weakref

import keras
from keras import ops

from . import optimizer_hooks

LearningRateSchedule = keras.optimizers.schedules.LearningRateSchedule

# optimizer: the hook that sets its rate. Keras does not call on_train_end when a
# training is broken off, so that a hook may still be there when the next one begins
_holders = weakref.WeakKeyDictionary()


class RateHook(optimizer_hooks.OptimizerHook):
    """Set the optimizer's learning rate right before each of its updates.

    The rate is `max(minimum, level * factor)`, or the override where there is one.
    The level is a curve of the updates made since `start`, or else a variable. It is
    written into the optimizer's own variable, so that a model saved at any time is a
    plain Keras model with the rate that was reached. An optimizer with a schedule
    has no such variable: there a stand-in takes the schedule's place, which is saved
    as the schedule.

    Args:
        own: The optimizer's own rate: what `own_rate` gave.
        curve: Function of the update's number (a float32 tensor), or `None`.
        minimum: The factor lowers the rate to this at most.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> own = own_rate(model.optimizer)
    >>> take(model, RateHook(own, lambda step: 0.5 / (1 + step)))
    >>> _ = model.fit(ops.ones((4, 2)), ops.ones((4, 1)), batch_size=1, verbose=0)
    >>> float(ops.convert_to_numpy(model.optimizer.learning_rate))
    0.125
    >>> release(model)
    >>> round(float(ops.convert_to_numpy(model.optimizer.learning_rate)), 4)
    0.01
    """

    order = 100  # when all that may look at the old rate has done so

    def __init__(self, own, curve=None, minimum=0.0):
        self.own, self.curve, self.minimum = own, curve, minimum

    def attach(self, optimizer):
        """Make the variables, and take the place of a schedule."""
        self.optimizer = optimizer

        def add(name, value, dtype="float32"):
            start = keras.initializers.Constant(value)
            return optimizer.add_variable(
                (), start, dtype, "only_first_replica", name=f"rate_{name}"
            )

        self.start = add("start", 0, "int")
        self.level = add("level", 0.0)
        self.factor = add("factor", 1.0)
        self.override = add("override", -1.0)
        if isinstance(self.own, LearningRateSchedule):
            self.carrier = add("carrier", 0.0)
            optimizer.learning_rate = StandIn(self)
        else:
            self.carrier = optimizer.learning_rate

    def transform(self, gradients, variables):
        """Write the rate of this update where the optimizer reads it."""
        self.carrier.assign(ops.cast(self.rate(), self.carrier.dtype))
        return gradients

    def rate(self):
        """Give the rate of the update that comes next, a tensor."""
        level = ops.convert_to_tensor(self.level)
        if self.curve is not None:
            level = ops.cast(self.curve(self.position()), "float32")
        lowered = level * ops.convert_to_tensor(self.factor)
        # a curve may well go below the minimum: only a fall stops there
        lowered = ops.maximum(lowered, ops.minimum(level, self.minimum))
        override = ops.convert_to_tensor(self.override)
        return ops.where(override >= 0, override, lowered)

    def position(self):
        """Give the number of the update that comes next, counted from `start`."""
        updates = ops.convert_to_tensor(self.optimizer.iterations)
        return ops.cast(updates - ops.convert_to_tensor(self.start), "float32")

    def updates(self):
        """Count the updates that the optimizer has made."""
        return int(ops.convert_to_numpy(self.optimizer.iterations))

    def own_now(self, position):
        """Give what the optimizer's own schedule says at its next update.

        Keras counts micro-steps there; so does this, that a schedule stays the same.
        """
        updates = ops.convert_to_tensor(self.optimizer.iterations)
        return self.own((updates + 1) * micro_steps(self.optimizer) - 1)

    def show(self):
        """Write the rate before the first update of an epoch, for who looks at it."""
        self.transform([], [])


class StandIn(LearningRateSchedule):
    """Stand in an optimizer for its schedule, and be saved as that schedule.

    Args:
        hook: The `RateHook`; without it on the optimizer, the schedule has the say.

    Example:

    >>> own = keras.optimizers.schedules.CosineDecay(0.1, 100)
    >>> hook = RateHook(own)
    >>> hook.optimizer = keras.optimizers.SGD(own)
    >>> keras.saving.serialize_keras_object(StandIn(hook))["class_name"]
    'CosineDecay'
    """

    def __init__(self, hook):
        self.hook = hook

    # what saves an object asks it for its class
    __class__ = property(lambda self: type(self.hook.own))  # pyright: ignore

    def __call__(self, step):
        if self.hook not in optimizer_hooks.attached_hooks(self.hook.optimizer):
            return self.hook.own(step)
        return ops.convert_to_tensor(self.hook.carrier)

    def get_config(self):
        return self.hook.own.get_config()


def own_rate(optimizer):
    """Read the rate that an optimizer was made with.

    Args:
        optimizer: A Keras optimizer.

    Returns:
        A number or a `LearningRateSchedule`.

    Raises:
        TypeError: If it is neither.

    Example:

    >>> own_rate(keras.optimizers.SGD(0.5))
    0.5
    """
    optimizer = optimizer_hooks.inner(optimizer)
    rate = optimizer.learning_rate
    if isinstance(rate, keras.Variable):
        return float(ops.convert_to_numpy(rate))
    # the property gives what the schedule says; the schedule itself is not public
    schedule = getattr(optimizer, "_learning_rate", None)
    if not isinstance(schedule, LearningRateSchedule):
        raise TypeError(
            "LearningRate needs an optimizer whose learning rate is a number or a "
            f"schedule, received {schedule!r}: give the optimizer a number, and the "
            "function to LearningRate(base=...)."
        )
    return schedule


def micro_steps(optimizer):
    """Give the number of batches to an update.

    Args:
        optimizer: A Keras optimizer.

    Returns:
        A number, 1 without gradient accumulation.

    Example:

    >>> micro_steps(keras.optimizers.SGD(gradient_accumulation_steps=4))
    4
    """
    return optimizer_hooks.inner(optimizer).gradient_accumulation_steps or 1


def take(model, hook):
    """Give a hook the say over the rate.

    Args:
        model: A compiled, built model.
        hook: A `RateHook`.

    Example: see `RateHook`.

    >>> callable(take)
    True
    """
    optimizer_hooks.attach(model, hook)
    _holders[optimizer_hooks.inner(model.optimizer)] = hook


def release(model):
    """Leave the rate to the optimizer again: that or the schedule it came with.

    Args:
        model: The model.

    Example: see `RateHook`.

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> release(model)
    """
    optimizer = optimizer_hooks.inner(model.optimizer)
    hook = _holders.pop(optimizer, None)
    if hook is not None:
        optimizer_hooks.detach(model, hook)
        optimizer.learning_rate = hook.own

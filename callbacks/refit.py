"""Using the validation data too, after early stopping has found when to stop."""

import dataclasses
import math
import warnings

import keras

from .joining import joined

WAYS = ("anew", "continue")
UNITS = ("steps", "epochs")
# arguments of `fit` that are not the caller's
SET_HERE = {"x", "y", "sample_weight", "epochs", "initial_epoch", "steps_per_epoch"}
SET_HERE |= {"validation_data", "validation_split", "validation_freq"}


@dataclasses.dataclass(frozen=True)
class Refitted:
    """What `refit` gives.

    Attributes:
        model: The model, trained on the training and the validation data.
        steps: Number of batches it was trained on.
        target: The training loss at the stop, for `way="continue"`; otherwise `None`.
        reached: Whether the validation loss fell to the target, or the steps are
            done.
        history: Dictionary of every metric's values, one an epoch; empty where there
            was nothing left to do.

    Example:

    >>> Refitted(None, 40, None, True, {}).steps
    40
    """

    model: keras.Model | None
    steps: int
    target: float | None
    reached: bool
    history: dict


def refit(
    model_builder,
    train,
    validation,
    stopping,
    *,
    way="anew",
    unit="steps",
    max_epochs=None,
    **options,
):
    """Train on training and validation data together, as early stopping has taught.

    The validation data only served to find when to stop. Afterwards they can be
    learned from too. `way="anew"` trains a new model on both, for as many updates as
    the best epoch's end was reached after (`unit="steps"`) or for as many passes
    (`unit="epochs"`, which are longer now). `way="continue"` takes the best weights
    and trains on both until the loss on the validation data is not above what the
    loss on the training data was with these weights; that may never happen, hence
    the bound.

    Args:
        model_builder: Function without arguments that returns a new, compiled model.
        train: Training data of the run that was stopped: a tuple of arrays
            `(inputs, targets)` or `(inputs, targets, weights)`, a `tf.data.Dataset`,
            or a `keras.utils.PyDataset`; the last two give batches.
        validation: Validation data of that run, of the same kind.
        stopping: The `EarlyStopping` of that run.
        way: `"anew"` or `"continue"`.
        unit: What is counted for `"anew"`: `"steps"` or `"epochs"`. With steps, train
            on batches of the same size as before.
        max_epochs: Bound for `"continue"`; as many as the run took if `None`.
        **options: Further arguments of `model.fit`, such as `batch_size`, `verbose`,
            `callbacks`.

    Returns:
        A `Refitted`. For `"anew"` the last epoch may be cut short, so that the number
        of steps is exact (to within `steps_per_execution`).

    Raises:
        ValueError: If the run found no best epoch, if its steps are not known, or if
            the model is not compiled, or the one that was trained already.
        TypeError: If the data cannot be joined.

    Example:

    >>> import numpy as np
    >>> from kerasmith.callbacks import EarlyStopping, Patience
    >>> def build():
    ...     model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    ...     model.compile("sgd", "mse")
    ...     return model
    >>> train = np.ones((64, 2)), np.ones((64, 1))
    >>> validation = np.ones((32, 2)), np.ones((32, 1))
    >>> stopping = EarlyStopping(Patience(2))
    >>> history = build().fit(
    ...     *train,
    ...     epochs=3,
    ...     validation_data=validation,
    ...     callbacks=[stopping],
    ...     verbose=0,
    ... )
    >>> refit(build, train, validation, stopping, verbose=0).steps == (
    ...     stopping.best_steps
    ... )
    True

    Reference:
        Goodfellow et al., 2016, algorithms 7.2 and 7.3,
        https://www.deeplearningbook.org/contents/regularization.html
    """
    if way not in WAYS or unit not in UNITS:
        raise ValueError(
            f"refit knows the ways {WAYS} and the units {UNITS}, received way={way!r}, "
            f"unit={unit!r}."
        )
    if stopping.best_epoch is None:
        raise ValueError(
            "refit needs an EarlyStopping that has found a best epoch: train with it "
            "first."
        )
    for name in sorted(SET_HERE & {*options}):
        raise ValueError(f"refit sets {name} itself: leave it out.")
    if max_epochs is not None and max_epochs < 1:
        raise ValueError(f"refit needs max_epochs >= 1, received {max_epochs}.")
    both = joined(train, validation)
    if way == "anew":
        steps = _steps_found(stopping, both, unit, options)
        return _train_anew(_built(model_builder, stopping), both, steps, options)
    epochs = max_epochs or len(stopping.epochs)
    model = _built(model_builder, stopping)
    if not model.built or not stopping.restore(model):
        raise ValueError(
            "refit(way='continue') needs a model that is built (begin it with "
            "keras.Input), and an EarlyStopping with restore_best_weights=True."
        )
    return _train_on(model, train, validation, both, epochs, options)


def _train_anew(model, both, steps, options):
    counter = _Until(steps=steps)
    epochs = math.ceil(steps / _batches(both, options))
    history = _fit(model, both, counter, options, epochs=epochs)
    return Refitted(model, counter.steps, None, counter.steps >= steps, history)


def _train_on(model, train, validation, both, epochs, options):
    """Go on until the validation loss is not above the training loss at the stop."""
    size = {"batch_size": options["batch_size"]} if "batch_size" in options else {}
    target = _loss(model, train, size)
    counter = _Until(loss=target)
    if _loss(model, validation, size) <= target:
        return Refitted(model, 0, target, True, {})
    history = _fit(
        model, both, counter, options, epochs=epochs, validation_data=validation
    )
    if not counter.reached:
        warnings.warn(
            f"the validation loss {history['val_loss'][-1]:.4g} did not fall to the "
            f"training loss {target:.4g} in {epochs} epochs: raise max_epochs, or "
            "train anew.",
            stacklevel=3,
        )
    return Refitted(model, counter.steps, target, counter.reached, history)


def _steps_found(stopping, both, unit, options):
    if unit == "epochs":
        passes = stopping.epochs.index(stopping.best_epoch) + 1
        return passes * _batches(both, options)
    if stopping.best_steps is None:
        raise ValueError(
            "how many batches an epoch had is not known for data without a length: "
            "pass unit='epochs'."
        )
    return stopping.best_steps


def _built(model_builder, stopping):
    model = model_builder()
    if not model.compiled:
        raise ValueError("refit needs a model_builder whose model is compiled.")
    if model is stopping.model:
        raise ValueError(
            "refit needs a model_builder that builds a new model each time, but it "
            "gave the one that was trained already."
        )
    return model


class _Until(keras.callbacks.Callback):
    """Counts batches, and stops after a number of them or at a validation loss."""

    def __init__(self, steps=None, loss=None):
        super().__init__()
        self.limit, self.loss = steps, loss
        self.steps, self.reached = 0, False

    def on_epoch_begin(self, epoch, logs=None):
        self.before = self.steps

    def on_train_batch_end(self, batch, logs=None):
        self.steps = self.before + batch + 1
        if self.limit is not None and self.steps >= self.limit:
            self.model.stop_training = True

    def on_epoch_end(self, epoch, logs=None):
        if self.loss is not None and logs and logs["val_loss"] <= self.loss:
            self.reached = self.model.stop_training = True


def _fit(model, data, counter, options, **more):
    callbacks = [*keras.tree.flatten(options.get("callbacks") or []), counter]
    arguments = {**options, **more, "callbacks": callbacks}
    return model.fit(**_named(data), **arguments).history


def _loss(model, data, size):
    size = size if isinstance(data, tuple) else {}
    return model.evaluate(**_named(data), **size, return_dict=True, verbose=0)["loss"]


def _named(data):
    """Name the arguments of `fit` and `evaluate` that hold the data."""
    if not isinstance(data, tuple):
        return {"x": data}
    return dict(zip(("x", "y", "sample_weight"), data, strict=False))


def _batches(data, options):
    """Count the batches of an epoch."""
    if isinstance(data, tuple):
        examples = len(keras.tree.flatten(data)[0])
        return math.ceil(examples / (options.get("batch_size") or 32))
    try:
        return len(data)
    except TypeError as problem:
        raise ValueError(
            "refit must know how many batches an epoch of the joined data has: give "
            "the data set a finite length (`assert_cardinality`), without `repeat`."
        ) from problem

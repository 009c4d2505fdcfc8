"""Training the model of a recipe, so that nothing of it can be lost."""

import dataclasses
import time

import keras

from ...callbacks import (
    Diverged,
    EarlyStopping,
    HistoryLog,
    LearningRate,
    Noam,
    Patience,
    Resume,
)
from ...callbacks.files import replacing
from .. import registry
from ..recipes.named import gradient_clipping, stopping_criterion
from ..recipes.recipe import NOAM
from .card import card
from .distribution import OneDevice, spread
from .finetune import freeze_up_to, stage_rates
from .tasks import task_of

# steps; a state is saved at least as often
LONG_EPOCH = 500
# multiply-accumulates at inference beside which a call of the compiled step costs
# little: some tens of milliseconds of training
SMALL_WORK = 1e9


@dataclasses.dataclass(frozen=True)
class Fitted:
    """What came of a training.

    Args:
        seconds: Seconds it took, those before an interruption included.
        best_epoch: The epoch whose weights the model has, counted from 0.
        callbacks: The callbacks that can tell of it.

    Example:

    >>> Fitted(31.5, 58, []).best_epoch
    58
    """

    seconds: float
    best_epoch: int
    callbacks: list


def build_model(recipe, data):
    """Build and compile the model of a recipe for its data.

    Args:
        recipe: `Recipe`.
        data: `Data`, which knows the classes and the batches an epoch.

    Returns:
        Compiled model.

    Raises:
        ValueError: If an option is unknown.

    Example:

    >>> from .. import recipes
    >>> from .run import load_data
    >>> recipe = recipes.get("lenet5_digits")
    >>> build_model(recipe, load_data(recipe)).output_shape
    (None, 10)
    """
    model = _build(recipe, data)
    _compile(model, recipe, data)
    return model


def _build(recipe, data):
    task = task_of(recipe)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(recipe.precision)
    try:
        told = {"weights": recipe.weights, **task.options(recipe, data)}
        model = registry.build(recipe.model, **told, **recipe.options)
    finally:
        keras.config.set_dtype_policy(policy)
    if recipe.freeze is not None:
        freeze_up_to(model, recipe.freeze)
    return model


def _compile(model, recipe, data, steps=None):
    task = task_of(recipe)
    config = {**recipe.optimizer_options, "learning_rate": recipe.learning_rate}
    optimizer = keras.optimizers.get({"class_name": recipe.optimizer, "config": config})
    feed, steps = task.feed(recipe, data), steps or recipe.steps_per_execution
    if keras.config.backend() == "torch":
        steps = 1
    elif steps is None:
        one = card(model, task.example_shape(recipe)).multiply_accumulates
        steps = steps_per_execution(one * recipe.batch_size, feed.steps)
    model.compile(
        optimizer,
        keras.losses.get(recipe.loss),
        metrics=task.metrics(data),
        steps_per_execution=steps,
    )


def spread_model(recipe, model, data, group):
    """Bring a model to the devices on which it is trained.

    Args:
        recipe: `Recipe`.
        model: Its compiled model on one device.
        data: Its `Data`.
        group: What `distributing` gave.

    Returns:
        The model itself on one device, else one with its weights.

    Example:

    >>> from .distribution import OneDevice
    >>> spread_model(None, "model", None, OneDevice())
    'model'
    """
    if type(group) is OneDevice:
        return model
    return spread(
        group,
        model,
        lambda: _build(recipe, data),
        lambda made: _compile(made, recipe, data, group.steps),
        task_of(recipe).feed(recipe, data).train,
    )


def steps_per_execution(multiply_accumulates, steps):
    """Tell how many steps one call of the compiled step shall make.

    Each call costs milliseconds, whatever it computes: as much as a small model. The
    rule counts and does not time, so that a run repeats itself and can be resumed.

    Args:
        multiply_accumulates: Multiply-accumulates of a batch at inference.
        steps: Steps of an epoch.

    Returns:
        A divisor of `steps`, at most 32; 1 for a model that is not small.

    Example:

    >>> steps_per_execution(32 * 328_096, 38), steps_per_execution(16 * 1.8e9, 38)
    (19, 1)
    """
    most = min(32, int(SMALL_WORK / max(multiply_accumulates, 1)))
    return max(n for n in range(1, max(1, most) + 1) if steps % n == 0)


def fit(recipe, model, data, folder, verbose: str | int = "auto", group=None):
    """Train a model with all that keeps a run from losing its work.

    Args:
        recipe: `Recipe`.
        model: Its compiled model; it ends with its best weights.
        data: Its `Data`.
        folder: Where history, logs and states go. A state found there is resumed. A
            number written to `learning_rate.txt` there overrides the rate.
        verbose: As for `fit`.
        group: What `distributing` gave, if there are several devices.

    Returns:
        `Fitted`.

    Raises:
        ValueError: If the metric watched was not finite in any epoch.
        KeyboardInterrupt: If it was interrupted, after the best model so far was
            written to `model.keras`.

    Example:

    >>> import pathlib
    >>> import tempfile
    >>> from .. import recipes
    >>> from .run import load_data
    >>> recipe = dataclasses.replace(recipes.get("lenet5_digits"), epochs=1)
    >>> data = load_data(recipe)
    >>> model = build_model(recipe, data)
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> fit(recipe, model, data, folder, verbose=0).best_epoch
    0
    """
    group = group or OneDevice()
    callbacks = callbacks_of(recipe, model, data, folder)
    stopping, log = callbacks[0], callbacks[-1]
    stateful = [callback for callback in callbacks if hasattr(callback, "get_state")]
    states = folder / "training" / "states"
    feed = task_of(recipe).feed(recipe, data)
    # all processes would have to save at the same step
    saved = {**_every(feed.steps), "on_termination": group.alone}
    resume = Resume(states, stateful, data=feed, **saved)
    board = keras.callbacks.TensorBoard(
        folder / "tensorboard", write_graph=False, profile_batch=0
    )
    start = resume.epoch
    began = time.perf_counter()
    first, last = group.callbacks(folder)
    try:
        model.fit(
            feed.train,
            validation_data=feed.dev,
            epochs=recipe.epochs,
            initial_epoch=start,
            shuffle=False,  # the data shuffles itself, by seed and epoch
            verbose=verbose if group.chief else 0,
            callbacks=[*first, *callbacks, board, resume, *last],
        )
    except KeyboardInterrupt:
        if not group.chief:
            raise
        told = _keep_best_model(recipe, data, stopping, folder)
        raise KeyboardInterrupt(f"interrupted; {told}") from None
    if stopping.best_epoch is None:
        raise ValueError(
            f"{recipe.monitor} was not finite in any epoch, so there is no model to "
            f"keep: {folder / 'history.csv'} shows how it diverged. Train with a lower "
            f"learning_rate than {recipe.learning_rate}."
        )
    earlier = sum(row["seconds"] for row in log.rows[:start])
    seconds = earlier + time.perf_counter() - began
    return Fitted(seconds, stopping.best_epoch, callbacks)


def callbacks_of(recipe, model, data, folder):
    """Make the callbacks that a recipe trains with.

    Args:
        recipe: `Recipe`.
        model: Its compiled model.
        data: Its `Data`.
        folder: Where their files go, as a `pathlib.Path`.

    Returns:
        List: first what stops, last the `HistoryLog`.

    Example:

    >>> import pathlib, tempfile
    >>> from .. import recipes
    >>> recipe = recipes.get("resnet20_digits")
    >>> found = callbacks_of(recipe, None, None, pathlib.Path(tempfile.mkdtemp()))
    >>> type(found[0]).__name__, type(found[-1]).__name__
    ('EarlyStopping', 'HistoryLog')
    """
    callbacks = [_stopping(recipe, folder), _learning_rate(recipe, folder)]
    clipping = gradient_clipping(recipe.clipping)
    callbacks += [clipping] if clipping else []
    callbacks += recipe.callbacks(data, folder)
    if recipe.rate_decay != 1:
        callbacks.append(stage_rates(model, recipe.rate_decay))
    return [*callbacks, HistoryLog(folder / "history.csv")]


def _stopping(recipe, folder):
    """Make what ends the training and brings the best weights back."""
    criterion = Diverged()
    if recipe.patience:
        criterion |= Patience(recipe.patience)
    if named := stopping_criterion(recipe.stopping):
        criterion |= named
    keep = folder / "training" / "best.weights.h5"
    return EarlyStopping(criterion, recipe.monitor, keep=keep)


def _learning_rate(recipe, folder):
    file, peak = folder / "learning_rate.txt", recipe.learning_rate
    if recipe.schedule == NOAM:
        # rises by itself, to a peak of scale * warmup ** -0.5
        noam = Noam(1, recipe.warmup, scale=peak * recipe.warmup**0.5)
        return LearningRate(noam, file=file)
    return LearningRate(recipe.schedule, peak=peak, warmup=recipe.warmup, file=file)


def _every(steps):
    """Tell how often to save: after each epoch, and within epochs that are long."""
    if steps > LONG_EPOCH:
        return {"every": LONG_EPOCH, "by": "step"}
    return {"every": 1, "by": "epoch"}


def _keep_best_model(recipe, data, stopping, folder):
    """Write the best model so far, freshly built: fit may have left it half changed."""
    model = build_model(recipe, data)
    if not stopping.restore(model):
        return "no epoch was finished, so there is no model to keep."
    with replacing(folder / "model.keras") as beside:
        model.save(beside)
    return (
        f"{folder / 'model.keras'} is the best so far, of epoch "
        f"{stopping.best_epoch + 1}. --resume carries on."
    )

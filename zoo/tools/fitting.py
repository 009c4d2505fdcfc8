"""Training the model of a recipe, so that nothing of it can be lost."""

import dataclasses
import time

import keras

from ...callbacks import (
    Diverged,
    EarlyStopping,
    HistoryLog,
    LearningRate,
    Patience,
    Resume,
)
from ...callbacks.files import replacing
from .. import registry
from .finetune import freeze_up_to, stage_rates

# steps; a state is saved at least as often
LONG_EPOCH = 500


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
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(recipe.precision)
    try:
        model = registry.build(
            recipe.model,
            classes=data.description.classes,
            input_shape=recipe.input_shape,
            weights=recipe.weights,
            **recipe.options,
        )
    finally:
        keras.config.set_dtype_policy(policy)
    if recipe.freeze is not None:
        freeze_up_to(model, recipe.freeze)
    rate = {"learning_rate": recipe.learning_rate}
    optimizer = keras.optimizers.get({"class_name": recipe.optimizer, "config": rate})
    steps = 1 if keras.config.backend() == "torch" else recipe.steps_per_execution
    model.compile(
        optimizer,
        keras.losses.get(recipe.loss),
        metrics=["accuracy"],
        steps_per_execution=steps,
    )
    return model


def fit(recipe, model, data, folder, verbose: str | int = "auto"):
    """Train a model with all that keeps a run from losing its work.

    Args:
        recipe: `Recipe`.
        model: Its compiled model; it ends with its best weights.
        data: Its `Data`.
        folder: Where history, logs and states go. A state found there is resumed. A
            number written to `learning_rate.txt` there overrides the rate.
        verbose: As for `fit`.

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
    stopping, log = _stopping(recipe, folder), HistoryLog(folder / "history.csv")
    callbacks = [stopping, _learning_rate(recipe, folder)]
    callbacks += [*recipe.callbacks(data, folder), log]
    if recipe.rate_decay != 1:
        callbacks.append(stage_rates(model, recipe.rate_decay))
    stateful = [callback for callback in callbacks if hasattr(callback, "get_state")]
    states = folder / "training" / "states"
    resume = Resume(states, stateful, data=data, **_every(data.steps))
    board = keras.callbacks.TensorBoard(
        folder / "tensorboard", write_graph=False, profile_batch=0
    )
    start = resume.epoch
    began = time.perf_counter()
    try:
        model.fit(
            data.train,
            validation_data=data.dev,
            epochs=recipe.epochs,
            initial_epoch=start,
            shuffle=False,  # the data shuffles itself, by seed and epoch
            verbose=verbose,
            callbacks=[*callbacks, board, resume],
        )
    except KeyboardInterrupt:
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


def _stopping(recipe, folder):
    """Make what ends the training and brings the best weights back."""
    criterion = Diverged()
    if recipe.patience:
        criterion |= Patience(recipe.patience)
    keep = folder / "training" / "best.weights.h5"
    return EarlyStopping(criterion, recipe.monitor, keep=keep)


def _learning_rate(recipe, folder):
    return LearningRate(
        recipe.schedule,
        peak=recipe.learning_rate,
        warmup=recipe.warmup,
        file=folder / "learning_rate.txt",
    )


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

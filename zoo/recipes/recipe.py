"""What a recipe is, and how text changes one."""

import dataclasses
import json
import pathlib
from collections.abc import Callable, Mapping
from math import inf
from typing import Any

import keras

from ...callbacks.rates import DECAYS
from ..choices import choose
from ..parts import Parts
from .named import gradient_clipping, optimizers, stopping_criterion

CROSS_ENTROPY = {
    "class_name": "SparseCategoricalCrossentropy",
    "config": {"from_logits": True},
}
MONITORS = ("val_loss", "val_accuracy", "loss", "accuracy")
NOAM = "noam"
SCHEDULES = (*DECAYS, NOAM)
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


def no_more(data, folder):
    """Make no further callbacks.

    Args:
        data: `Data` of the run.
        folder: Its folder.

    Returns:
        Empty list.

    Example:

    >>> no_more(None, None)
    []
    """
    return []


@dataclasses.dataclass(frozen=True)
class Promise:
    """What a recipe claims to reach, and how that was measured.

    Args:
        scores: What is reached on the test images at least, by the name that the
            figure has in the results of a run: `{"test_accuracy": 0.98}`.
        minutes: Minutes of training on two processor cores, `None` where nobody has
            measured them yet.
        measured: The measurement behind it, or why there is none yet.

    Example:

    >>> Promise({"test_accuracy": 0.98}, 2, "mean of 5 seeds").minutes
    2
    """

    scores: Mapping[str, float]
    minutes: float | None
    measured: str


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything needed to repeat one training run.

    Fields are text, numbers and Keras identifiers, so that a recipe can be written
    to a file and changed from the command line; `augment`, `more_classes` and
    `callbacks` belong to the recipe's name.

    Args:
        name: Its name.
        summary: One line for lists.
        data: What `kerasmith.zoo.data.load` takes: `"digits"`, `"tfds:mnist"`.
        model: What `kerasmith.zoo.build` takes.
        promise: What it claims to reach.
        input_shape: Height, width and channels of the images for the model.
        options: Further options for `kerasmith.zoo.build`, such as parts.
        weights: What training starts from: `"imagenet"` or the path of a `model.keras`
            of the same architecture; random ones if `None`.
        freeze: The last endpoint that keeps its weights, as for
            `kerasmith.zoo.finetune`; all layers train if `None`.
        rate_decay: Each stage learns at the rate of the next divided by this.
        scale: Multiplies pixel values of 0 to 255.
        offset: Is added to them then.
        augment: Makes the list of Keras layers that change the training images.
        more_classes: Makes of the training images and labels more of both, for what
            compares images, such as `kerasmith.zoo.data.turned_classes`.
        loss: Identifier of a loss on logits and integer labels.
        optimizer: Name of a Keras optimizer.
        optimizer_options: Its arguments beside the learning rate.
        learning_rate: The highest rate.
        schedule: How it falls to the last step: a name that
            `kerasmith.callbacks.rates.decay` knows, such as `"cosine"`; or `"noam"`,
            the root of the step, which needs `warmup` in steps.
        warmup: Steps of a straight rise before, or a share of all steps below 1.
        callbacks: Makes the list of further callbacks, from the `Data` and the folder
            of the run.
        monitor: Metric whose best epoch is kept.
        patience: Epochs without an improvement of it after which training stops;
            `None` stops only where it is not finite.
        stopping: Another criterion by which training stops, as text:
            `"generalization_loss:5"`, `"up_successive:3"`; see `stopping_criterion`.
        clipping: How gradients are clipped, as text: `"global_norm:1.0"`; see
            `gradient_clipping`.
        epochs: Number of epochs.
        batch_size: Images in a batch.
        steps_per_execution: Batches in one call of the compiled step; `None` takes
            several where the model is small.
        precision: `"float32"`, `"mixed_bfloat16"` or `"mixed_float16"`.
        seed: Seed of everything random.
        fold: Which fold of the training and choosing images is chosen by, such as
            `"2/5"`; `None` keeps the parts that the set has.

    Raises:
        ValueError: If a value cannot be right.

    Example:

    >>> recipe = Recipe("mine", "", "digits", "lenet5", Promise({}, 1, ""))
    >>> with_settings(recipe, {"epochs": "3", "norm": "batch"}).options
    {'norm': 'batch'}
    """

    name: str
    summary: str
    data: str
    model: str
    promise: Promise
    input_shape: tuple[int, ...] = (32, 32, 1)
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    weights: str | None = None
    freeze: str | None = None
    rate_decay: float = 1.0
    scale: float = 1 / 255
    offset: float = 0.0
    augment: Callable[[], list[keras.Layer]] | None = None
    more_classes: Callable[[Any, Any], tuple[Any, Any]] | None = None
    loss: Any = dataclasses.field(default_factory=lambda: dict(CROSS_ENTROPY))
    optimizer: str = "adam"
    optimizer_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    learning_rate: float = 1e-3
    schedule: str = "constant"
    warmup: int | float = 0
    callbacks: Callable[[Any, Any], list[keras.callbacks.Callback]] = no_more
    monitor: str = "val_loss"
    patience: int | None = None
    stopping: str | None = None
    clipping: str | None = None
    epochs: int = 10
    batch_size: int = 32
    steps_per_execution: int | None = None
    precision: str = "float32"
    seed: int = 0
    fold: str | None = None

    def __post_init__(self):
        for name in ("epochs", "batch_size"):
            _require(self, name, _is_count, "1, 2, ...")
        for name, none in (("patience", "none"), ("steps_per_execution", "a choice")):
            expected = f"1, 2, ... or null for {none}"
            _require(self, name, lambda v: v is None or _is_count(v), expected)
        _require(
            self, "seed", lambda value: type(value) is int and value >= 0, "0, 1, ..."
        )
        for name in ("learning_rate", "scale"):
            _require(self, name, lambda v: _is_number(v) and v > 0, "a number above 0")
        _require(self, "offset", _is_number, "a number")
        _require(
            self, "rate_decay", lambda v: _is_number(v) and 1 <= v < inf, "1 or more"
        )
        _require(
            self,
            "weights",
            lambda value: value is None or isinstance(value, str) and value,
            "'imagenet', a path, or null for random ones",
        )
        _require(
            self,
            "freeze",
            lambda value: value is None or self.weights is not None,
            "null where weights is: random weights would never train",
        )
        _require(self, "warmup", _is_warmup, "steps, or a share of them below 1")
        choose("schedule", self.schedule, SCHEDULES)
        if self.schedule == NOAM and not _is_count(self.warmup):
            raise ValueError(
                f"the schedule 'noam' needs warmup in steps, 1, 2, ..., received "
                f"{self.warmup!r}."
            )
        choose("metric to monitor", self.monitor, MONITORS)
        choose("precision", self.precision, PRECISIONS)
        choose("optimizer", self.optimizer, optimizers())
        if self.fold is not None:
            from ..data.folds import read_fold  # which brings in TensorFlow

            read_fold(self.fold)
        stopping_criterion(self.stopping)
        gradient_clipping(self.clipping)
        keras.losses.get(self.loss)
        _check_options("optimizer_options", self.optimizer_options)


# what text and files can only switch off
SWITCHES = ("augment", "more_classes")
# what goes with the name; the other fields they may change
_OWN = ("name", "summary", "promise", "callbacks", *SWITCHES)


def with_settings(recipe, settings):
    """Change a recipe by names and values.

    Args:
        recipe: The recipe to start from.
        settings: Mapping of names to values. A name is a field of the recipe, a part
            of the model (`norm`, `activation`, ...), or `augment` or `more_classes`
            with the value `none`. Text is read as JSON where it is JSON.

    Returns:
        A new recipe.

    Raises:
        ValueError: If a name is unknown or a value cannot be right.

    Example:

    >>> recipe = Recipe("mine", "", "digits", "lenet5", Promise({}, 1, ""))
    >>> with_settings(recipe, {"learning_rte": "0.1"})
    Traceback (most recent call last):
    ValueError: there is no setting 'learning_rte'; did you mean 'learning_rate'? ...
    """
    parts = [field.name for field in dataclasses.fields(Parts)]
    fields: dict[str, Any] = {}
    options, known = dict(recipe.options), _settings(recipe)
    for name, value in settings.items():
        choose("setting", name, [*known, *SWITCHES, *parts])
        value = _parse(value)
        if name in SWITCHES:
            _check_switch(name, value)
            fields[name] = None
        elif name == "input_shape":
            fields[name] = _shape(value)
        elif name == "options":
            options |= _check_options(name, value)
        elif name in known:
            fields[name] = value
        else:
            options[name] = value
    return dataclasses.replace(recipe, **fields, options=options)


def to_config(recipe):
    """Write a recipe as data that `from_config` and JSON understand.

    Args:
        recipe: The recipe.

    Returns:
        Dictionary.

    Example:

    >>> to_config(Recipe("mine", "", "digits", "lenet5", Promise({}, 1, "")))["model"]
    'lenet5'
    """
    config = {name: getattr(recipe, name) for name in _settings(recipe)}
    switches = {name: getattr(recipe, name) is not None for name in SWITCHES}
    return {"name": recipe.name, **config, **switches}


def from_config(config, recipe):
    """Read what `to_config` wrote.

    Args:
        config: The dictionary.
        recipe: The recipe of that name, for what is not data.

    Returns:
        The recipe that was written.

    Raises:
        ValueError: If a value cannot be right.

    Example:

    >>> recipe = Recipe("mine", "", "digits", "lenet5", Promise({}, 1, ""))
    >>> from_config(to_config(recipe), recipe) == recipe
    True
    """
    settings = {name: config[name] for name in _settings(recipe) if name in config}
    shape = settings.get("input_shape", recipe.input_shape)
    # texts have none
    settings["input_shape"] = _shape(shape) if shape else ()
    settings |= {name: None for name in SWITCHES if not config.get(name, True)}
    return dataclasses.replace(recipe, **settings)


def read_config(path):
    """Read the configuration of a run.

    Args:
        path: The file `config.json` of a run.

    Returns:
        Dictionary; the recipe's data stands under `"recipe"`.

    Raises:
        ValueError: If the file is no configuration of a run, or was cut short.
        OSError: If it cannot be read.

    Example:

    >>> read_config("nowhere.json")
    Traceback (most recent call last):
    FileNotFoundError: ...
    """
    text = pathlib.Path(path).read_text(encoding="utf-8")
    try:
        config = json.loads(text)
        config["recipe"]["name"]
    except (ValueError, TypeError, KeyError) as problem:
        raise ValueError(
            f"{path} is no configuration of a run, or was cut short: {problem!r}. "
            "Train again with the recipe's name."
        ) from None
    return config


def _settings(recipe):
    """Name the fields of a recipe that text and files may change."""
    names = (field.name for field in dataclasses.fields(recipe))
    return [name for name in names if name not in _OWN]


def _parse(value) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _shape(value):
    if isinstance(value, str):
        value = value.replace("x", ",").split(",")
    try:
        shape = tuple(int(size) for size in value)
    except (TypeError, ValueError):
        shape = ()
    if len(shape) != 3 or min(shape) < 1:
        raise ValueError(
            f"input_shape needs height, width and channels, such as 32x32x1, received "
            f"{value!r}."
        )
    return shape


def _check_options(name, value):
    if not isinstance(value, Mapping):
        raise ValueError(
            f"{name} needs a JSON object of names and values, received {value!r}."
        )
    return value


def _check_switch(name, value):
    if value not in (None, False, "none"):
        raise ValueError(
            f"{name} belongs to the recipe and can only be switched off with "
            f"{name}=none, received {value!r}."
        )


def _is_count(value):
    return type(value) is int and value > 0


def _is_number(value):
    return type(value) in (int, float)


def _is_warmup(value):
    return type(value) is int and value >= 0 or type(value) is float and 0 < value < 1


def _require(recipe, name, right, expected):
    value = getattr(recipe, name)
    if not right(value):
        raise ValueError(f"{name} needs to be {expected}, received {value!r}.")

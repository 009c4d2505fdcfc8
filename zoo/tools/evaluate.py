"""Judging finished runs on a split: how often right, and how often as sure as right."""

import dataclasses
from typing import Any

import keras
import numpy as np

from .. import data as datasets
from ..choices import choose
from ..data.dataset import SPLITS
from .calibration import (
    TEMPERATURES,
    Calibration,
    calibration,
    fit_temperature,
    log_softmax,
)
from .ensemble import difference, open_members
from .report import confusion_matrix, per_class
from .views import count_views, size_before

TOP = 5


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluation:
    """What runs reached on a split.

    Args:
        runs: Folders of the runs.
        data: Name of the data set.
        split: `"train"`, `"dev"` or `"test"`.
        crops: The views taken of each image, or `None`.
        labels: The names of the classes.
        truth: The true classes, integers of shape `(examples,)`.
        probabilities: Array of shape `(examples, classes)`.
        accuracy: Share of the examples whose most likely class is the true one.
        top: 5, or the number of classes where there are fewer.
        top_accuracy: Share whose true class is among the `top` most likely ones.
        loss: Mean negative logarithm of the true class's probability.
        classes: `label`, `support`, `precision`, `recall` and `f1` of each class.
        matrix: Confusion matrix, a row a true class.
        calibration: `Calibration` of the probabilities.
        temperature: What the logits divided by would have been calibrated, learned
            from the dev split; `None` where that is the split judged.
        calibrated: `Calibration` behind that temperature, or `None`.
        notes: What to know when reading the figures, sentences.

    Example:

    >>> found = figures(np.log([[0.9, 0.1], [0.2, 0.8]]), [0, 0], ("cat", "dog"))
    >>> found["accuracy"], found["top"], found["classes"][0]["recall"]
    (0.5, 2, 0.5)
    """

    runs: tuple[str, ...]
    data: str
    split: str
    crops: str | None
    labels: tuple[str, ...]
    truth: np.ndarray
    probabilities: np.ndarray
    accuracy: float
    top: int
    top_accuracy: float
    loss: float
    classes: list[dict[str, Any]]
    matrix: np.ndarray
    calibration: Calibration
    temperature: float | None
    calibrated: Calibration | None
    notes: tuple[str, ...]

    def to_dict(self):
        """Give the figures as data for JSON, without those of single examples.

        Returns:
            Dictionary; what has no value (nothing out of nothing) is `None`.
        """
        kept: dict[str, Any] = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in ("truth", "probabilities")
        }
        kept["examples"] = len(self.truth)
        kept["matrix"] = self.matrix.tolist()
        kept["classes"] = [
            {k: None if v != v else v for k, v in row.items()} for row in self.classes
        ]
        for name in ("calibration", "calibrated"):
            kept[name] = kept[name] and kept[name].to_dict()
        return kept


def evaluate(runs, data=None, split="test", *, crops=None):
    """Judge a run, or the mean of the probabilities of several, on a split.

    Args:
        runs: Folder of a run, or a list of them.
        data: Data set with the same labels; that of the runs if `None`.
        split: `"train"`, `"dev"` or `"test"`; images are not augmented.
        crops: `None`, or the views that each model takes of an image: `"flip"`, the
            image and its mirror image; `"five"`, the corners and the centre of the
            image enlarged by 256/224; `"ten"`, these and their mirror images. Ask
            for mirror images only where they keep the class: a digit's do not.

    Returns:
        `Evaluation`.

    Raises:
        FileNotFoundError: If a run or its model is not there.
        ValueError: If labels differ, an option is unknown, or a model was cut short
            or answers with NaN.
        OSError: If the data cannot be read.

    Example:

    >>> evaluate("nowhere")
    Traceback (most recent call last):
    FileNotFoundError: nowhere is no finished run: it has no config.json.
    """
    choose("split", split, SPLITS)
    members = open_members(runs, crops)
    data = data or _common_data(members)
    truth, told = _ask(members, data, dict.fromkeys((split, "dev")), crops)
    found = figures(told[split], truth[split], members[0].labels)
    notes = _notes(members, data, split, crops)
    temperature = calibrated = None
    if split != "dev":
        temperature = fit_temperature(told["dev"], truth["dev"])
        probabilities = np.exp(log_softmax(told[split], temperature))
        calibrated = calibration(probabilities, truth[split])
        notes += _at_the_limit(temperature)
    return Evaluation(
        runs=tuple(str(member.folder) for member in members),
        data=data,
        split=split,
        crops=crops,
        labels=members[0].labels,
        truth=truth[split],
        **found,
        temperature=temperature,
        calibrated=calibrated,
        notes=tuple(notes),
    )


def figures(logits, truth, labels, top=TOP) -> dict[str, Any]:
    """Score the answers to a split.

    Args:
        logits: Logits, or logarithms of probabilities, `(examples, classes)`.
        truth: The true classes, integers.
        labels: The names of the classes.
        top: How many of the most likely classes may hold the true one; all there
            are where there are fewer.

    Returns:
        Dictionary of `probabilities`, `accuracy`, `top`, `top_accuracy`, `loss`,
        `classes`, `matrix` and `calibration`, as in `Evaluation`.

    Raises:
        ValueError: If an answer is not finite.

    Example:

    >>> found = figures(np.log([[0.9, 0.1], [0.2, 0.8]]), [0, 0], ("cat", "dog"))
    >>> found["matrix"].tolist(), round(found["loss"], 3)
    ([[1, 1], [0, 0]], 0.857)
    """
    truth = np.asarray(truth, int)
    told = log_softmax(logits)
    if not np.isfinite(np.asarray(logits)).all() or not len(truth):
        raise ValueError(
            f"{len(truth)} examples were answered, and not all with finite numbers: "
            "there is nothing to judge. Did the training diverge?"
        )
    ranking = np.argsort(-told, axis=1, kind="stable")
    top = min(top, told.shape[1])
    matrix = confusion_matrix(truth, ranking[:, 0], len(labels))
    return {
        "probabilities": np.exp(told),
        "accuracy": float(np.mean(ranking[:, 0] == truth)),
        "top": top,
        "top_accuracy": float((ranking[:, :top] == truth[:, None]).any(axis=1).mean()),
        "loss": float(-told[np.arange(len(truth)), truth].mean()),
        "classes": per_class(matrix, labels),
        "matrix": matrix,
        "calibration": calibration(np.exp(told), truth),
    }


def _common_data(members):
    """Name the data set that all were trained on."""
    names = list(dict.fromkeys(member.recipe.data for member in members))
    if len(names) > 1:
        raise ValueError(
            f"the runs were trained on {' and '.join(names)}: say with data which "
            "one they are to be judged on."
        )
    return names[0]


def _ask(members, data, splits, crops):
    """Give the true classes and the mean answer of the members, a split each.

    The answers are the logarithms of the mean probabilities.
    """
    groups = {}
    for member in members:
        recipe = member.recipe
        key = (recipe.input_shape, recipe.scale, recipe.offset)
        groups.setdefault(key, []).append(member)
    truth, answers = {}, {split: [] for split in splits}
    for group in groups.values():
        loaded = _load(group[0], data, crops)
        places = _places(loaded.description, group[0])
        for split in splits:
            labels, told = _ask_split(group, loaded.batches(split))
            mapped = places[labels]
            if not np.array_equal(truth.setdefault(split, mapped), mapped):
                raise ValueError(
                    f"the {split} split of {data} changed while it was read."
                )
            answers[split] += told
    mean = {
        split: np.logaddexp.reduce(np.stack(told)) - np.log(len(told))
        for split, told in answers.items()
    }
    return truth, mean


def _load(member, data, crops):
    """Load a data set as a member takes it, every view of a batch in memory at once."""
    recipe = member.recipe
    return datasets.load(
        data,
        input_shape=size_before(recipe.input_shape, crops),
        batch_size=max(1, recipe.batch_size // count_views(crops)),
        preprocess=member.preprocess,
        hold=False,  # each split is read once, and the training images not at all
    )


def _ask_split(group, batches):
    """Give the labels of a split, and what each model of a group says of it."""
    truth, told = [], [[] for _ in group]
    for images, labels in batches:
        truth.append(np.asarray(labels).reshape(-1))
        for member, rows in zip(group, told, strict=True):
            rows.append(np.asarray(member.model.predict_on_batch(np.asarray(images))))
    if not truth:
        raise ValueError("the split holds no examples, so there is nothing to judge.")
    return np.concatenate(truth), [log_softmax(np.concatenate(rows)) for rows in told]


def _places(description, member):
    """Tell for each label of a data set its place among those of the runs."""
    theirs, ours = tuple(description.labels), member.labels
    if sorted(theirs) != sorted(ours):
        raise ValueError(
            f"{description.name} cannot judge {member.folder}, whose labels come "
            f"first: {difference(ours, theirs)}"
        )
    same = theirs == ours  # labels may repeat, so look for their places only if need be
    return np.array([i if same else ours.index(name) for i, name in enumerate(theirs)])


def _at_the_limit(temperature):
    """Say where no temperature fits, which also tells something of the answers."""
    coldest, hottest = TEMPERATURES
    if coldest * 1.001 < temperature < hottest / 1.001:
        return []
    if temperature < 1:
        why = "on the dev split, next to no answer is wrong"
    else:
        why = "on the dev split, the answers are no better than chance"
    return [f"The temperature of {temperature:.3g} is the limit, not a fit: {why}."]


def _notes(members, data, split, crops):
    """Say what the figures must not be taken for."""
    notes = []
    if len(members[0].labels) < TOP:
        notes.append(f"There are fewer than {TOP} classes: top-{TOP} is all of them.")
    if split != "test":
        notes.append(f"The {split} split had a part in the training of the runs.")
    if split == "dev":
        notes.append("No temperature is fitted: it would be on the split judged.")
    if crops in ("flip", "ten"):
        new = [str(m.folder) for m in members if not _mirrors(m.recipe.augment)]
        notes += [_mirror_note(new)] if new else []
    return notes


def _mirror_note(runs):
    return (
        f"Mirror images are new to {', '.join(runs)}, whose training had none: do they "
        "keep the class?"
    )


def _mirrors(augment):
    layers = augment() if augment else []
    return any(
        isinstance(layer, keras.layers.RandomFlip) and "horizontal" in layer.mode
        for layer in layers
    )

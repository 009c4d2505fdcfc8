"""Several runs as one classifier: the mean of their probabilities.

Each run keeps its own preprocessing, so that networks of other input sizes, scales
and channels answer together.
"""

import dataclasses
import pathlib

import keras

from .. import data as datasets
from .. import recipes, registry
from .export import export
from .finished import open_run
from .keras_files import load_model
from .samples import real_images
from .views import AverageProbabilities, count_views, size_before, with_views

SAMPLES = 64  # views in one batch of the check


@dataclasses.dataclass(frozen=True, eq=False)
class Member:
    """One run of an ensemble.

    Args:
        folder: Folder of the run.
        recipe: Its `Recipe`.
        labels: The names of its classes.
        model: From preprocessed images to the logarithms of probabilities.
        preprocess: From raw images to what the model takes.

    Example:

    >>> [field.name for field in dataclasses.fields(Member)][:2]
    ['folder', 'recipe']
    """

    folder: pathlib.Path
    recipe: recipes.Recipe
    labels: tuple[str, ...]
    model: keras.Model
    preprocess: keras.layers.Layer


def open_members(runs, crops=None):
    """Load the models of finished runs.

    Args:
        runs: Folder of a run, or a list of them.
        crops: Views that each takes of an image: `None`, `"flip"`, `"five"`, `"ten"`.

    Returns:
        List of `Member`.

    Raises:
        FileNotFoundError: If a run or its model is not there.
        ValueError: If there is no run, one is not of a classifier, a model was cut
            short, or the labels of the runs differ.

    Example:

    >>> open_members(["nowhere"])
    Traceback (most recent call last):
    FileNotFoundError: nowhere is no finished run: it has no config.json.
    """
    folders = [runs] if isinstance(runs, (str, pathlib.Path)) else list(runs)
    if not folders:
        raise ValueError("an ensemble needs one run or more, received none.")
    members = []
    for number, folder in enumerate(map(pathlib.Path, folders), start=1):
        labels = tuple(open_run(folder)["data"]["labels"])
        if members and labels != members[0].labels:
            raise ValueError(
                f"the runs {members[0].folder} and {folder} cannot answer together: "
                f"{difference(members[0].labels, labels)}"
            )
        recipe = recipes.get(folder / "config.json")
        task = registry.variant(recipe.model).task
        if task != "classification":
            asks = "translate" if task == "translation" else "predict"
            raise ValueError(
                f"{folder} is a run of {task}; classifiers are evaluated so. What it "
                f"reached on the test split is in {folder / 'results.json'} and its "
                f"report, and `kerasmith {asks}` asks it about more."
            )
        model = load_model(folder / "model.keras")
        members.append(
            Member(
                folder,
                recipe,
                labels,
                # names in a model must differ, and runs of one recipe share theirs
                with_views(model, crops, f"run_{number}"),
                datasets.preprocessing(
                    size_before(recipe.input_shape, crops), recipe.scale, recipe.offset
                ),
            )
        )
    return members


def difference(ours, theirs, most=5):
    """Say in what two lists of labels differ.

    Args:
        ours: Labels.
        theirs: Others.
        most: How many of a kind to name at the most.

    Returns:
        A sentence.

    Example:

    >>> difference(("cat", "dog"), ("cat", "cow", "hen"))
    'only the first has the labels dog; only the second has the labels cow, hen.'
    >>> difference(("cat", "dog"), ("dog", "cat"))
    'the labels stand in another order, the first being cat and dog.'
    """
    told = []
    for name, some, others in (("first", ours, theirs), ("second", theirs, ours)):
        only = [label for label in some if label not in others]
        more = f" and {len(only) - most} more" * (len(only) > most)
        if only:
            named = ", ".join(only[:most])
            told.append(f"only the {name} has the labels {named}{more}")
    if not told:
        pairs = zip(ours, theirs, strict=False)
        first = next((f"{a} and {b}" for a, b in pairs if a != b), "none")
        told = [f"the labels stand in another order, the first being {first}"]
    return "; ".join(told) + "."


def ensemble(runs, *, crops=None):
    """Put the models of runs together, each behind its own preprocessing.

    Args:
        runs: Folder of a run, or a list of them.
        crops: `None`, or the views that each model takes of an image: `"flip"`, the
            image and its mirror image; `"five"`, the corners and the centre of the
            image enlarged by 256/224; `"ten"`, these and their mirror images.

    Returns:
        Functional model from raw images, values 0 to 255, `(batch, any height, any
        width, channels)`, to the logarithms of the mean probabilities.

    Raises:
        FileNotFoundError: If a run or its model is not there.
        ValueError: If the labels of the runs differ, or a model was cut short.

    Example:

    >>> ensemble("nowhere", crops="ten")
    Traceback (most recent call last):
    FileNotFoundError: nowhere is no finished run: it has no config.json.
    """
    return _join(open_members(runs, crops))


def _join(members):
    """Put members together: each behind its own preprocessing, then their mean."""
    wanted = _channels(members)
    image = keras.Input((None, None, wanted), name="images")
    grey = keras.ops.image.rgb_to_grayscale
    answers = []
    for member in members:
        own = member.recipe.input_shape[-1]
        x = image if own == wanted else grey(image, data_format="channels_last")
        for stage in member.preprocess.layers:
            x = stage(x)
        answers.append(member.model(x))
    mean = AverageProbabilities(len(answers), len(members[0].labels))
    if len(answers) > 1:
        answers = [keras.layers.Concatenate(dtype="float32")(answers)]
    return keras.Model(image, mean(answers[0]), name="ensemble")


def _channels(members):
    """Give 3 where one of them takes colour; runs on grey images make theirs grey."""
    return max(member.recipe.input_shape[-1] for member in members)


def export_ensemble(runs, path, *, crops=None, data=None):
    """Write runs as one SavedModel: raw images in, mean probabilities out.

    It serves and is checked as the SavedModel of a run is, on images of the test
    split.

    Args:
        runs: Folder of a run, or a list of them.
        path: Folder that receives `saved_model/`.
        crops: As for `ensemble`.
        data: Data set of the images to check with; that of the first run if `None`.

    Returns:
        Path of the SavedModel.

    Raises:
        FileNotFoundError: If a run or its model is not there.
        ValueError: If the labels of the runs differ, or a model was cut short.
        ExportMismatch: If the file answers differently from the models.

    Example:

    >>> export_ensemble("nowhere", "exported")
    Traceback (most recent call last):
    FileNotFoundError: nowhere is no finished run: it has no config.json.
    """
    members = open_members(runs, crops)
    first = members[0].recipe
    shape = (*first.input_shape[:2], _channels(members))
    # a batch of the check holds every view of its images at once
    count = max(1, SAMPLES // count_views(crops))
    try:
        loaded = datasets.load(data or first.data, input_shape=shape, hold=False)
        samples = real_images(loaded, count)
    except OSError:
        samples = None
    written = export(_join(members), path, labels=members[0].labels, samples=samples)
    return written["saved_model"]

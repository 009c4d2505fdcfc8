"""The task of classifiers: one label for each image."""

import keras

from .. import data as datasets
from . import judge as judging
from .export import export as write_files
from .samples import real_images


def load(recipe):
    """Load the data of a recipe, shaped and scaled for its model.

    Args:
        recipe: `Recipe`.

    Returns:
        `Data`.

    Raises:
        ValueError: If there is no such data set.

    Example:

    >>> from .. import recipes
    >>> load(recipes.get("lenet5_digits")).description.classes
    10
    """
    return datasets.load(recipe.data, **loading(recipe))


def loading(recipe):
    """Give what a recipe says about loading, beside the name of the set.

    Args:
        recipe: `Recipe`.

    Returns:
        Dictionary of keywords for `kerasmith.zoo.data.load`.

    Example:

    >>> from .. import recipes
    >>> loading(recipes.get("lenet5_digits"))["batch_size"]
    32
    """
    return {
        "input_shape": recipe.input_shape,
        "batch_size": recipe.batch_size,
        "seed": recipe.seed,
        "fold": recipe.fold,
        "preprocess": datasets.preprocessing(
            recipe.input_shape, recipe.scale, recipe.offset
        ),
        "augment": recipe.augment() if recipe.augment else None,
    }


def options(recipe, data):
    """Tell the builder how many classes there are.

    Args:
        recipe: `Recipe`.
        data: `Data`.

    Returns:
        Dictionary.

    Example:

    >>> from .. import recipes
    >>> recipe = recipes.get("lenet5_digits")
    >>> options(recipe, load(recipe))
    {'classes': 10, 'input_shape': (32, 32, 1)}
    """
    return {
        "classes": data.description.classes,
        "input_shape": recipe.input_shape,
    }


def feed(recipe, data):
    """Feed the batches as they are.

    Args:
        recipe: `Recipe`.
        data: `Data`.

    Returns:
        The data.

    Example:

    >>> feed(None, "batches")
    'batches'
    """
    return data


def metrics(data):
    """Measure the share of images that are right.

    Args:
        data: `Data`.

    Returns:
        List of metrics.

    Example:

    >>> metrics(None)
    ['accuracy']
    """
    return ["accuracy"]


def example_shape(recipe):
    """Give the shape of one example.

    Args:
        recipe: `Recipe`.

    Returns:
        Height, width and channels.

    Example:

    >>> from .. import recipes
    >>> example_shape(recipes.get("lenet5_digits"))
    (32, 32, 1)
    """
    return recipe.input_shape


def check(data, model):
    """Refuse data that the model cannot learn from.

    Args:
        data: `Data`.
        model: The model.

    Raises:
        ValueError: If something is wrong.

    Example:

    >>> from kerasmith import zoo
    >>> check(zoo.data.load("digits"), zoo.build("lenet5", input_shape=(8, 8, 1)))
    Traceback (most recent call last):
    ValueError: lenet5 needs images of at least 32 x 32, received input_shape (8, ...
    """
    datasets.check(data, model)


def judge(recipe, model, data):
    """Judge a model by the test images.

    Args:
        recipe: `Recipe`.
        model: The trained model.
        data: `Data`.

    Returns:
        `Verdict`.

    Example:

    >>> judge.__name__
    'judge'
    """
    return judging.judge(model, data.test, keras.losses.get(recipe.loss))


def export(
    model,
    recipe,
    path,
    formats=("saved_model",),
    labels=None,
    samples=None,
    results=None,
):
    """Write the model with its preprocessing.

    Args:
        model: The trained model.
        recipe: `Recipe`.
        path: Folder to write to.
        formats: As for `kerasmith.zoo.export`.
        labels: Names of the classes.
        samples: Raw images to check with.
        results: Not needed.

    Returns:
        Dictionary of each format to its path.

    Raises:
        ExportMismatch: If a file answers differently.

    Example:

    >>> export.__name__
    'export'
    """
    preprocess = datasets.preprocessing(recipe.input_shape, recipe.scale, recipe.offset)
    return write_files(
        model, path, formats, labels=labels, preprocess=preprocess, samples=samples
    )


samples, show = real_images, judging.write_findings

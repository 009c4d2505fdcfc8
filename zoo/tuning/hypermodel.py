"""Recipes as models that any tuner of keras-tuner can search."""

import pathlib
import tempfile

import keras_tuner

from .. import recipes
from ..tools import search
from ..tools.fitting import build_model, callbacks_of
from ..tools.run import load_data
from ..tools.tasks import task_of


class RecipeHyperModel(keras_tuner.HyperModel):
    """A recipe for keras-tuner's own tuners.

        tuner = keras_tuner.RandomSearch(
            RecipeHyperModel("lenet5_digits", vary=["learning_rate", "norm"]),
            objective="val_accuracy", max_trials=10, directory="runs/random")
        tuner.search()

    `kerasmith.zoo.tune` searches the same space, and loses nothing on the way.

    Args:
        recipe: `Recipe`, or what `recipes.get` takes.
        fixed: Mapping of settings that do not vary to their values.
        vary: Names of settings that vary, or a mapping of them to the values left to
            them; all but the architecture if `None`.

    Raises:
        ValueError: If there is no such recipe.

    Example:

    >>> hypermodel = RecipeHyperModel("lenet5_digits", vary=["batch_size"])
    >>> hypermodel.build(keras_tuner.HyperParameters()).output_shape
    (None, 10)
    """

    def __init__(self, recipe, *, fixed=None, vary=None):
        super().__init__(name=None, tunable=True)
        named = isinstance(recipe, str | pathlib.Path)
        self.recipe = recipes.get(recipe) if named else recipe
        self.fixed, self.vary = fixed, vary
        self._chosen, self._data = self.recipe, {}

    def build(self, hp):
        """Build and compile the model that was chosen.

        Args:
            hp: `keras_tuner.HyperParameters`.

        Returns:
            Compiled model.
        """
        options = {"fixed": self.fixed, "vary": self.vary}
        values = search.recipe_space(hp, self.recipe, **options)
        self._chosen = search.with_values(self.recipe, values)
        return build_model(self._chosen, self._load())

    def fit(self, hp, model, *_, **options):
        """Train it as the recipe does.

        Args:
            hp: `keras_tuner.HyperParameters`; `build` has used it.
            model: What `build` gave.
            **options: `epochs`, `verbose` and `callbacks` of the tuner.

        Returns:
            `keras.callbacks.History`.
        """
        recipe, data = self._chosen, self._load()
        feed = task_of(recipe).feed(recipe, data)
        feed.seek(0)
        with tempfile.TemporaryDirectory() as folder:
            own = callbacks_of(recipe, model, data, pathlib.Path(folder))
            options = {"epochs": recipe.epochs, **options}
            options["callbacks"] = [*own, *options.get("callbacks", ())]
            dev = feed.dev
            return model.fit(feed.train, validation_data=dev, shuffle=False, **options)

    def _load(self):
        size = self._chosen.batch_size
        if size not in self._data:
            self._data = {size: load_data(self._chosen)}  # the newest alone
        return self._data[size]

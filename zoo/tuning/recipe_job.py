"""What the trials of a recipe train."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras_tuner

from .. import recipes
from ..tools import search
from ..tools.fitting import build_model, fit
from ..tools.judge import read_history
from ..tools.run import load_data, set_seeds
from ..tools.tasks import task_of

EPOCHS = "tuner/epochs"  # how keras-tuner's Hyperband says how long a trial trains


@dataclasses.dataclass(frozen=True)
class RecipeJob:
    """Trials of a recipe.

    Args:
        config: The recipe as `recipes.to_config` writes it.
        fixed: Settings that do not vary.
        vary: Names of those that vary, or a mapping of them to their values; all if
            `None`.
        folds: Number of parts that the training and choosing images are cut into, of
            which each is chosen by once; `None` keeps the parts of the data set.

    Example:

    >>> config = recipes.to_config(recipes.get("lenet5_digits"))
    >>> job = RecipeJob(config, {"optimizer": "adam"}, ["learning_rate"])
    >>> [row.name for row in job.space().space]
    ['adaptive_learning_rate']
    """

    config: Mapping[str, Any]
    fixed: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    vary: Any = None
    folds: int | None = None
    looks = False  # its space is known without a look

    @classmethod
    def of(cls, described):
        """Make it of what `described` gave.

        Args:
            described: The dictionary.

        Returns:
            `RecipeJob`.
        """
        config, fixed = described["recipe"], described["fixed"]
        return cls(config, fixed, described["vary"], described["folds"])

    def described(self):
        """Describe it as data that JSON understands.

        Returns:
            Dictionary.
        """
        fields = {"recipe": self.config, "fixed": self.fixed, "vary": self.vary}
        return {**fields, "folds": self.folds}

    @property
    def recipe(self):
        """The recipe."""
        return recipes.from_config(self.config, recipes.get(self.config["name"]))

    def space(self):
        """Give the space.

        Returns:
            `keras_tuner.HyperParameters`; its values are the recipe's own.

        Raises:
            ValueError: If a setting is unknown, or a value is outside its range.
        """
        hp = keras_tuner.HyperParameters()
        self._declare(hp)
        return hp

    def chosen(self, values):
        """Give the recipe of a trial.

        Args:
            values: Mapping of active hyperparameters to values.

        Returns:
            `Recipe`.
        """
        hp = self.space()
        hp.values = dict(values)
        recipe = search.with_values(self.recipe, self._declare(hp))
        if EPOCHS in values:
            recipe = dataclasses.replace(recipe, epochs=values[EPOCHS])
        return recipe

    def _declare(self, hp):
        options = {"fixed": self.fixed, "vary": self.vary}
        return search.recipe_space(hp, self.recipe, **options)

    def _of_fold(self, number, recipe=None):
        recipe = recipe or self.recipe
        fold = f"{number + 1}/{self.folds}" if self.folds else recipe.fold
        return dataclasses.replace(recipe, fold=fold)

    def check(self):
        """Train one batch of the recipe as it is, to see that it can be trained.

        Returns:
            Names of the metrics that its epochs log.
        """
        recipe = dataclasses.replace(self._of_fold(0), steps_per_execution=1)
        data = load_data(recipe)
        feed = task_of(recipe).feed(recipe, data)
        options = {"validation_data": feed.dev.take(1), "verbose": 0}
        model = build_model(recipe, data)
        return sorted(model.fit(feed.train.take(1), **options).history)

    def run(self, values, folder, number, seed):
        """Train once.

        Args:
            values: Mapping of active hyperparameters to values.
            folder: Where its files go; what is there is carried on with.
            number: Which execution it is, from 0.
            seed: Seed of everything random.

        Returns:
            Mapping of metrics to their values, one an epoch, and the seconds.

        Raises:
            ValueError: If a value cannot be right, or the score was never finite.
        """
        recipe = dataclasses.replace(self.chosen(values), seed=seed)
        recipe = self._of_fold(number, recipe)
        set_seeds(recipe.seed)
        data = load_data(recipe)
        model = build_model(recipe, data)
        fitted = fit(recipe, model, data, folder, verbose=0)
        model.save_weights(folder / "best.weights.h5")
        return read_history(folder / "history.csv"), fitted.seconds

"""Recipes: changed by text, written to a file and read again."""

import dataclasses
import json

import keras
import pytest

from kerasmith import zoo
from kerasmith.zoo import recipes
from kerasmith.zoo.tools.symbolic import without_numbers

RECIPE = recipes.get("lenet5_digits")


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_builds(name):
    recipe = recipes.get(name)
    assert recipe.name == name and recipe.summary
    promise = recipe.promise
    assert promise.scores
    assert all(0 < least <= 1 for least in promise.scores.values())
    if promise.minutes is None:
        assert "not yet measured here" in promise.measured
    else:
        assert promise.minutes > 0 and "mean of" in promise.measured
    texts = isinstance(recipe, recipes.TextRecipe)
    shape = {} if texts else {"input_shape": recipe.input_shape}
    model = without_numbers(lambda: zoo.build(recipe.model, **shape, **recipe.options))
    assert model.inputs[0].shape[1:] == ((None,) if texts else recipe.input_shape)
    loss = keras.losses.get(recipe.loss)
    assert isinstance(loss, keras.losses.Loss)
    assert loss.get_config().get("from_logits", True), "networks give logits"
    for layer in recipe.augment() if recipe.augment else []:
        assert isinstance(layer, keras.Layer)


def test_text_changes_fields_and_parts():
    changed = recipes.with_settings(
        RECIPE,
        {
            "epochs": "3",
            "learning_rate": "1e-2",
            "norm": "group:2",
            "input_shape": "40x36x1",
            "augment": "none",
            "loss": '{"class_name": "SparseCategoricalCrossentropy", "config": {}}',
        },
    )
    assert changed.epochs == 3 and changed.learning_rate == 0.01
    assert changed.options == {"norm": "group:2"}
    assert changed.input_shape == (40, 36, 1)
    assert changed.augment is None
    assert RECIPE.options == {} and RECIPE.augment is not None


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"learning_rte": 0.1}, "did you mean 'learning_rate'"),
        ({"epochs": "0"}, "epochs needs to be 1, 2, ..., received 0"),
        ({"epochs": "many"}, "received 'many'"),
        ({"epochs": "2.5"}, "received 2.5"),
        ({"batch_size": True}, "received True"),
        ({"seed": -1}, "seed needs"),
        ({"learning_rate": "-1"}, "a number above 0"),
        ({"schedule": "cosin"}, "did you mean 'cosine'"),
        ({"monitor": "val_acuracy"}, "did you mean 'val_accuracy'"),
        ({"options": "3"}, "a JSON object of names"),
        ({"optimizer": "adm"}, "did you mean 'adam"),
        ({"precision": "mixed_float"}, "did you mean 'mixed_float16'"),
        ({"input_shape": "32x32"}, "height, width and channels"),
        ({"augment": "more"}, "augment=none"),
        ({"more_classes": "many"}, "more_classes=none"),
    ],
)
def test_wrong_settings_are_told(settings, message):
    with pytest.raises(ValueError, match=message):
        recipes.with_settings(RECIPE, settings)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"vocabulary": "words"}, "vocabulary needs a JSON object"),
        ({"vocabulary": {"sort": "words"}}, "there is no setting of vocabulary 'sort'"),
        ({"source_length": "0"}, "source_length needs to be 1, 2, ..., received 0"),
        ({"beams": 2.5}, "beams needs to be 1, 2, ..."),
        ({"length_penalty": "-1"}, "length_penalty needs to be 0 or more"),
        ({"input_shape": "32x32x1"}, "texts have no height and width"),
        ({"schedule": "noam"}, "needs warmup in steps"),
    ],
)
def test_wrong_settings_of_texts_are_told(settings, message):
    with pytest.raises(ValueError, match=message):
        recipes.with_settings(recipes.get("seq2seq_dates"), settings)


def test_a_recipe_of_texts_survives_its_file(tmp_path):
    recipe = recipes.get("transformer_base_wmt")
    changed = recipes.with_settings(recipe, {"vocabulary": '{"kind": "words"}'})
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"recipe": recipes.to_config(changed)}))
    assert recipes.get(path) == changed != recipe


def test_a_recipe_survives_its_file(tmp_path):
    changed = recipes.with_settings(
        RECIPE, {"epochs": 3, "norm": "batch", "augment": None}
    )
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"recipe": recipes.to_config(changed)}))
    assert recipes.get(path) == changed
    path.write_text(json.dumps({"recipe": recipes.to_config(RECIPE)}))
    assert recipes.get(path) == RECIPE


def test_every_field_is_data_or_belongs_to_the_name():
    fields = {field.name for field in dataclasses.fields(RECIPE)}
    written = set(recipes.to_config(RECIPE))
    assert fields - written == {"summary", "promise", "callbacks"}


@pytest.mark.parametrize("text", ["", '{"recipe": {"na', "[]", '{"recipe": 3}'])
def test_a_file_cut_short_is_told(tmp_path, text):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="was cut short"):
        recipes.get(path)


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'lenet5_digits'"):
        recipes.get("lenet5_digit")

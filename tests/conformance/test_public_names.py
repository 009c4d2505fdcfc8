"""Everything public is asked something: in a table here, or in a file of its own."""

import importlib
import pathlib
import re
import tomllib
import types

import pytest
from conformance.rows_constraints import CONSTRAINTS
from conformance.tables import (
    ACTIVATIONS,
    CALLBACKS,
    INITIALIZERS,
    LAYERS,
    LOSSES,
    METRICS,
)

from kerasmith import zoo

ROOT = pathlib.Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

PACKAGES = PROJECT["tool"]["setuptools"]["packages"]

# public names that fit no table: the file that asks them, and how, where not by name
ASKED_ELSEWHERE = {
    "kerasmith.layers.Decoded": "tests/test_decoding_mathematics.py: what it gives",
    "kerasmith.layers.DecodingState": "tests/test_decoding_mathematics.py",
    "kerasmith.layers.beam_search": "tests/test_decoding_mathematics.py",
    "kerasmith.layers.greedy_search": "tests/test_decoding_mathematics.py",
    "kerasmith.layers.sample_sequences": "tests/test_decoding_mathematics.py",
    "kerasmith.layers.ScheduledSampling": "tests/test_sequence_layers.py",
    "kerasmith.layers.TokenEmbedding": "tests/test_sequence_layers.py",
    "kerasmith.layers.text_scores": "tests/test_edit_distance_mathematics.py",
    "kerasmith.zoo.tune": "tests/test_tune.py: by the command",
    "kerasmith.zoo.tuning.tune": "tests/test_tune.py: by the command",
    "kerasmith.zoo.tuning.Found": "tests/test_tune.py: by the script of docs/tuning.md",
    "kerasmith.zoo.tuning.Search": "tests/test_tune.py",
    "kerasmith.zoo.tuning.RecipeHyperModel": "tests/test_tune.py",
    "kerasmith.zoo.tuning.join": "tests/test_tune.py: by the command",
    "kerasmith.zoo.tuning.CoarseToFine": "tests/test_coarse_to_fine.py",
    "kerasmith.zoo.tuning.CoarseToFineOracle": "tests/test_coarse_to_fine.py: its own",
    "kerasmith.zoo.tuning.Execution": "tests/test_tuning_oracles.py",
    "kerasmith.zoo.tuning.SearchRecord": "tests/test_tune.py",
    "kerasmith.zoo.tuning.TrialRecord": "tests/search_records.py",
    "kerasmith.zoo.tuning.importance": "tests/test_search_importance.py",
    "kerasmith.zoo.tuning.write_hparams": "tests/test_search_page.py",
    "kerasmith.zoo.tuning.write_search_page": "tests/test_search_page.py",
    "kerasmith.zoo.tuning.space": "tests/test_space.py",
    "kerasmith.zoo.tuning.recipe_space": "tests/test_space.py",
    "kerasmith.zoo.tuning.with_values": "tests/test_space.py",
    "kerasmith.zoo.tuning.settings_of": "tests/test_space.py: by `recipe_space`",
    "kerasmith.zoo.data.TextDescription": "tests/test_text_catalogue.py: a set's",
    "kerasmith.zoo.data.TextPairs": "tests/test_text_data.py",
    "kerasmith.zoo.data.Texts": "tests/test_text_catalogue.py: `load_texts` gives one",
    "kerasmith.zoo.data.load_texts": "tests/test_text_catalogue.py",
    "kerasmith.zoo.data.text_names": "tests/test_command_line.py: by `list`",
    "kerasmith.zoo.data.Vocabulary": "tests/test_vocabulary.py",
    "kerasmith.zoo.data.arithmetic": "tests/test_text_data.py",
    "kerasmith.zoo.data.dates": "tests/test_text_data.py",
    "kerasmith.zoo.data.help_topics": "tests/test_text_data.py",
    "kerasmith.zoo.data.class_batches": "tests/test_class_batches.py",
    "kerasmith.zoo.data.pairs": "tests/test_class_batches.py",
    "kerasmith.zoo.data.turned_classes": "tests/test_turned_classes.py",
    "kerasmith.zoo.tools.predict_masks": "tests/test_segmentation.py",
    "kerasmith.zoo.tools.predict_pairs": "tests/test_similarity.py",
    "kerasmith.zoo.tools.predict_texts": "tests/test_text_classification.py",
    "kerasmith.zoo.tools.task_name": "tests/test_segmentation.py",
    "kerasmith.layers.SumOfLosses": "tests/test_sum_of_losses.py",
    "kerasmith.callbacks.ShuffledBatches": "tests/test_callback_resume.py",
    "kerasmith.callbacks.Criterion": "tests/test_callback_early_stopping.py",
    "kerasmith.callbacks.Curves": "tests/test_callback_early_stopping.py",
    "kerasmith.callbacks.Diverged": "tests/test_callback_early_stopping.py",
    "kerasmith.callbacks.GeneralizationLoss": "tests/test_callback_early_stopping.py",
    "kerasmith.callbacks.Patience": "tests/test_callback_early_stopping.py",
    "kerasmith.callbacks.ProgressQuotient": "tests/test_callback_early_stopping.py",
    "kerasmith.callbacks.Refitted": "tests/test_callback_refit.py: `refit` gives one",
    "kerasmith.callbacks.Threshold": "tests/test_callback_early_stopping.py",
    "kerasmith.callbacks.TimeBudget": "tests/test_callback_early_stopping.py",
    "kerasmith.callbacks.UpSuccessive": "tests/test_callback_early_stopping.py",
    "kerasmith.callbacks.refit": "tests/test_callback_refit.py",
    "kerasmith.callbacks.Noam": "tests/test_callback_learning_rate.py",
    "kerasmith.callbacks.OneCycle": "tests/test_callback_learning_rate_refusals.py",
    "kerasmith.callbacks.Plateau": "tests/test_callback_learning_rate.py",
    "kerasmith.callbacks.StepDecay": "tests/test_callback_learning_rate.py",
    "kerasmith.callbacks.find_learning_rate": (
        "tests/test_callback_find_learning_rate.py"
    ),
    "kerasmith.callbacks.recompute_statistics": (
        "tests/test_callback_norm_statistics.py"
    ),
    "kerasmith.callbacks.bias_variance": "tests/test_callback_bias_variance.py",
    "kerasmith.callbacks.check_gradients": "tests/test_callback_check_gradients.py",
    "kerasmith.callbacks.overfit_small_batch": (
        "tests/test_callback_overfit_small_batch.py"
    ),
    "kerasmith.layers.Contrastive": "tests/test_contrastive_mathematics.py",
    "kerasmith.layers.constrain": "tests/test_constrain.py",
    "kerasmith.layers.Triplet": "tests/test_triplet_mathematics.py",
    "kerasmith.layers.lsuv": "tests/test_lsuv_mathematics.py",
    "kerasmith.zoo.Gallery": "tests/test_gallery.py",
    "kerasmith.zoo.Translator": "tests/test_translator.py",
    "kerasmith.zoo.Parts": "tests/test_parts.py",
    "kerasmith.zoo.build": "tests/conformance/test_architectures.py",
    "kerasmith.zoo.card": "tests/test_card.py",
    "kerasmith.zoo.compile_with_auxiliary": "tests/test_inception_mathematics.py",
    "kerasmith.zoo.export": "tests/test_export.py",
    "kerasmith.zoo.finetune": "tests/test_finetune.py",
    "kerasmith.zoo.names": "tests/conformance/test_architectures.py",
    "kerasmith.zoo.repeat_targets": "tests/test_inception_mathematics.py",
    "kerasmith.zoo.stage_rates": "tests/test_finetune.py",
    "kerasmith.zoo.stages": "tests/test_finetune.py",
    "kerasmith.zoo.steps_of": "tests/test_sequence_networks.py",
    "kerasmith.zoo.summary": "tests/conformance/test_architectures.py",
    "kerasmith.zoo.train": "tests/test_run.py",
    "kerasmith.zoo.data.Canvas": "tests/test_data_canvas.py: `digits_canvas` gives one",
    "kerasmith.zoo.without_auxiliary": "tests/test_inception_mathematics.py",
    "kerasmith.zoo.data.Data": "tests/test_data_checks.py",
    "kerasmith.zoo.data.Description": "tests/test_data_checks.py",
    "kerasmith.zoo.data.Scene": "tests/test_data_canvas.py: a canvas gives them",
    "kerasmith.zoo.data.boundary_weights": "tests/test_boundary_weights.py",
    "kerasmith.zoo.data.with_boundary_weights": "tests/test_boundary_weights.py",
    "kerasmith.zoo.data.check": "tests/test_data_checks.py",
    "kerasmith.zoo.data.digits_canvas": "tests/test_data_canvas.py",
    "kerasmith.zoo.data.load": "tests/test_data.py",
    "kerasmith.zoo.data.names": "tests/test_command_line.py: by `list`",
    "kerasmith.zoo.data.preprocessing": "tests/test_data_loading.py",
    "kerasmith.zoo.data.read_image": "tests/test_data_folder.py",
    "kerasmith.zoo.data.reading_lines": "tests/test_data_reading.py",
    "kerasmith.zoo.recipes.Promise": "tests/test_recipes.py: every recipe has one",
    "kerasmith.zoo.recipes.Recipe": "tests/test_recipes.py: every recipe is one",
    "kerasmith.zoo.recipes.TextRecipe": "tests/test_recipes.py",
    "kerasmith.zoo.recipes.from_config": "tests/test_recipes.py: by `get`",
    "kerasmith.zoo.recipes.get": "tests/test_recipes.py",
    "kerasmith.zoo.recipes.names": "tests/test_recipes.py",
    "kerasmith.zoo.recipes.read_config": "tests/test_recipes.py: by `get`",
    "kerasmith.zoo.recipes.to_config": "tests/test_recipes.py",
    "kerasmith.zoo.recipes.with_settings": "tests/test_recipes.py",
    "kerasmith.zoo.tools.Calibration": "tests/test_calibration.py: `calibration`",
    "kerasmith.zoo.tools.Card": "tests/test_card.py",
    "kerasmith.zoo.tools.Evaluation": "tests/test_evaluate.py: `evaluate` gives one",
    "kerasmith.zoo.tools.ExportBest": "tests/test_export_best.py",
    "kerasmith.zoo.tools.ExportMismatch": "tests/test_export.py",
    "kerasmith.zoo.tools.Gallery": "tests/test_gallery.py",
    "kerasmith.zoo.tools.Alignment": "tests/test_translator.py: `attend` gives one",
    "kerasmith.zoo.tools.Translated": "tests/test_translation.py: by the command",
    "kerasmith.zoo.tools.translate_texts": "tests/test_translation.py: by the command",
    "kerasmith.zoo.tools.Translation": "tests/test_translator.py: translators give it",
    "kerasmith.zoo.tools.Translator": "tests/test_translator.py",
    "kerasmith.zoo.tools.calibration": "tests/test_calibration.py",
    "kerasmith.zoo.tools.ensemble": "tests/test_ensemble.py",
    "kerasmith.zoo.tools.evaluate": "tests/test_evaluate.py",
    "kerasmith.zoo.tools.export_ensemble": "tests/test_ensemble.py",
    "kerasmith.zoo.tools.fit_temperature": "tests/test_calibration.py",
    "kerasmith.zoo.tools.tell_evaluation": "tests/test_evaluate.py: by the command",
    "kerasmith.zoo.tools.write_evaluation": "tests/test_evaluate.py: by the command",
    "kerasmith.zoo.tools.OneShot": "tests/test_verification.py",
    "kerasmith.zoo.tools.accuracy_at": "tests/test_verification.py",
    "kerasmith.zoo.tools.area_under_curve": "tests/test_verification.py",
    "kerasmith.zoo.tools.best_threshold": "tests/test_verification.py",
    "kerasmith.zoo.tools.equal_error_rate": "tests/test_verification.py",
    "kerasmith.zoo.tools.one_shot_accuracy": "tests/test_verification.py",
    "kerasmith.zoo.tools.recall_at_k": "tests/test_verification.py",
    "kerasmith.zoo.tools.roc": "tests/test_verification.py",
    "kerasmith.zoo.tools.Plan": "tests/test_tiles.py",
    "kerasmith.zoo.tools.ReceptiveField": "tests/test_receptive_field.py: given",
    "kerasmith.zoo.tools.Run": "tests/test_run.py: `train` gives one",
    "kerasmith.zoo.tools.export_run": "tests/test_command_line.py: by `export`",
    "kerasmith.zoo.tools.in_tiles": "tests/test_tiles.py",
    "kerasmith.zoo.tools.load_saved": "tests/test_export.py",
    "kerasmith.zoo.tools.plan_tiles": "tests/test_tiles.py",
    "kerasmith.zoo.tools.predict_files": "tests/test_run.py",
    "kerasmith.zoo.tools.predict_images": "tests/test_export.py",
    "kerasmith.zoo.tools.predict_tiled": "tests/test_tiles.py",
    "kerasmith.zoo.tools.receptive_field": "tests/test_receptive_field.py",
    "kerasmith.zoo.tools.tell": "tests/test_run.py",
}


def public_things():
    """Map the full name of everything public to the thing itself."""
    found = {}
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in getattr(module, "__all__", ()):
            found[f"{package}.{name}"] = getattr(module, name)
    return found


@pytest.fixture(scope="module")
def in_tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("names")
    things = {
        *ACTIVATIONS.values(),
        *(type(row.alone()) for row in LAYERS.values()),
        *(type(row.build()) for row in LOSSES.values()),
        *(type(row.build()) for row in METRICS.values()),
        *(type(build()) for build in INITIALIZERS.values()),
        *(type(build()) for build in CONSTRAINTS.values()),
        *(type(build(folder)) for build in CALLBACKS.values()),
        *(getattr(zoo, family) for family in zoo.registry.FAMILIES),
    }
    return {id(thing) for thing in things}


def test_every_public_name_is_asked_something(in_tables):
    things = public_things()
    asked = in_tables | {id(things.get(name)) for name in ASKED_ELSEWHERE}
    forgotten = [
        name
        for name, thing in things.items()
        if not isinstance(thing, types.ModuleType) and id(thing) not in asked
    ]
    assert not forgotten, (
        f"{forgotten} are public, but nothing asks them anything: give each a row in "
        "tests/conformance/tables.py, or tests of its own and an entry in "
        "ASKED_ELSEWHERE"
    )


@pytest.mark.parametrize("name", list(ASKED_ELSEWHERE))
def test_what_is_asked_elsewhere_is_asked_there(name):
    assert name in public_things(), f"{name} is not public any more: take it out"
    file, _, how = ASKED_ELSEWHERE[name].partition(": ")
    text = (ROOT / file).read_text()
    assert how or re.search(rf"\b{name.rpartition('.')[2]}\b", text)


def test_what_a_package_offers_is_there_and_in_order():
    for package in PACKAGES:
        module = importlib.import_module(package)
        names = getattr(module, "__all__", [])
        assert sorted(names) == names, f"{package}.__all__ is not sorted"
        assert set(names) <= set(dir(module)), f"dir({package}) hides public names"


def test_the_public_rooms_are_packages():
    for name, thing in public_things().items():
        assert not isinstance(thing, types.ModuleType) or name in PACKAGES

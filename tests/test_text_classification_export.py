"""SavedModels of classifiers of texts: compared before they take their place."""

import json
import sys

import keras
import numpy as np
import pytest

from kerasmith import zoo
from kerasmith.zoo.data import Vocabulary
from kerasmith.zoo.tools import parity, stranger, text_classification_served
from kerasmith.zoo.tools.text_classification_export import (
    ExportMismatch,
    compare,
    export_text_classifier,
)

SIZES = {
    "bilstm_classifier": {"width": 5, "embedding": 6},
    "transformer_classifier": {"width": 8, "heads": 2, "feed_forward": 8, "depth": 1},
}


def network(name, classes=3, **options):
    """A small network that takes a stand, and its vocabulary of letters."""
    letters = Vocabulary.learn(["abcdefgh banana"])
    options = {"vocabulary": len(letters), "classes": classes, **options}
    model = zoo.build(name, **SIZES[name], **options)
    draw = np.random.default_rng(4)
    for weight in model.trainable_weights:
        weight.assign(weight + 0.5 * draw.normal(size=weight.shape))
    return model, letters


@pytest.fixture
def _in_this_process(monkeypatch):
    """Ask SavedModels here, which is quicker; those of runs are asked in another."""

    elsewhere = parity.run_job

    def run_job(command, job, room, **environment):
        if text_classification_served.__file__ not in command:
            return elsewhere(command, job, room, **environment)
        (room / "job.json").write_text(json.dumps(job))
        stranger.answer(room / "job.json", text_classification_served.run)

    monkeypatch.setattr(parity, "run_job", run_job)


@pytest.mark.usefixtures("_in_this_process")
def test_a_transformer_of_learned_positions_leaves_whole(tmp_path):
    """Shorter and longer texts than its table of positions, compared on the way."""
    model, letters = network("transformer_classifier", positions="learned", length=7)
    labels = ["hé", "b", "c"]
    path = export_text_classifier(model, letters, labels, 7, tmp_path)
    assert path == tmp_path / "saved_model"
    assert (path / "assets" / "labels.txt").read_text() == "hé\nb\nc"


def test_an_export_that_differs_takes_no_place(tmp_path, monkeypatch, request):
    """What stood there stays: here a SavedModel whose labels are in another order."""
    model, letters = network("bilstm_classifier")
    (tmp_path / "saved_model").mkdir()
    (tmp_path / "saved_model" / "old").write_text("kept")
    module = sys.modules[export_text_classifier.__module__]
    write = module.write

    def wrong(model, details, path):
        write(model, {**details, "labels": details["labels"][::-1]}, path)

    if keras.backend.backend() == "tensorflow":
        request.getfixturevalue("_in_this_process")
        monkeypatch.setattr(module, "write", wrong)
        with pytest.raises(ExportMismatch, match="holds the labels"):
            export_text_classifier(model, letters, ["a", "b", "c"], 9, tmp_path)
    with pytest.raises(ValueError, match="has 3 classes, received 2 labels"):
        export_text_classifier(model, letters, ["a", "b"], 9, tmp_path)
    model.get_layer("logits").bias.assign([np.nan, 0, 0])
    with pytest.raises(ValueError, match="NaN or infinity"):
        export_text_classifier(model, letters, ["a", "b", "c"], 9, tmp_path)
    assert [path.name for path in (tmp_path / "saved_model").iterdir()] == ["old"]


@pytest.mark.parametrize(
    "received, told",
    [
        ([[0.3, 0.7]], None),
        ([[0.300001, 0.699999]], None),
        ([[0.3001, 0.6999]], "differs from the model's by 0.0001"),
        ([[np.nan, 0.7]], "by nan"),
        ([[0.3, 0.7]] * 2, r"shape \(2, 2\)"),
    ],
)
def test_probabilities_are_compared(received, told):
    expected, received = np.array([[0.3, 0.7]]), np.array(received)
    if told is None:
        compare(expected, received)
        return
    with pytest.raises(ExportMismatch, match=told):
        compare(expected, received)


def test_another_class_may_be_the_likeliest_only_in_a_tie():
    near = np.array([[0.4999999, 0.5000001]])
    compare(near, near[:, ::-1])
    with pytest.raises(ExportMismatch, match="another class than the model's"):
        compare(np.array([[0.499997, 0.500003]]), np.array([[0.500001, 0.499999]]))

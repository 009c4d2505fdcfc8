"""The report of a search: its record, what mattered, its pictures, page and HParams."""

import dataclasses
import json
import warnings

import keras_tuner
import numpy as np
import pytest
import search_records as records
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from page_reader import Page
from PIL import Image
from run_examples import HOSTILE, NAN

from kerasmith.zoo.tuning import importances, search_curves, search_pictures
from kerasmith.zoo.tuning.hparams import write_hparams
from kerasmith.zoo.tuning.importances import importance
from kerasmith.zoo.tuning.record import Execution, SearchRecord, TrialRecord
from kerasmith.zoo.tuning.score_scale import score_scale
from kerasmith.zoo.tuning.search_page import write_search_page
from kerasmith.zoo.tuning.search_parameters import parameters

no_warning = pytest.mark.filterwarnings("error")


@pytest.fixture(autouse=True, scope="module")
def quick():
    """Draw trials anew a few times only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importances, "RESAMPLINGS", 3)
        yield


@pytest.fixture(scope="module")
def usual():
    return records.usual()


def hostile():
    """Give a record whose every text would break a page that did not escape it."""
    space = keras_tuner.HyperParameters()
    for name in HOSTILE[:5]:
        space.Choice(name, HOSTILE)
    found = []
    for i, text in enumerate(HOSTILE):
        values = dict.fromkeys(HOSTILE[:5], text)
        runs = (Execution(1, 0.5, {HOSTILE[0]: [0.1, 0.5]}, 3.0, text),)
        status = ("COMPLETED", "FAILED", "STOPPED")[i % 3]
        found.append(
            TrialRecord(f"{text}{i}", status, values, 0.1 * i, runs, text, text)
        )
    facts = {"command": HOSTILE[2], HOSTILE[0]: HOSTILE[1], "more": {HOSTILE[1]: "<i>"}}
    about = (HOSTILE[0], HOSTILE[1], HOSTILE[0], "max", space, tuple(found), 9.0)
    return SearchRecord(*about, facts)


RANDOM = np.random.default_rng(0)
MANY = np.r_[np.exp(3 * RANDOM.normal(size=20)), NAN, NAN, np.inf]
RECORDS = {
    "usual": lambda: records.usual(),
    "one trial": lambda: records.usual(1, failing=False),
    "one parameter": lambda: records.scored(records.one_parameter(), RANDOM.random(15)),
    "twenty parameters": lambda: records.scored(records.wide_space(), MANY),
    "equal scores": lambda: records.scored(records.usual_space(), [0.5] * 12),
    "nothing but failures": lambda: records.scored(records.usual_space(), [NAN] * 4),
    "one far worse": lambda: records.scored(
        records.usual_space(), np.r_[RANDOM.random(20), -900.0], "r2", "max"
    ),
    "300 trials": lambda: records.usual(300, executions=1, seed=1),
    "hostile": hostile,
}


@pytest.fixture
def drawn(monkeypatch):
    """Collect the figures that are written, which are written none the less."""
    figures, write = [], Figure.savefig

    def savefig(self, *args, **kwargs):
        figures.append(self)
        return write(self, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", savefig)
    return figures


def overlaps(figure, labels):
    """Tell which labels of a kind lie on another one."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        boxes = [one.get_window_extent(renderer) for one in labels if one.get_text()]
    return [
        (i, j)
        for i, one in enumerate(boxes)
        for j, other in enumerate(boxes[:i])
        if one.overlaps(other)
    ]


@no_warning
@pytest.mark.parametrize("make", RECORDS.values(), ids=RECORDS)
def test_every_search_can_be_drawn(make, drawn, tmp_path):
    record = make()
    paths = [
        search_pictures.parallel_coordinates(record, tmp_path / "parallel.png"),
        search_pictures.parameters_against_score(record, tmp_path / "parameters.png"),
        search_curves.best_so_far(record, tmp_path / "progress.png"),
    ]
    for path in paths:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        assert min(pixels.shape[:2]) > 200 and pixels.std() > 3
    for figure in drawn:
        for axes in figure.axes:
            names = [*axes.texts, *axes.get_yticklabels()]
            assert not overlaps(figure, axes.get_xticklabels())
            assert not overlaps(figure, names)
    curves = search_curves.learning_curves(record, tmp_path / "curves.png")
    assert bool(curves) == any(t.executions for t in record.trials)


def test_a_panel_holds_every_trial_at_its_place(usual, drawn, tmp_path):
    search_pictures.parameters_against_score(usual, tmp_path / "parameters.png")
    axes = drawn[0].axes[0]
    assert axes.get_title(loc="left") == "learning_rate, log"
    points = np.concatenate([c.get_offsets() for c in axes.collections[1:]])
    assert len(points) == len(usual.trials)
    lost = [t for t in usual.trials if not t.scored]
    foot = points[points[:, 1] == 0.04]
    np.testing.assert_allclose(
        foot[:, 0], [(np.log10(t.values["learning_rate"]) + 5) / 4 for t in lost]
    )
    rate = (np.log10(usual.best.values["learning_rate"]) + 5) / 4
    assert np.isclose(points, [rate, usual.best.score]).all(axis=1).any()
    texts = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert texts == ["best", "completed: 34", "stopped early: 3", "failed: 3"]


def test_places_are_those_of_keras_tuner():
    space = records.usual_space()
    searched = {one.name: one for one in parameters(space)}
    for one in space.space:
        for share in (0.01, 0.3, 0.5, 0.99):
            value = one.prob_to_value(share)
            if one.name == "stem_width":  # theirs is the middle of a step
                assert searched[one.name].place(value) == (value - 8) / 56
            else:
                place = one.value_to_prob(value)
                assert searched[one.name].place(value) == pytest.approx(place)
    assert np.isnan(searched["momentum"].place(None))
    assert searched["momentum"].conditional and searched["momentum"].sampling


def test_scales_suit_their_scores():
    scale = score_scale("val_loss", "min", [0.1, 0.2, 0.3, 50.0, NAN, None])
    assert scale.axis.sampling == "log" and scale.merit(0.1) == 1
    scale = score_scale("val_loss", "min", [-0.1, 0.2, 0.3, 0.4, 1e9])
    assert scale.axis.high == pytest.approx(1)  # three times 0.2 from 0.4
    assert scale.axis.low == -0.1 and scale.beyond([0.4, 1e9]).tolist() == [False, True]
    scale = score_scale("val_accuracy", "max", [0.9, 0.95])
    assert scale.tick(0.9) == "90 %" and scale.word(0.9512) == "95.12 %"


def test_the_best_so_far_never_gets_worse(usual):
    best = search_curves.running_best(usual)
    assert (np.diff(best) >= 0).all() and best[-1] == usual.best.score
    assert np.isnan(
        search_curves.running_best(records.scored(records.one_parameter(), [NAN]))
    )


def test_what_cannot_be_drawn_is_refused(tmp_path):
    space = keras_tuner.HyperParameters()
    space.Fixed("units", 3)
    record = records.scored(space, [0.5])
    with pytest.raises(ValueError, match="no hyperparameter with more than one"):
        search_pictures.parallel_coordinates(record, tmp_path / "parallel.png")
    with pytest.raises(ValueError, match="Too few"):
        found = importance(records.scored(records.one_parameter(), [0.5]))
        search_pictures.importance_bars(found, tmp_path / "importance.png")
    with pytest.raises(ValueError, match="no trial to draw"):
        search_curves.best_so_far(records.scored(space, []), tmp_path / "progress.png")
    assert not [*tmp_path.iterdir()]
    assert "fixed" in Page(write_search_page(record, tmp_path)).text


@pytest.fixture(scope="module")
def page(usual, tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    run = folder / "a run & more"
    run.mkdir()
    (run / "report.html").write_text("its page")
    facts = {"workers": 2, "command": "kerasmith tune <it>", "versions": {"keras": "3"}}
    record = dataclasses.replace(usual, facts=facts)
    retrained = {"folder": run, "test_accuracy": 0.9712, "seconds": 187.0}
    return Page(write_search_page(record, folder, retrained=retrained)), folder


def test_the_page_needs_nothing_else(page):
    page, folder = page
    sources = [image["src"].split(",")[0] for image in page.all("img")]
    assert sources == ["data:image/png;base64"] * 5
    assert not page.all("script") + page.all("link") + page.all("iframe")
    assert [link["href"] for link in page.all("a")] == [
        "a%20run%20%26%20more/report.html"
    ]
    names = ["importance", "learning_curves", "parallel", "parameters", "progress"]
    assert sorted(path.stem for path in folder.glob("*.png")) == names


def test_the_page_tells_the_search(page, usual):
    page, best = page[0], usual.best
    told = f"{100 * best.score:.2f} % ± {100 * best.spread:.2f} %"
    for words in (told, "Trials 40", "Failed 3", "CoarseToFine", "time 30 min 43 s"):
        assert words.lower() in page.text.lower()
    assert page.cells["optimizer"][:2] == [best.values["optimizer"], "adam"]
    assert page.cells["test accuracy"] == ["97.12 %"]
    assert page.cells["stem_width"][2] == "8 to 64"
    assert "The starting configuration was not tried as it is." in page.text
    assert "kerasmith tune <it>" in page.words and "keras" in page.cells
    assert json.dumps(best.values["learning_rate"]) in page.text
    order = [row[0] for row in page.rows if len(row) == 15]
    assert order == ["trial", *(trial.id for trial in usual.ranked)]
    row = page.cells[usual.ranked[-1].id]
    assert row == ["worker 1", "ResourceExhaustedError: out of memory at batch 3"]
    assert page.text.count("below the median at epoch 3") == 3


def test_what_users_write_stays_text(tmp_path):
    page = Page(write_search_page(hostile(), tmp_path, retrained=tmp_path / HOSTILE[2]))
    assert not page.all("script") + page.all("i")
    links = {(link["href"], link["rel"]) for link in page.all("a")}
    assert links == {("http://evil.example/x.png", "noreferrer")}
    assert all(image["src"].startswith("data:") for image in page.all("img"))
    assert HOSTILE[0] in page.cells and HOSTILE[2] in page.words


@pytest.mark.parametrize("name", ["nothing but failures", "one trial", "no trial"])
def test_a_search_without_success_has_a_page(name, tmp_path):
    make = RECORDS.get(name, lambda: records.scored(records.one_parameter(), []))
    page = Page(write_search_page(make(), tmp_path))
    assert "Too few trials have a score" in page.text
    assert ("there is no best one" in page.text) == (name != "one trial")


def test_tensorboard_reads_the_search(usual, tmp_path):
    from tensorboard.backend.event_processing import data_provider as providers
    from tensorboard.backend.event_processing import plugin_event_multiplexer as readers
    from tensorboard.context import RequestContext
    from tensorboard.plugins.base_plugin import TBContext
    from tensorboard.plugins.hparams import (
        api_pb2,
        backend_context,
        get_experiment,
        list_session_groups,
    )

    record = dataclasses.replace(usual, trials=usual.trials[:7])
    write_hparams(record, tmp_path)
    path = write_hparams(record, tmp_path)  # replaces, does not add
    reader = readers.EventMultiplexer()
    reader.AddRunsFromDirectory(str(path))
    reader.Reload()
    provider = providers.MultiplexerDataProvider(reader, str(path))
    asked = RequestContext(), backend_context.Context(TBContext(data_provider=provider))
    request = api_pb2.GetExperimentRequest()
    about = get_experiment.Handler(*asked, "", request).run()
    domains = {info.name: info for info in about.hparam_infos}
    assert {*domains} == {one.name for one in parameters(record.space)}
    assert domains["learning_rate"].domain_interval.max_value == 0.1
    choices = domains["optimizer"].domain_discrete.values
    assert [one.string_value for one in choices] == ["adam", "sgd", "rmsprop"]
    request = api_pb2.ListSessionGroupsRequest(slice_size=99)
    request.allowed_statuses.extend([api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE])
    for info in about.metric_infos:
        request.col_params.add(metric=info.name)
    groups = list_session_groups.Handler(*asked, "", request).run().session_groups
    assert [group.name for group in groups] == [trial.id for trial in record.trials]
    for group, trial in zip(groups, record.trials, strict=True):
        assert {*group.hparams} == {*trial.values}
        rate = group.hparams["learning_rate"].number_value
        assert rate == trial.values["learning_rate"]
        found = {one.name.tag: one.value for one in group.metric_values}
        if trial.scored:
            assert found["score"] == pytest.approx(trial.score)
        else:
            assert "score" not in found
            assert group.sessions[0].status == api_pb2.STATUS_FAILURE
    curve = [event.tensor_proto for event in reader.Tensors("00", "val_loss")]
    means = np.mean([e.history["val_loss"] for e in record.trials[0].executions], 0)
    values = [np.frombuffer(one.tensor_content, "float32")[0] for one in curve]
    np.testing.assert_allclose(values, means, rtol=1e-6)

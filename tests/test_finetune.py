"""Fine-tuning: a new head, what is frozen stays, each stage its own rate."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasmith import callbacks, zoo
from kerasmith.zoo.recipes import get, with_settings
from kerasmith.zoo.tools import fitting
from kerasmith.zoo.tools.finetune import copy, endpoints

X = np.random.default_rng(0).normal(size=(12, 16, 15, 1)).astype("float32")
Y = np.arange(12) % 3


@pytest.fixture(scope="module")
def trained():
    keras.utils.set_random_seed(2)
    model = zoo.resnet("resnet20", classes=5, input_shape=(16, 15, 1), drop_path=0.1)
    for weight in model.weights:  # statistics and gains that no fresh model has
        if weight.dtype == "float32" and len(weight.shape) == 1:
            noise = np.random.default_rng(len(weight.path)).uniform(0.5, 1.5)
            weight.assign(ops.full(weight.shape, noise))
    model.compile("sgd", "mse")
    return model


def fit(model, **keywords):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(0.01, weight_decay=0.1), loss)
    model.fit(X, Y, batch_size=4, verbose=0, **keywords)
    return model


def state(model, names):
    return {name: model.get_layer(name).get_weights() for name in names}


def features(model, x):
    cut = keras.Model(model.input, model.get_layer("features").output)
    return ops.convert_to_numpy(cut(x))


def test_the_new_model_is_a_copy_with_a_new_head(trained):
    before = trained.get_weights()
    optimizer = trained.optimizer
    tuned = zoo.finetune(trained, 3)
    assert tuned.output_shape == (None, 3) and trained.output_shape == (None, 5)
    assert tuned.name == trained.name and not tuned.compiled
    assert tuned.get_layer("logits").kernel.shape == (64, 3)
    np.testing.assert_array_equal(features(tuned, X), features(trained, X))
    fit(tuned, epochs=1)
    np.testing.assert_equal(trained.get_weights(), before)
    assert trained.optimizer is optimizer and trained.compiled
    assert all(layer.trainable for layer in trained.layers)


@pytest.mark.parametrize("freeze", ["features", "stage2"])
def test_what_is_frozen_stays_as_it_is(trained, freeze):
    tuned = zoo.finetune(trained, 3, freeze=freeze)
    groups = zoo.stages(tuned)
    place = list(groups).index(freeze) + 1
    frozen = [name for each in list(groups)[:place] for name in groups[each]]
    others = [name for each in list(groups)[place:] for name in groups[each]]
    old, moving = state(tuned, frozen), state(tuned, others)
    fit(tuned, epochs=2)
    np.testing.assert_equal(state(tuned, frozen), old)  # statistics, too
    for name, weights in state(tuned, others).items():
        moved = any((a != b).any() for a, b in zip(weights, moving[name], strict=True))
        assert moved != name.endswith(("_norm", "_drop_path")), name


def test_norms_train_where_they_are_asked_to(trained):
    tuned = zoo.finetune(trained, 3, freeze="stage2", freeze_norms=False)
    name = "stage3_block1_conv1_norm"
    before = tuned.get_layer(name).get_weights()
    fit(tuned, epochs=1)
    for old, new in zip(before, tuned.get_layer(name).get_weights(), strict=True):
        assert (old != new).any()


def test_frozen_norms_infer_while_the_head_trains(trained):
    """The loss of a step is that of the features as inference gives them."""
    tuned = zoo.finetune(copy(zoo.resnet("resnet20", input_shape=(16, 15, 1))), 3)
    seen, logits = features(tuned, X), tuned.get_layer("logits").get_weights()
    scores = seen @ logits[0] + logits[1]
    scores -= scores.max(1, keepdims=True)
    chosen = scores[np.arange(12), Y] - np.log(np.exp(scores).sum(1))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    tuned.compile(keras.optimizers.SGD(0.01), loss)
    history = tuned.fit(X, Y, batch_size=12, epochs=1, verbose=0).history
    np.testing.assert_allclose(history["loss"][0], -chosen.mean(), 1e-4)


def test_a_network_that_was_frozen_thaws(trained):
    once = zoo.finetune(trained, 3)
    again = zoo.finetune(once, 4, freeze=None, freeze_norms=False)
    count = len(trained.trainable_weights)
    assert len(once.trainable_weights) == 2
    assert len(again.trainable_weights) == count


def test_it_is_frozen_in_a_file_too(trained, tmp_path):
    tuned = zoo.finetune(trained, 3, freeze="stage1")
    tuned.save(tmp_path / "tuned.keras")
    loaded = keras.models.load_model(tmp_path / "tuned.keras")
    assert len(loaded.trainable_weights) == len(tuned.trainable_weights)
    assert zoo.stages(loaded) == zoo.stages(tuned)
    assert zoo.stage_rates(loaded).multipliers == zoo.stage_rates(tuned).multipliers


def test_dropout_stands_in_front_of_the_logits():
    dropped = zoo.resnet("resnet20", dropout="dropout:0.3")

    def rates(model):
        kind = keras.layers.Dropout
        return [layer.rate for layer in model.layers if isinstance(layer, kind)]

    assert rates(zoo.finetune(dropped, 3)) == [0.3]
    assert rates(zoo.finetune(dropped, 3, dropout=0.5)) == [0.5]
    assert rates(zoo.finetune(dropped, 3, dropout=0.0)) == []


def test_the_head_is_made_like_the_old_one():
    model = zoo.lenet("lenet5_modern", kernel_regularizer="l2")
    old, new = (m.get_layer("logits") for m in (model, zoo.finetune(model, 3)))
    assert type(new) is keras.layers.Dense and new.dtype == "float32"
    config = new.get_config()
    assert config["kernel_regularizer"] == old.get_config()["kernel_regularizer"]
    # radial units of the digits' pictures say nothing of other classes
    head = zoo.finetune(zoo.lenet("lenet5"), 3).get_layer("logits")
    assert type(head) is keras.layers.Dense


@pytest.mark.parametrize("top", [True, False])
def test_logits_are_float32_under_every_policy(top):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = zoo.resnet("resnet20", input_shape=(8, 8, 1), top=top)
        tuned = zoo.finetune(model, 3)
    finally:
        keras.config.set_dtype_policy(policy)
    assert tuned.output.dtype == tuned.get_layer("logits").kernel.dtype == "float32"
    assert tuned.get_layer("stem_conv").compute_dtype == "bfloat16"


def test_a_sequential_model_and_its_statistics_serve():
    normal = keras.layers.Normalization()
    normal.adapt(np.array([[1.0], [5.0]]))
    parts = [normal, keras.layers.Dense(4, name="features"), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((1,)), *parts])
    tuned = zoo.finetune(model, 3)
    x = np.ones((2, 1), "float32")
    expected = model.layers[1](model.layers[0](x))
    np.testing.assert_allclose(features(tuned, x), ops.convert_to_numpy(expected))


def test_a_model_called_elsewhere_serves(trained):
    inputs = keras.Input((16, 15, 1))
    keras.Model(inputs, trained(inputs))
    assert zoo.finetune(trained, 3).output_shape == (None, 3)


def test_every_layer_belongs_to_one_stage(trained):
    groups = zoo.stages(trained)
    assert list(groups) == endpoints(trained)
    names = [name for each in groups.values() for name in each]
    assert sorted(names) == sorted(one.name for one in trained.layers if one.weights)
    for stage in ("stage1", "stage2", "stage3"):
        assert all(name.startswith(stage) for name in groups[stage])


def test_each_stage_learns_at_a_part_of_the_rate_of_the_next(trained):
    tuned = zoo.finetune(trained, 3, freeze="stem")
    rates = zoo.stage_rates(tuned, 2.6, {"logits": 10})
    fit(tuned, epochs=1, callbacks=[rates])
    found = {}
    for path, multiplier in rates.applied.items():
        found.setdefault(path.split("_")[0].split("/")[0], set()).add(multiplier)
    expected = {"stage1": 2.6**-3, "stage2": 2.6**-2, "stage3": 2.6**-1, "logits": 10}
    assert found.keys() == expected.keys()
    for stage, multipliers in found.items():
        np.testing.assert_allclose(list(multipliers), expected[stage])


def test_layers_thaw_stage_by_stage(trained):
    tuned = zoo.finetune(trained, 3)
    groups = zoo.stages(tuned)
    schedule = callbacks.FreezeSchedule({1: groups["stage3"]})
    before = state(tuned, ["stage3_block1_conv1", "stage2_block1_conv1"])
    fit(tuned, epochs=2, callbacks=[schedule, zoo.stage_rates(tuned)])
    after = state(tuned, before)
    assert (before["stage3_block1_conv1"][0] != after["stage3_block1_conv1"][0]).any()
    np.testing.assert_equal(after["stage2_block1_conv1"], before["stage2_block1_conv1"])


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"classes": 0}, "at least one class, received 0"),
        ({"classes": 2.0}, "received 2.0"),
        ({"classes": True}, "received True"),
        ({"freeze": "stage4"}, "no endpoint of resnet20 'stage4'; .* stem, stage1"),
        ({"freeze": "logits"}, "leave nothing to train"),
        ({"dropout": 1.0}, r"a rate in \[0, 1\), received 1.0"),
        ({"dropout": "0.5"}, "received '0.5'"),
    ],
)
def test_what_cannot_be_is_told(trained, arguments, message):
    with pytest.raises(ValueError, match=message):
        zoo.finetune(trained, **{"classes": 3, **arguments})


def test_models_that_cannot_serve_are_told(trained):
    dense = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="stem")])
    with pytest.raises(ValueError, match="no endpoint 'features'.* it has stem"):
        zoo.finetune(dense, 3)
    for wrong in (keras.Sequential([keras.layers.Dense(1)]), "resnet20", None):
        with pytest.raises(TypeError, match="a functional keras.Model is needed"):
            zoo.finetune(wrong, 3)
    both = {name: trained.get_layer(name).output for name in ("features", "logits")}
    with pytest.raises(ValueError, match="has 2. Cut it first"):
        zoo.finetune(keras.Model(trained.input, both), 3)
    maps = keras.Sequential([keras.Input((3, 3)), keras.layers.Dense(1)])
    maps.layers[0].name = "features"
    with pytest.raises(ValueError, match=r"features of shape \(batch, channels\)"):
        zoo.finetune(maps, 3)


def test_rates_that_cannot_be_are_told(trained):
    for decay in (0.5, 0, float("inf"), "2"):
        with pytest.raises(ValueError, match="a decay that is finite and at least 1"):
            zoo.stage_rates(trained, decay)
    with pytest.raises(ValueError, match="'stage4'; did you mean 'stage"):
        zoo.stage_rates(trained, 2, {"stage4": 0.1})
    with pytest.raises(ValueError, match="above 0, received -1"):
        zoo.stage_rates(trained, 2, {"stem": -1})


class Ten:
    """Stands for data of ten classes, one batch an epoch."""

    steps = 1

    class description:  # noqa: N801
        classes = 10


def test_a_recipe_freezes_what_it_started_from(monkeypatch):
    loaded = []

    class Loader:
        preprocess = staticmethod(lambda name, image, weights: image)
        load = staticmethod(lambda model, weights: loaded.append(weights))

    monkeypatch.setattr(zoo.classifier, "_loader", lambda: Loader)
    settings = {"weights": "mine/model.keras", "freeze": "stage2"}
    recipe = with_settings(get("resnet20_digits_few"), settings)
    model = fitting.build_model(recipe, Ten)
    assert loaded == ["mine/model.keras"]
    expected = {"stage3_block1_conv1", "logits"}
    some = {"stem_conv", "stage1_block1_conv1", *expected}
    assert {name for name in some if model.get_layer(name).trainable} == expected


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"weights": None}, "random weights would never train"),
        ({"weights": 3}, "needs to be 'imagenet', a path"),
        ({"rate_decay": 0.5}, "rate_decay needs to be 1 or more"),
    ],
)
def test_a_recipe_tells_what_cannot_be(settings, message):
    with pytest.raises(ValueError, match=message):
        with_settings(get("resnet20_digits_few"), settings)

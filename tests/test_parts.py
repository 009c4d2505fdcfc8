"""Parts: exchanged by keyword and by text, none shared by accident."""

from functools import partial

import keras
import numpy as np
import pytest

from kerasmith import layers, zoo
from kerasmith.zoo import Parts


def kinds(model):
    return [type(layer).__name__ for layer in model.layers]


def test_every_part_finds_its_place():
    model = zoo.lenet(
        "lenet5_modern",
        norm=partial(keras.layers.GroupNormalization, 2),
        activation=partial(keras.layers.PReLU, shared_axes=None),
        dropout="dropout:0.25",
        attention=lambda: keras.layers.Rescaling(2.0),
        kernel_initializer="he_normal",
        kernel_regularizer="l2:0.001",
        kernel_constraint="unit_norm",
    )
    found = kinds(model)
    assert found.count("GroupNormalization") == 3
    assert found.count("PReLU") == 4
    assert found.count("Rescaling") == 2
    assert found.count("Dropout") == 2
    assert model.get_layer("logits_dropout").rate == 0.25
    kernel = model.get_layer("c3")
    assert isinstance(kernel.kernel_initializer, keras.initializers.HeNormal)
    assert kernel.kernel_regularizer.l2 == pytest.approx(0.001)
    assert isinstance(kernel.kernel_constraint, layers.UnitNorm)
    assert len(model.losses) == 5


def test_layers_have_the_same_names_in_every_process():
    """Weights are matched by name, and Keras counts its own names up."""
    parts = {
        "norm": "batch",
        "dropout": "dropout:0.5",
        "activation": keras.layers.PReLU,
    }
    first, second = (zoo.lenet("lenet5_modern", **parts) for _ in range(2))
    names = [layer.name for layer in first.layers]
    assert names == [layer.name for layer in second.layers]
    assert {"c1_norm", "stem", "f6_dropout", "features", "logits"} <= set(names)
    paths = [weight.path for weight in first.weights]
    assert paths == [weight.path for weight in second.weights]


def test_no_bias_stands_before_a_norm():
    with_norm = zoo.lenet("lenet5", norm="batch")
    assert not any(with_norm.get_layer(n).use_bias for n in ("c1", "c3", "c5"))
    assert all(zoo.lenet("lenet5").get_layer(n).use_bias for n in ("c1", "c3", "c5"))


def test_kernels_of_one_shape_start_apart():
    """One initialiser object would give both layers the same numbers."""
    parts = Parts(kernel_initializer=keras.initializers.HeNormal())
    image = keras.Input((6, 6, 3))
    x = parts.conv(parts.conv(image, 3, 3, name="a"), 3, 3, name="b")
    model = keras.Model(image, x)
    a, b = (model.get_layer(name).get_weights()[0] for name in "ab")
    assert abs(a - b).max() > 0.01


def test_text_and_callables_make_the_same_model():
    by_text = zoo.lenet("lenet5_modern", norm="group:2", kernel_regularizer="l2:0.1")
    by_hand = zoo.lenet(
        "lenet5_modern",
        norm=lambda: keras.layers.GroupNormalization(2),
        kernel_regularizer=keras.regularizers.L2(0.1),
    )
    assert kinds(by_text) == kinds(by_hand)
    assert by_text.count_params() == by_hand.count_params()


def test_none_takes_a_part_away():
    parts = Parts(norm="batch", dropout="dropout:0.5").override(
        "mine", {"norm": "none", "dropout": None}
    )
    assert parts.norm is None and parts.dropout is None


def test_a_residual_branch_is_dropped_at_its_rate():
    image = keras.Input((5, 3, 2))
    parts = Parts()
    with_drop = keras.Model(image, parts.residual(image, image, 0.5, "sum"))
    without = keras.Model(image, parts.residual(image, image, 0.0, "sum"))
    assert "DropPath" in kinds(with_drop) and "DropPath" not in kinds(without)
    x = np.ones((400, 5, 3, 2), "float32")
    dropped = keras.ops.convert_to_numpy(with_drop(x, training=True))
    assert set(np.unique(dropped)) == {1.0, 3.0}


def test_a_layer_in_place_of_a_callable_is_refused():
    with pytest.raises(TypeError, match="callable without arguments"):
        Parts(norm=keras.layers.BatchNormalization())


def test_an_activation_with_weights_is_not_shared():
    with pytest.raises(TypeError, match="Pass its class"):
        zoo.lenet(activation=keras.layers.PReLU())


def test_a_part_that_makes_no_layer_is_told():
    with pytest.raises(TypeError, match="c1_norm made 3, which is no Keras layer"):
        zoo.lenet(norm=lambda: 3)


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_a_rate_outside_its_range_is_refused(rate):
    with pytest.raises(ValueError, match=r"\[0, 1\)"):
        Parts(drop_path=rate)


def test_parts_of_ours_and_keras_make_one_saved_model(tmp_path):
    model = zoo.lenet("lenet5", norm="layer", activation=layers.scaled_tanh)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    x = np.random.default_rng(0).normal(size=(2, 32, 32, 1)).astype("float32")
    expected, found = (keras.ops.convert_to_numpy(m(x)) for m in (model, again))
    np.testing.assert_allclose(found, expected, atol=1e-6)

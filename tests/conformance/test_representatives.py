"""What is asked of one architecture of each family: to compute, learn, and leave."""

import json

import keras
import numpy as np
import pytest
from conformance.architecture_sizes import REPRESENTATIVES
from conformance.fresh import run, save_arrays
from conformance.test_architectures import (
    Drawn,
    build,
    every_representative,
    images_for,
    symbolic,
)

from kerasmith import layers
from kerasmith.callbacks import recompute_statistics
from kerasmith.callbacks.layer_walk import layers_in

PARTS = {
    "norm": "group:1",
    "activation": "elu",
    "dropout": "gaussian:0.1",
    "attention": "squeeze_excite:4",
    "kernel_initializer": "lecun_normal",
    "kernel_regularizer": "l2:0.001",
    "kernel_constraint": "max_norm:3",
}
# the blocks of a Transformer have their own norms, and are attention
WITHOUT = {"vit_tiny": ("norm", "attention")}


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


def shaken(name):
    """Build one whose weights are no zeros and ones that could be made anew."""
    model = build(name)
    for weight in model.trainable_weights:
        weight.assign(weight + 0.05 * keras.random.normal(weight.shape))
    if any(isinstance(layer, layers.BatchNormalization) for layer in model.layers):
        recompute_statistics(model, images_for(name, 8))
    return model


@pytest.fixture(scope="module")
def models():
    keras.utils.set_random_seed(1)
    return {name: shaken(name) for name in REPRESENTATIVES}


@pytest.fixture(scope="module")
def expected(models):
    return {
        name: numbers(model(images_for(name), training=False))
        for name, model in models.items()
    }


@every_representative
def test_every_part_finds_a_place(name):
    missing = WITHOUT.get(name, ())
    for part in missing:
        with pytest.raises(ValueError, match=f"no place for the part '{part}'"):
            symbolic(name, **{part: PARTS[part]})
    parts = {part: PARTS[part] for part in PARTS if part not in missing}
    model = symbolic(name, **parts)
    kinds = [type(layer) for layer in model.layers]
    assert (layers.GroupNormalization in kinds) == ("norm" in parts)
    assert layers.BatchNormalization not in kinds
    assert (layers.SqueezeExcite in kinds) == ("attention" in parts)
    assert keras.layers.GaussianDropout in kinds
    activations = {
        layer.activation
        for layer in model.layers
        if isinstance(layer, (keras.layers.Activation, layers.TransformerEncoderBlock))
    }
    assert keras.activations.elu in activations
    assert keras.activations.relu not in activations
    with_kernel = [
        layer
        for layer in model.layers
        if isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense))
    ]
    assert with_kernel
    for layer in with_kernel:
        assert layer.kernel_regularizer.l2 == pytest.approx(0.001)
        assert isinstance(layer.kernel_constraint, layers.MaxNorm)
        assert isinstance(layer.kernel_initializer, keras.initializers.LecunNormal)


@every_representative
def test_residual_branches_are_dropped_or_there_are_none(name):
    try:
        model = symbolic(name, drop_path=0.2)
    except ValueError as refused:
        assert "no place for the part 'drop_path'" in str(refused)
        model = symbolic(name)
        assert not any(isinstance(layer, keras.layers.Add) for layer in model.layers)
    else:
        rates = [
            layer.initial_rate if hasattr(layer, "initial_rate") else layer.rate
            for layer in layers_in(model)
            if isinstance(layer, layers.DropPath)
        ]
        assert len(rates) >= 2


@every_representative
def test_samples_do_not_depend_on_each_other(models, expected, name):
    single = models[name](images_for(name)[1:2], training=False)
    np.testing.assert_allclose(numbers(single)[0], expected[name][1], 1e-3, 1e-4)


@pytest.mark.parametrize(
    "policy, bound", (("mixed_bfloat16", 0.5), ("mixed_float16", 0.1))
)
@every_representative
def test_half_the_bits_give_logits_in_float32(models, expected, name, policy, bound):
    """Blocks with drawn weights double a difference, and sixteen follow each other."""
    keras.config.set_dtype_policy(policy)
    model = build(name, kernel_initializer=Drawn())
    model.set_weights(models[name].get_weights())
    found = model(images_for(name), training=False)
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    size = np.abs(expected[name]).mean()
    assert np.abs(numbers(found) - expected[name]).mean() < bound * size


@every_representative
def test_it_learns_with_every_weight(name):
    keras.utils.set_random_seed(2)
    model = build(name)
    rate = 1e-3 if name.startswith("efficientnet") else 1e-2
    model.compile(keras.optimizers.SGD(rate), keras.losses.MeanSquaredError())
    size = (6, *model.output_shape[1:])
    targets = np.random.default_rng(1).normal(size=size).astype("float32")
    before = [numbers(weight) for weight in model.trainable_weights]
    losses = [
        model.train_on_batch(images_for(name, 6), targets, return_dict=True)["loss"]
        for _ in range(6)
    ]
    assert np.all(np.isfinite(losses))
    assert min(losses[1:]) < losses[0]
    for weight, old in zip(model.trainable_weights, before, strict=True):
        assert np.any(numbers(weight) != old), weight.path


@pytest.fixture(scope="module")
def keras_answers(models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("keras")
    for name, model in models.items():
        model.save(folder / f"{name}.keras")
    save_arrays(folder / "inputs.npz", {name: images_for(name) for name in models})
    save_arrays(folder / "labels.npz", {})
    run("fresh_keras.py", folder)
    return json.loads((folder / "keras.json").read_text())


@every_representative
def test_saved_and_loaded_it_answers_alike(expected, keras_answers, name):
    assert "error" not in keras_answers[name], keras_answers[name]
    found = keras_answers[name]["outputs"]
    np.testing.assert_allclose(found, expected[name], 1e-3, 1e-4)


@pytest.fixture(scope="module")
def tensorflow_answers(models, tmp_path_factory):
    """Give what plain TensorFlow says, running all of them from one SavedModel."""
    folder = tmp_path_factory.mktemp("tensorflow")
    inputs = {
        name: keras.Input(model.input_shape[1:]) for name, model in models.items()
    }
    outputs = {name: model(inputs[name]) for name, model in models.items()}
    keras.Model(inputs, outputs).export(folder / "saved_model", verbose=False)
    save_arrays(folder / "all.npz", {name: images_for(name) for name in models})
    run("fresh_tensorflow.py", folder)
    return json.loads((folder / "tensorflow.json").read_text())


@pytest.mark.skipif(
    keras.backend.backend() == "torch",
    reason="Keras writes no SavedModel from PyTorch; over TensorFlow it is the same",
)
@every_representative
def test_plain_tensorflow_answers_alike(expected, tensorflow_answers, name):
    found = tensorflow_answers[name]
    np.testing.assert_allclose(found, expected[name], 1e-3, 1e-4)

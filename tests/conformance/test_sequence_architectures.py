"""What is asked of every architecture of texts: all variants of the zoo, made small.

All read the same four texts: one with padding behind it, one without, one of a single
token, and one of none at all. Each network is built once, and the questions share it;
what concerns the graph alone is asked of networks without numbers.
"""

import functools
import json
import re

import keras
import numpy as np
import pytest
from conformance.fresh import run, save_arrays
from published_counts import looking, reading

from kerasmith import layers, zoo
from kerasmith.callbacks.layer_walk import layers_in
from kerasmith.zoo.tools.finetune import freeze_up_to
from kerasmith.zoo.tools.symbolic import without_numbers

NAMES = [n for n in zoo.names() if hasattr(zoo.registry.variant(n), "vocabulary")]
# transformer_big differs from transformer_base in its numbers, which are small here
COMPUTED = [name for name in NAMES if name != "transformer_big"]
HALVES = {
    "translation": "both",
    "text_classification": "encoder",
    "language_model": "decoder",
}


def half(name):
    """Tell whether it has an encoder, a decoder or both."""
    return HALVES[zoo.registry.variant(name).task]


WRITING = [name for name in COMPUTED if half(name) != "encoder"]
OF_BLOCKS = [n for n in NAMES if hasattr(zoo.registry.variant(n), "heads")]
# what a graph is made of does not depend on the backend
ELSEWHERE = keras.backend.backend() != "tensorflow"
GRAPHS = ["transformer_base", "seq2seq_luong"] if ELSEWHERE else NAMES
every_name = pytest.mark.parametrize("name", GRAPHS)
every_network = pytest.mark.parametrize("name", COMPUTED)
every_writer = pytest.mark.parametrize("name", WRITING)

VOCABULARY, LONGEST = 30, 6
TRANSFORMER = {"depth": 2, "width": 12, "heads": 3, "feed_forward": 10}
RECURRENT = {"width": 7, "embedding": 5}
KERNELS = {
    "kernel_initializer": "lecun_normal",
    "kernel_regularizer": "l2:0.001",
    "kernel_constraint": "max_norm:3",
}


def drawn(seed, lengths, time):
    """Draw texts of some lengths, with padding behind them."""
    tokens = np.random.default_rng(seed).integers(1, VOCABULARY, (len(lengths), time))
    return np.where(np.arange(time) < np.array(lengths)[:, None], tokens, 0)


SOURCES, TARGETS = (3, 6, 1, 0), (4, 5, 1, 2)
SOURCE, TARGET = drawn(0, SOURCES, LONGEST), drawn(1, TARGETS, 5)


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


# JAX compiles each operation anew for each number of bits
ROUNDINGS = [("mixed_bfloat16", 0.1), ("mixed_float16", 0.01)]
ROUNDINGS = ROUNDINGS[:1] if keras.backend.backend() == "jax" else ROUNDINGS


def takes(name, source=SOURCE, target=TARGET):
    """Give texts as the network takes them."""
    return {"source": source, "target": target} if half(name) == "both" else source


def build(name, **options):
    small = TRANSFORMER if name in OF_BLOCKS else RECURRENT
    few = {"depth": 2} if name == "seq2seq_luong" else {}
    return zoo.build(name, **{"vocabulary": VOCABULARY, **small, **few, **options})


def symbolic(name, **options):
    return without_numbers(lambda: build(name, **options))


kept = functools.cache(symbolic)


def seeded(name):
    keras.utils.set_random_seed(7)
    return build(name, dropout=0.0)


def shaken(model):
    """Let each weight matter, also those that begin with zeros and ones."""
    draw = np.random.default_rng(3)
    for weight in model.trainable_weights:
        weight.assign(weight + 0.3 * draw.normal(size=weight.shape))
    return model


@pytest.fixture(scope="module")
def beginnings():
    """What weights the networks had before they were shaken."""
    return {}


@pytest.fixture(scope="module")
def models(beginnings):
    models = {name: seeded(name) for name in COMPUTED}
    beginnings |= {name: model.get_weights() for name, model in models.items()}
    return {name: shaken(model) for name, model in models.items()}


@pytest.fixture(scope="module")
def expected(models):
    return {
        name: numbers(model(takes(name), training=False))
        for name, model in models.items()
    }


@every_name
def test_it_is_a_functional_model_of_registered_layers(name):
    model, tokens = kept(name), keras.Input((1,))
    assert type(model) is type(keras.Model(tokens, tokens))
    assert model.name == name
    for layer in layers_in(model):
        package = keras.saving.get_registered_name(type(layer)).partition(">")[0]
        own = type(layer).__module__.startswith("kerasmith.")  # inside of registered
        assert package == "kerasmith" or own or "keras" in type(layer).__module__


@every_name
def test_its_layers_with_weights_have_names_of_ours(name):
    """Weights are matched by name, and Keras counts its own names up."""
    for layer in kept(name).layers:
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(layer).__name__).lower()
        assert not layer.weights or not re.fullmatch(rf"{words}(_\d+)?", layer.name)


@every_name
def test_it_has_its_endpoints(name):
    model = kept(name)
    inputs = keras.tree.flatten(model.input)
    assert [x.name for x in inputs] == ["source", "target"][: len(inputs)]
    assert all(x.dtype == "int32" and x.shape == (None, None) for x in inputs)
    names = {layer.name for layer in model.layers}
    assert ("memory" in names) == (half(name) != "decoder")
    features, logits = (model.get_layer(x).output for x in ("features", "logits"))
    assert logits.shape == model.output_shape
    one = half(name) == "encoder"
    assert logits.shape == ((None, 2) if one else (None, None, VOCABULARY))
    assert features.shape[:-1] == logits.shape[:-1]


@every_name
def test_it_has_a_line_of_summary_and_a_paper(name):
    variant = zoo.registry.variant(name)
    assert variant.summary and "\n" not in variant.summary
    assert re.search(r"[A-Z].*, (19|20)\d\d, .*https?://", variant.paper)


@pytest.mark.parametrize("option", ["input_shape", "stem", "dept"])
@every_name
def test_an_unknown_option_names_those_there_are(name, option):
    with pytest.raises(ValueError, match=f"no option of .*'{option}'.*depth"):
        zoo.build(name, **{option: 2})


@every_name
def test_a_part_without_a_place_is_refused(name):
    missing = ["norm", "attention"]
    missing += [] if name in OF_BLOCKS else ["activation", "drop_path"]
    for part in missing:
        with pytest.raises(ValueError, match=f"no place for the part '{part}'"):
            build(name, **{part: None})


@every_name
def test_every_part_finds_a_place(name):
    model = symbolic(name, **KERNELS)
    kernels = [w for w in model.trainable_weights if w.name == "kernel"]
    assert len(kernels) >= 3
    for kernel in kernels:
        assert kernel.regularizer.l2 == pytest.approx(0.001)
        assert isinstance(kernel.constraint, layers.MaxNorm)
    made = [x for x in layers_in(model) if hasattr(x, "kernel_initializer")]
    for layer in made:
        kind = type(layer.kernel_initializer)
        assert kind is keras.initializers.LecunNormal, layer.path


@pytest.mark.parametrize("name", [n for n in OF_BLOCKS if n in COMPUTED])
def test_blocks_take_an_activation_and_are_dropped_the_deeper_the_more(name):
    model = build(name, activation="elu", drop_path=0.2)
    kinds = (layers.TransformerEncoderBlock, layers.TransformerDecoderBlock)
    blocks = [layer for layer in model.layers if isinstance(layer, kinds)]
    assert len(blocks) == (4 if half(name) == "both" else 2)
    assert all(block.activation is keras.activations.elu for block in blocks)
    rates = [float(numbers(block.drop_path.rate)) for block in blocks]
    assert sorted(rates) == pytest.approx(sorted([0.1, 0.2] * (len(blocks) // 2)))


@every_name
def test_without_its_top_it_ends_in_features(name):
    model = symbolic(name, top=False)
    assert model.output is model.get_layer("features").output
    assert "logits" not in [layer.name for layer in model.layers]


@every_name
def test_lengths_may_be_known_beforehand(name):
    both = half(name) == "both"
    model = symbolic(name, length=(LONGEST, 5) if both else LONGEST)
    # a table of positions serves shorter texts, too
    time = None if name == "gpt" else LONGEST
    shapes = [x.shape for x in keras.tree.flatten(model.input)]
    assert shapes == [(None, time), (None, 5)][: len(shapes)]
    with pytest.raises(ValueError, match="length to be 1, 2, ..., received 0"):
        symbolic(name, length=0)


@every_network
def test_stages_lie_between_the_endpoints_and_can_be_frozen(name):
    model = build(name)  # PyTorch cuts no network without numbers
    found = zoo.stages(model)
    listed = [layer for names in found.values() for layer in names]
    assert sorted(listed) == sorted(x.name for x in model.layers if x.weights)
    last = "memory" if "memory" in found else "features"
    if name == "gpt":
        with pytest.raises(ValueError, match="leave nothing to train"):
            freeze_up_to(model, last)
        return
    freeze_up_to(model, last)
    free = {layer.name for layer in model.layers if layer.weights and layer.trainable}
    assert free == set(listed) - set(found["memory"])


def test_source_and_target_of_other_lengths_are_counted():
    shapes = {"target": (3,), "source": (5,)}
    counted = zoo.card(kept("transformer_base"), shapes)
    width, hidden = TRANSFORMER["width"], TRANSFORMER["feed_forward"]
    blocks = [reading(width, hidden, time) for time in (5, 3)]
    block = sum(blocks) + looking(width, 3, 5)
    logits = 3 * width * VOCABULARY
    assert counted.multiply_accumulates == TRANSFORMER["depth"] * block + logits


@every_network
def test_the_same_seed_draws_the_same_weights_and_no_two_alike(
    models, beginnings, name
):
    again = seeded(name).get_weights()
    for one, other in zip(beginnings[name], again, strict=True):
        np.testing.assert_array_equal(one, other)
    kernels = [w.ravel() for w in again if w.ndim > 1 and w.std() > 0]
    # what begins with the same numbers, whatever their size, was drawn by one object
    seen = {tuple(np.round(kernel[:6] / kernel[0], 4)) for kernel in kernels}
    assert len(seen) == len(kernels)


@every_network
def test_it_answers_with_finite_numbers_in_float32(expected, name):
    """Also where there is no text."""
    found = expected[name]
    time = {"encoder": (), "decoder": SOURCE.shape[1:]}
    shape = (4, *time.get(half(name), TARGET.shape[1:]))
    assert found.shape == (*shape, 2 if half(name) == "encoder" else VOCABULARY)
    assert found.dtype == "float32"
    assert np.all(np.isfinite(found))
    assert found.std() > 0.1


@pytest.mark.parametrize("row", [0, 2])
@every_network
def test_a_text_alone_without_its_padding_gets_the_same_logits(
    models, expected, name, row
):
    """A batch of one, of other lengths, of a single token; padding changes nothing."""
    source = SOURCE[row : row + 1, : SOURCES[row]]
    target = TARGET[row : row + 1, : TARGETS[row]]
    found = numbers(models[name](takes(name, source, target), training=False))
    wanted = expected[name][row]
    wanted = wanted if half(name) == "encoder" else wanted[: found.shape[1]]
    np.testing.assert_allclose(found[0], wanted, 1e-4, 1e-5)


@every_writer
def test_no_position_sees_what_comes_behind_it(models, expected, name):
    source, target = SOURCE.copy(), TARGET.copy()
    (source if name == "gpt" else target)[1, 3:] += 1
    found = numbers(models[name](takes(name, source, target), training=False))[1]
    np.testing.assert_allclose(found[:3], expected[name][1, :3], 1e-4, 1e-5)
    assert np.all(np.abs(found[3:] - expected[name][1, 3:]).max(-1) > 1e-3)


@pytest.mark.parametrize("policy, bound", ROUNDINGS)
@every_network
def test_half_the_bits_give_logits_in_float32(models, expected, name, policy, bound):
    keras.config.set_dtype_policy(policy)
    model = build(name)
    model.set_weights(models[name].get_weights())
    found = model(takes(name), training=False)
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    size = np.abs(expected[name]).mean()
    assert np.abs(numbers(found) - expected[name]).mean() < bound * size


@every_network
def test_it_learns_with_every_weight(models, name):
    """By a compiled step, with padding and an empty text among what is learned."""
    model = models[name]
    labels = {"encoder": np.array([0, 1, 1, 0]), "decoder": np.roll(SOURCE, -1, 1)}
    labels = labels.get(half(name), np.roll(TARGET, -1, 1))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.02), loss)
    before = [numbers(weight) for weight in model.trainable_weights]
    losses = [
        model.train_on_batch(takes(name), labels, return_dict=True)["loss"]
        for _ in range(4)
    ]
    assert np.all(np.isfinite(losses))
    assert losses[-1] < losses[0]
    after = [numbers(weight) for weight in model.trainable_weights]
    for weight, old in zip(model.trainable_weights, before, strict=True):
        weight.assign(old)  # the other questions are to the same network
    for weight, old, new in zip(model.trainable_weights, before, after, strict=True):
        # what is added to all keys moves all scores of a query alike
        assert np.any(old != new) or weight.path.endswith("key/bias"), weight.path


@pytest.fixture(scope="module")
def saved(models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("keras")
    for name, model in models.items():
        model.save(folder / f"{name}.keras")
    return folder


@pytest.fixture(scope="module")
def keras_answers(saved):
    inputs = {}
    for name in COMPUTED:
        texts = takes(name)
        several = isinstance(texts, dict)
        inputs |= {f"{name}/{k}": v for k, v in texts.items()} if several else {}
        inputs |= {} if several else {name: texts}
    save_arrays(saved / "inputs.npz", inputs)
    save_arrays(saved / "labels.npz", {})
    run("fresh_keras.py", saved)
    return json.loads((saved / "keras.json").read_text())


@every_network
def test_saved_and_loaded_it_answers_alike(expected, keras_answers, name):
    assert "error" not in keras_answers[name], keras_answers[name]
    found = keras_answers[name]["outputs"]
    np.testing.assert_allclose(found, expected[name], 1e-4, 1e-5)


@every_network
def test_it_takes_its_weights_from_a_file(models, saved, name):
    path = str(saved / f"{name}.keras")
    again = build(name, dropout=0.0, weights=path)
    for one, other in zip(again.weights, models[name].weights, strict=True):
        np.testing.assert_array_equal(numbers(one), numbers(other))


@pytest.mark.parametrize(
    "name, options, told",
    [
        ("transformer_tiny", {"vocabulary": 31}, "source_embedding has shape"),
        ("seq2seq_bahdanau", {"width": 6}, "encoder1 has shape"),
        ("gpt", {"depth": 3}, "has no decoder_block3"),
        ("transformer_base", {"weights": "imagenet"}, "no ImageNet weights of trans"),
    ],
)
def test_weights_that_do_not_fit_are_refused(saved, name, options, told):
    with pytest.raises(ValueError, match=told):
        build(name, **{"weights": str(saved / f"{name}.keras"), **options})


def test_an_encoder_is_fine_tuned_to_other_classes(models):
    model = models["transformer_classifier"]
    tuned = zoo.finetune(model, 5)
    assert [w.shape for w in tuned.trainable_weights] == [(12, 5), (5,)]
    features = [
        numbers(keras.Model(m.input, m.get_layer("features").output)(SOURCE))
        for m in (model, tuned)
    ]
    np.testing.assert_allclose(features[1], features[0], 1e-5, 1e-6)

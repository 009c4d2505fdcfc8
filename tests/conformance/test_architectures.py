"""What is asked of every architecture of images: all variants, at small inputs.

Most is asked of models without numbers: in a `keras.StatelessScope` variables have
shapes and nothing is allocated. What concerns stems and heads is asked once of the
variants that differ in depth, width or norms alone, and what costs seconds, to train,
to save, to export, of the representatives, whose blocks the others repeat.
"""

import dataclasses
import functools
import gc
import re

import keras
import numpy as np
import pytest
from conformance.architecture_sizes import (
    DEFAULT,
    NARROW,
    REPRESENTATIVES,
    SMALL,
)

from kerasmith import zoo
from kerasmith.zoo.tools.symbolic import without_numbers

# fields of a family's row that no stem and no head depends on
INSIDE = ("summary", "accuracy", "paper", "depths", "depth", "width", "parts")
INSIDE += ("input_shape", "classes", "heads")


# a Siamese network is one of these with a head that compares: its rows stand among
# those of layers, and what is its own in tests/test_siamese.py; those of texts are
# asked in test_sequence_architectures.py
OF_IMAGES = ("classification", "segmentation")
NAMES = [n for n in zoo.names() if zoo.registry.variant(n).task in OF_IMAGES]


def first_of_each(inside):
    """Name the first of each group of variants that differ in some fields alone."""
    found = {}
    for name in NAMES:
        row = zoo.registry.variant(name)
        fields = {field.name for field in dataclasses.fields(row)} - {*inside}
        outside = {field: getattr(row, field) for field in sorted(fields)}
        found.setdefault((type(row).__module__, repr(outside)), name)
    return list(found.values())


# what a graph is made of does not depend on the backend, and what computes in it is
# that of the representatives
ELSEWHERE = keras.backend.backend() != "tensorflow"
# a thousand layers take half a minute, and are those of preresnet164 once more
BUILT = [name for name in NAMES if name != "preresnet1001"]
every_name = pytest.mark.parametrize("name", REPRESENTATIVES if ELSEWHERE else BUILT)
EDGES = REPRESENTATIVES if ELSEWHERE else first_of_each(INSIDE)
every_edge = pytest.mark.parametrize("name", EDGES)


def segments(name):
    """Tell whether it answers for each pixel."""
    return zoo.registry.variant(name).task == "segmentation"


def learns_positions(name):
    """Tell whether it has a vector for each position, whose number is fixed."""
    return hasattr(zoo.registry.variant(name), "patch_size")


every_classifier = pytest.mark.parametrize(
    "name", [name for name in EDGES if not segments(name)]
)
every_representative = pytest.mark.parametrize("name", REPRESENTATIVES)
STEMS = ("paper", "small")


@keras.saving.register_keras_serializable("tests")
class Drawn(keras.initializers.Initializer):
    """He's initialisation from numbers drawn once: large kernels take no time."""

    numbers = np.random.default_rng(7).normal(size=2**16).astype("float32")

    def __call__(self, shape, dtype=None):
        drawn = np.resize(self.numbers, shape) * np.sqrt(2 / np.prod(shape[:-1]))
        return keras.ops.convert_to_tensor(drawn, dtype)


def shape_of(name):
    return SMALL.get(name, DEFAULT)


def build(name, **options):
    """Build a small one with numbers."""
    common = {"classes": 5, "input_shape": shape_of(name), **NARROW.get(name, {})}
    return zoo.build(name, **{**common, **options})


def answers(model):
    """Tell the shape of what it answers: one image, or each pixel of the features."""
    features = model.get_layer("features").output
    return (*features.shape[:-1], 5)


def symbolic(name, **options):
    """Build a small one without numbers."""
    return without_numbers(lambda: build(name, **options))


@functools.cache
def kept(name):
    model = symbolic(name)
    gc.collect()
    gc.freeze()  # garbage is looked for after each test here, and these stay
    return model


def test_every_small_input_belongs_to_an_architecture():
    assert {*SMALL, *REPRESENTATIVES} <= set(zoo.names())


@every_name
def test_it_is_a_functional_model_of_registered_layers(name):
    model, image = kept(name), keras.Input((1,))
    assert type(model) is type(keras.Model(image, image))
    assert model.name == name
    for layer in model.layers:
        package = keras.saving.get_registered_name(type(layer)).partition(">")[0]
        assert package == "kerasmith" or type(layer).__module__.startswith("keras.")


@every_name
def test_its_layers_have_names_of_ours(name):
    """Weights are matched by name, and Keras counts its own names up."""
    for layer in kept(name).layers:
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(layer).__name__).lower()
        assert not re.fullmatch(rf"{words}(_\d+)?", layer.name)


@every_name
def test_it_has_its_endpoints(name):
    model = kept(name)
    shapes = {
        endpoint: model.get_layer(endpoint).output.shape
        for endpoint in ("stem", "stage1", "features", "logits")
    }
    assert len(shapes["stem"]) == len(shapes["stage1"]) == 4
    assert len(shapes["features"]) == (4 if segments(name) else 2)
    assert shapes["logits"] == model.output_shape == answers(model)


@every_name
def test_it_has_a_line_of_summary_and_a_paper(name):
    variant = zoo.registry.variant(name)
    assert variant.summary and "\n" not in variant.summary
    assert re.search(r"[A-Z].*, (19|20)\d\d, https?://", variant.paper)


@every_name
def test_an_unknown_option_names_the_nearest(name):
    with pytest.raises((TypeError, ValueError), match="activation"):
        zoo.build(name, activatoin="relu")


@every_edge
def test_without_its_top_it_ends_in_features(name):
    model = symbolic(name, top=False)
    assert model.output is model.get_layer("features").output
    assert len(model.output_shape) == (4 if segments(name) else 2)


@every_edge
def test_height_and_width_may_be_open_without_a_top(name):
    options = {"top": False, "input_shape": (None, None, shape_of(name)[-1])}
    if learns_positions(name):
        with pytest.raises(ValueError, match="needs to know height and width"):
            symbolic(name, **options)
        return
    model = symbolic(name, **options)
    open_sizes = [None] * 2 if segments(name) else []
    assert [*model.output_shape[1:-1]] == open_sizes
    assert model.output_shape[-1] is not None


@every_edge
def test_height_and_width_may_be_open_where_no_dense_layer_depends_on_them(name):
    options = {"input_shape": (None, None, shape_of(name)[-1])}
    try:
        model = symbolic(name, **options)
        assert model.output_shape == answers(model)
    except ValueError as refused:
        assert "needs to know height and width" in str(refused)


@pytest.mark.parametrize(
    "name, stem",
    [
        (name, stem)
        for name in EDGES
        for stem in STEMS
        if stem == STEMS[0] or not segments(name)
    ],
)
def test_an_image_too_small_is_told_the_smallest(name, stem):
    try:
        symbolic(name, stem=stem, input_shape=(1, 1, 3))
    except ValueError as refused:
        found = re.search(r"at least (\d+) x (\d+)", str(refused))
        assert found, refused
        smallest = int(found[1])
        model = symbolic(name, stem=stem, input_shape=(smallest, smallest, 3))
        assert model.output_shape == answers(model)
        with pytest.raises(ValueError, match=f"at least {smallest} x {smallest}"):
            symbolic(name, stem=stem, input_shape=(smallest + 9, smallest - 1, 3))


@every_classifier
def test_a_small_stem_keeps_more_positions(name):
    shape = (32, 32, 3)
    small = symbolic(name, stem="small", input_shape=shape)
    positions = last_maps(small)
    # an image as small as the paper's may end in a single one
    assert positions >= 4 or zoo.registry.variant(name).input_shape == (32, 32, 1)
    try:
        assert last_maps(symbolic(name, input_shape=shape)) <= positions
    except ValueError as refused:
        assert "at least" in str(refused)


def last_maps(model):
    """Give the number of positions of the last maps."""
    return [
        np.prod(layer.output.shape[1:3])
        for layer in model.layers
        if len(layer.output.shape) == 4
    ][-1]


# the blocks of deeper ones are those of the first, once more; the sizes of EfficientNet
# between the first and the last lie between theirs; and large ones take gigabytes
SIZES = ("summary", "accuracy", "paper", "depths", "depth")
BETWEEN = tuple(f"efficientnet_b{n}" for n in range(1, 7))
LARGE = (*BETWEEN, "vit_large", "vit_large_32")
ANSWERING = [n for n in first_of_each(SIZES) if n not in LARGE]


@pytest.mark.parametrize("name", REPRESENTATIVES if ELSEWHERE else ANSWERING)
def test_it_answers_with_finite_numbers(name):
    """In training: without statistics a thousand layers would overflow."""
    model = build(name, kernel_initializer=Drawn())
    model = keras.Model(model.input, [model.get_layer("stage1").output, model.output])
    for outputs in model(images_for(name), training=True):
        outputs = keras.ops.convert_to_numpy(outputs)
        assert len(outputs) == 3
        assert np.all(np.isfinite(outputs))
        assert outputs.std() > 0


def images_for(name, batch=3):
    size = (batch, *shape_of(name))
    return np.random.default_rng(0).normal(size=size).astype("float32")

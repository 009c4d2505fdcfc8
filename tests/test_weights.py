"""Weights of ours: loaded by the names of layers, adapted, refused with a reason."""

import zipfile

import h5py
import keras
import numpy as np
import pytest
from random_weights import draw, numbers

from kerasmith import zoo
from kerasmith.zoo.tools import imagenet, saved_weights

SHAPE = (19, 16, 3)


def build(name="resnet20", **options):
    return zoo.build(name, **{"input_shape": SHAPE, **options})


def images(channels=3, count=2, seed=1):
    random = np.random.default_rng(seed)
    return random.uniform(0, 255, (count, *SHAPE[:2], channels)).astype("float32")


def outputs(model, inputs, layer=None):
    if layer:
        model = keras.Model(model.input, model.get_layer(layer).output)
    return numbers(model(inputs, training=False))


@pytest.fixture(scope="module")
def model():
    return draw(build())


@pytest.fixture(scope="module", params=["all.keras", "some.weights.h5"])
def path(request, model, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / request.param
    save(model, path)
    return path


def save(model, path):
    (model.save if path.suffix == ".keras" else model.save_weights)(path)


def test_the_same_variant_gives_the_same_logits(model, path):
    loaded = build(weights=path)
    np.testing.assert_array_equal(
        outputs(loaded, images() / 255), outputs(model, images() / 255)
    )


def test_what_changes_no_weight_may_differ(model, path):
    loaded = build(
        weights=str(path),
        dropout="dropout:0.5",
        drop_path=0.2,
        kernel_regularizer="l2:0.001",
        kernel_constraint="max_norm:3",
    )
    np.testing.assert_array_equal(
        outputs(loaded, images() / 255), outputs(model, images() / 255)
    )


def test_dropping_in_the_file_need_not_be_in_the_model(tmp_path):
    dropping = draw(build(dropout="dropout:0.5", drop_path=0.2))
    dropping.save_weights(tmp_path / "a.weights.h5")
    loaded = build(weights=tmp_path / "a.weights.h5")
    np.testing.assert_array_equal(
        outputs(loaded, images() / 255), outputs(dropping, images() / 255)
    )


@pytest.mark.parametrize("options", [{"classes": 3}, {"top": False}])
def test_all_but_the_head_is_loaded(model, path, options):
    loaded = build(weights=path, **options)
    np.testing.assert_array_equal(
        outputs(loaded, images() / 255, "features"),
        outputs(model, images() / 255, "features"),
    )


def test_weights_without_a_head_leave_it_fresh(model, tmp_path):
    headless = draw(build(top=False))
    headless.save(tmp_path / "headless.keras")
    loaded = build(weights=tmp_path / "headless.keras")
    np.testing.assert_array_equal(
        outputs(loaded, images(), "features"), outputs(headless, images())
    )
    assert np.ptp(numbers(loaded.get_layer("logits").kernel)) > 0


def test_a_grey_image_gives_what_it_gave_in_colours(model, path):
    grey = images(1) / 255
    loaded = build(weights=path, input_shape=(*SHAPE[:2], 1))
    assert loaded.get_layer("stem_conv").kernel.shape[2] == 1
    np.testing.assert_allclose(
        outputs(loaded, grey), outputs(model, np.repeat(grey, 3, 3)), 1e-4, 1e-4
    )


@pytest.mark.parametrize("channels", [2, 4, 7])
def test_equal_channels_of_any_number_give_the_same(channels, tmp_path):
    grey = draw(build(input_shape=(*SHAPE[:2], 1)))
    grey.save_weights(tmp_path / "a.weights.h5")
    loaded = build(
        weights=tmp_path / "a.weights.h5", input_shape=(*SHAPE[:2], channels)
    )
    image = images(1) / 255
    np.testing.assert_allclose(
        outputs(loaded, np.repeat(image, channels, 3)),
        outputs(grey, image),
        1e-4,
        1e-4,
    )


@pytest.mark.parametrize(
    "options, message",
    [
        ({"norm": "group:4"}, r"stem_conv_norm has 4 weights, expected 2"),
        ({"norm": None}, "its stem_conv has 1 weights, expected 2"),
        ({"attention": "squeeze_excite:4"}, "it has no stage1_block1_attention"),
        ({"stem": "small", "name": "resnet18"}, r"received|expected"),
        ({"name": "resnet32"}, "weights of resnet20, expected those of resnet32"),
    ],
)
def test_what_does_not_fit_is_named(path, options, message):
    with pytest.raises(ValueError, match=message):
        build(weights=path, **options)


def test_another_shape_is_named(tmp_path):
    narrow = draw(build("mobilenet_v1_025", top=False))
    model = keras.Model(narrow.input, narrow.output, name="mine")
    model.save_weights(tmp_path / "a.weights.h5")
    message = r"stem_conv has shape \(3, 3, 3, 8\) .*expected \(3, 3, 3, 16\)"
    with pytest.raises(ValueError, match=message):
        build("mobilenet_v1_050", top=False, weights=tmp_path / "a.weights.h5")


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(FileNotFoundError, match="no file nowhere.keras.*'imagenet'"):
        build(weights="nowhere.keras")


def test_other_files_are_refused(tmp_path, model):
    other = tmp_path / "a.npz"
    other.write_bytes(b"numbers")
    with pytest.raises(ValueError, match=r"\.keras and \.weights\.h5"):
        build(weights=other)


@pytest.mark.parametrize("name", ["a.keras", "a.weights.h5"])
def test_a_file_cut_short_is_refused(model, tmp_path, name):
    save(model, tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="cut short"):
        build(weights=tmp_path / name)


def test_an_archive_that_blows_up_is_refused(tmp_path):
    path = tmp_path / "a.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.weights.h5", bytes(1_000_000))
    with pytest.raises(ValueError, match="refused"):
        build(weights=path)


def test_arrays_of_other_files_are_refused(model, tmp_path):
    path = tmp_path / "a.weights.h5"
    model.save_weights(path)
    (tmp_path / "secret").write_bytes(bytes(3 * 3 * 3 * 16 * 4))
    with h5py.File(path, "r+") as file:
        variables = file["layers/conv2d/vars"]
        del variables["0"]
        external = [(tmp_path / "secret", 0, h5py.h5f.UNLIMITED)]
        variables.create_dataset("0", (3, 3, 3, 16), "float32", external=external)
    with pytest.raises(ValueError, match="points to other files"):
        build(weights=path)


def test_no_layer_of_a_file_is_built(tmp_path, model, monkeypatch):
    model.save(tmp_path / "a.keras")
    for kind in (keras.layers.Conv2D, type(model)):
        monkeypatch.setattr(kind, "from_config", None)
    build(weights=tmp_path / "a.keras")


@pytest.fixture(scope="module")
def pretrained():
    """A network whose weights came with preprocessing: they were drawn, not learnt."""
    name = "mobilenet_v1_025"
    application = draw(keras.applications.MobileNet((32, 32, 3), 0.25, weights=None))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(imagenet, "_application", lambda model: application)
        yield build(name, weights="imagenet")


@pytest.mark.parametrize("name", ["all.keras", "some.weights.h5"])
@pytest.mark.parametrize("channels", [3, 1, 6])
def test_preprocessing_travels_with_the_weights(pretrained, tmp_path, name, channels):
    save(pretrained, tmp_path / name)
    loaded = build(
        pretrained.name,
        weights=tmp_path / name,
        input_shape=(*SHAPE[:2], channels),
    )
    grey = images(1)
    np.testing.assert_allclose(
        outputs(loaded, np.repeat(grey, channels, 3)),
        outputs(pretrained, np.repeat(grey, 3, 3)),
        1e-4,
        1e-4,
    )


def test_preprocessing_is_saved_and_stays_in_a_cut_model(pretrained, tmp_path):
    pretrained.save(tmp_path / "a.keras")
    loaded = keras.saving.load_model(tmp_path / "a.keras", safe_mode=True)
    np.testing.assert_array_equal(
        outputs(loaded, images(), "stage2"), outputs(pretrained, images(), "stage2")
    )
    assert "preprocessing" in [layer.name for layer in loaded.layers]


def test_preprocessing_of_a_variant_without_any_is_refused(tmp_path, model):
    image = keras.Input(SHAPE)
    x = keras.layers.Rescaling(2.0, name="preprocessing")(image)
    own = keras.Model(image, model(x), name="resnet20")
    own.save_weights(tmp_path / "a.weights.h5")
    with pytest.raises(ValueError, match="there are none of resnet20"):
        saved_weights.constants("resnet20", tmp_path / "a.weights.h5")

"""Networks run in tiles, against the same networks run on whole images."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from keras import layers as of_keras

from kerasmith import layers, zoo
from kerasmith.zoo.tools import Plan, in_tiles, plan_tiles, predict_tiled

QUIET = {"progress": False}


def drawn(*shape):
    return np.random.default_rng(1).normal(size=shape).astype("float32")


def u_net(variant="unet_same", *, axes=2, depth=2, width=2, **options):
    """Build a small U-Net for any size, whose biases and statistics are drawn."""
    shape = options.pop("input_shape", (None,) * axes + (1,))
    options = {"input_shape": shape, "classes": 2, "width": width, **options}
    options["depth"] = None if "encoder" in options else depth
    model = zoo.unet(variant, **options)
    generator = np.random.default_rng(2)
    for weight in model.weights:
        if len(weight.shape) == 1:
            weight.assign(generator.uniform(0.1, 0.3, weight.shape))
    return model


def whole(model, image):
    # JAX compiles each operation where it runs no whole network
    run = model.predict_on_batch if keras.backend.backend() == "jax" else model
    return keras.ops.convert_to_numpy(run(image[None]))[0]


def mirrored(model, image, plan):
    """Answer for a whole image with its mirror images around it."""
    around = []
    for size, tile, margin, stride in zip(
        image.shape, plan.tile, plan.margin, plan.stride, strict=False
    ):
        more = (tile - size - 2 * margin) % stride
        around.append((margin, margin + more))
    large = np.pad(image, [*around, (0, 0)], mode="symmetric")
    answers = whole(model, large)
    cut = []
    for axis, size in enumerate(image.shape[:-1]):
        lost = large.shape[axis] - answers.shape[axis]
        begin = plan.margin[axis] - lost // 2
        cut.append(slice(begin, begin + size))
    return answers[tuple(cut)]


class Watched:
    """An image that can be read by slices alone, and tells how much was read."""

    def __init__(self, image):
        self.image, self.shape, self.read = image, image.shape, []

    def __getitem__(self, slices):
        assert all(isinstance(each, slice) for each in slices)
        self.read.append(self.image[slices].shape)
        return self.image[slices]

    def __array__(self, *args, **kwargs):
        raise AssertionError("the whole image was read")


@pytest.fixture(scope="module")
def model():
    return u_net()


@pytest.mark.parametrize("size", [(61, 97), (30, 101), (3, 5), (64, 64)], ids=str)
def test_a_padded_network_answers_as_for_the_whole_image(model, size):
    image = drawn(*size, 1)
    found = predict_tiled(model, image, tile=(60, 53), batch_size=2, **QUIET)
    np.testing.assert_allclose(found, whole(model, image), atol=1e-5)


def test_the_default_is_one_compiled_tile_for_an_image_that_fits(model):
    plan = plan_tiles(model)
    assert plan == Plan((512, 512), (23, 23), (4, 4), ("any", "any"), "network")
    assert [len(plan.spans(0, n)[1]) for n in (1, 512, 513)] == [1, 1, 2]


@pytest.mark.parametrize("margin, axes", [(200, 1), (200, 2), (30, 3)])
def test_half_of_a_default_tile_is_used(margin, axes):
    model = u_net(axes=axes, depth=1)
    plan = plan_tiles(model, margin=margin)
    used = (plan.tile[0] - 2 * margin) ** axes
    assert used >= 0.5 * plan.tile[0] ** axes
    assert (plan.tile[0] - 10 - 2 * margin) ** axes < 0.5 * plan.tile[0] ** axes or (
        plan.tile[0] == 2**18
    )


@pytest.mark.parametrize("size", [(45, 75), (2, 90)], ids=str)
def test_a_network_without_padding_answers_for_each_position(size):
    model, image = u_net("unet"), drawn(*size, 1)
    plan = plan_tiles(model, tile=71)
    assert plan == Plan((68,) * 2, (20,) * 2, (4,) * 2, ("stride",) * 2, "mirror")
    found = predict_tiled(model, image, tile=71, **QUIET)
    np.testing.assert_allclose(found, mirrored(model, image, plan), atol=1e-5)


def test_mirror_images_around_a_padded_network(model):
    image = drawn(41, 70, 1)
    plan = plan_tiles(model, tile=60, border="mirror")
    found = predict_tiled(model, image, tile=60, border="mirror", **QUIET)
    np.testing.assert_allclose(found, mirrored(model, image, plan), atol=1e-5)
    assert np.abs(found - whole(model, image)).max() > 1e-3


def test_the_plan_of_figure_2():
    plan = plan_tiles(zoo.unet("unet", width=1))
    assert plan.tile == (572, 572) and plan.margin == (92, 92)
    assert plan.border == "mirror" and plan.fit == ("tile", "tile")
    tile, spans = plan.spans(0, 388 + 384)
    assert tile == 572 and [span.start for span in spans] == [-92, 292]


@pytest.mark.parametrize(
    "options, size, tile",
    [
        ({"axes": 1, "depth": 3}, (301,), 150),
        ({"axes": 3, "depth": 1}, (19, 33, 24), 22),
        ({"depth": 1, "upsampling": "bilinear", "attention_gates": True}, (70, 41), 40),
        ({"encoder": "resnet20", "input_shape": (None, None, 1)}, (131, 50), 110),
    ],
    ids=str,
)
def test_other_networks(options, size, tile):
    model, image = u_net(**options), drawn(*size, 1)
    found = predict_tiled(model, image, tile=tile, batch_size=3, **QUIET)
    np.testing.assert_allclose(found, whole(model, image), atol=1e-5)


def strided(axes=1):
    """Build a network that halves odd sizes otherwise than even ones."""
    image = keras.Input((None, 1))
    x = of_keras.Conv1D(2, 5, 2, padding="same")(image)
    x = of_keras.UpSampling1D(2)(x)
    return keras.Model(image, x), keras.Model(
        image, layers.MatchSize("start")([x, image])
    )


@pytest.mark.parametrize("size", [40, 41])
def test_tiles_have_the_phase_of_the_image(size):
    _, model = strided()
    image = drawn(size, 1)
    found = predict_tiled(model, image, tile=17, **QUIET)
    np.testing.assert_allclose(found, whole(model, image), atol=1e-5)


def test_a_size_that_the_network_does_not_keep_is_continued():
    model, _ = strided()
    image = drawn(41, 1)
    found = predict_tiled(model, image, tile=17, **QUIET)
    continued = np.concatenate([image, image[-1:]])
    np.testing.assert_allclose(found, whole(model, continued)[:41], atol=1e-5)


def test_a_model_of_one_size_has_tiles_of_it():
    fixed, free = u_net(input_shape=(64, None, 1)), u_net()
    free.set_weights(fixed.get_weights())
    image = drawn(90, 61, 1)
    plan = plan_tiles(fixed)
    assert plan.tile == (64, 512) and plan.fit == ("tile", "any")
    found = predict_tiled(fixed, image, **QUIET)
    # up to the multiple of 4 that the free network continues to, too
    np.testing.assert_allclose(found, whole(free, image), atol=1e-5)
    with pytest.raises(ValueError, match="images of 64 positions along axis 0 only"):
        plan_tiles(fixed, tile=128)


def test_a_smaller_margin_shows_a_seam(model):
    image = drawn(80, 30, 1)
    expected = whole(model, image)
    plan = plan_tiles(model, tile=60)
    run = model.predict_on_batch
    less = dataclasses.replace(plan, margin=(plan.margin[0] - 3, plan.margin[1]))
    assert np.abs(in_tiles(run, image, plan, **QUIET) - expected).max() < 1e-5
    assert np.abs(in_tiles(run, image, less, **QUIET) - expected).max() > 1e-5


def test_no_more_than_a_batch_of_tiles_is_seen_or_read(model, tmp_path):
    """Image and answers stay on disk; all batches are of one shape."""
    files = {name: tmp_path / f"{name}.npy" for name in ("image", "answers")}
    np.save(files["image"], (drawn(150, 90, 1) * 40 + 100).clip(0, 255).astype("uint8"))
    image = np.load(files["image"], mmap_mode="r")
    out = np.lib.format.open_memmap(
        files["answers"], mode="w+", dtype="float32", shape=(150, 90, 2)
    )
    plan, watched, shapes = plan_tiles(model, tile=60), Watched(image), []

    def run(tiles):
        shapes.append(tiles.shape)
        assert tiles.dtype == np.uint8
        return model.predict_on_batch(tiles)

    assert in_tiles(run, watched, plan, batch_size=4, out=out, **QUIET) is out
    out.flush()
    assert set(shapes) == {(4, 58, 58, 1)} and len(shapes) == 9
    assert len(watched.read) == 36 and np.max(watched.read) == 58
    found = np.load(files["answers"])
    expected = whole(model, np.array(image))
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()


def test_answers_pass_through_an_activation(model):
    image = drawn(70, 30, 1)
    logits = whole(model, image)
    found = predict_tiled(model, image, tile=60, activation="softmax", **QUIET)
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    np.testing.assert_allclose(found, powers / powers.sum(-1, keepdims=True), atol=1e-5)
    classes = predict_tiled(
        model, image, activation=lambda a: a.argmax(-1)[..., None], **QUIET
    )
    assert classes.dtype == np.int64 and np.array_equal(
        classes[..., 0], logits.argmax(-1)
    )


def test_a_plan_is_written_as_json_and_runs_any_function():
    plan = plan_tiles(u_net(depth=1), tile=40)
    again = Plan(**json.loads(json.dumps(dataclasses.asdict(plan))))
    assert again == plan
    image = drawn(50, 41, 3)
    found = in_tiles(lambda tiles: tiles * 2, image, again, **QUIET)
    np.testing.assert_array_equal(found, image * 2)


def test_progress_is_shown_for_several_tiles(model, capsys):
    predict_tiled(model, drawn(61, 20, 1), tile=60)
    assert "2/2" in capsys.readouterr().out
    predict_tiled(model, drawn(60, 20, 1), tile=60)
    assert not capsys.readouterr().out


def seeing(x):
    return layers.SqueezeExcite(units=1, name="everything")(x)


def test_a_network_that_sees_everything_needs_a_margin():
    image = keras.Input((None, None, 1))
    x = of_keras.Conv2D(2, 5, padding="same")(seeing(image))
    model = keras.Model(image, x)
    with pytest.raises(ValueError, match=r"whole image \(everything\).*\(2, 2\)"):
        predict_tiled(model, drawn(9, 9, 1))
    assert predict_tiled(model, drawn(9, 9, 1), margin=2, tile=7, **QUIET).shape[0] == 9


def test_a_network_that_nobody_knows_needs_a_margin_and_a_stride():
    image = keras.Input((None, 1))
    x = of_keras.Conv1D(2, 7)(of_keras.Lambda(lambda x: 2 * x)(image))
    model, row = keras.Model(image, x), drawn(50, 1)
    with pytest.raises(ValueError, match="Lambda.*Pass margin=.*and stride="):
        plan_tiles(model, margin=3)
    plan = plan_tiles(model, margin=3, stride=1, tile=20)
    assert plan == Plan((20,), (3,), (1,), ("any",), "mirror")
    found = predict_tiled(model, row, margin=3, stride=1, tile=20, **QUIET)
    np.testing.assert_allclose(found, mirrored(model, row, plan), atol=1e-5)


@pytest.mark.parametrize(
    "options, message",
    [
        (
            {"tile": 50},
            "tile of 50 .* margin of 23 and a stride of 4: take 53 at least",
        ),
        ({"tile": (60, 60, 60)}, "one for each of 2 axes"),
        ({"margin": 2.5}, "margin must be a whole number"),
        ({"stride": 6}, "repeats every 4 positions, received a stride of 6"),
        ({"border": "zeros"}, "'network' or 'mirror', received 'zeros'"),
    ],
)
def test_what_cannot_be_planned_is_refused(model, options, message):
    with pytest.raises(ValueError, match=message):
        plan_tiles(model, **options)


def test_the_smallest_tile_named_works(model):
    image = drawn(70, 54, 1)
    found = predict_tiled(model, image, tile=53, **QUIET)
    np.testing.assert_allclose(found, whole(model, image), atol=1e-5)


def test_what_does_not_fit_is_refused(model):
    with pytest.raises(ValueError, match=r"\(None, None, 1\).*\(9, 9, 3\).*comes last"):
        predict_tiled(model, drawn(9, 9, 3))
    with pytest.raises(ValueError, match="none of a batch"):
        predict_tiled(model, drawn(1, 9, 9, 1))
    with pytest.raises(ValueError, match=r"\(9, 9, 2\), received.*\(9, 9, 1\)"):
        predict_tiled(model, drawn(9, 9, 1), out=np.zeros((9, 9, 1), "float32"))
    with pytest.raises(ValueError, match="float32 .* received .* uint8"):
        predict_tiled(model, drawn(9, 9, 1), out=np.zeros((9, 9, 2), "uint8"))
    with pytest.raises(TypeError, match="received function: run .* in_tiles"):
        predict_tiled(whole, drawn(9, 9, 1))
    with pytest.raises(ValueError, match="no border of its own"):
        plan_tiles(u_net("unet"), border="network")
    with pytest.raises(ValueError, match="margin of 5: leave it out, or give 20"):
        plan_tiles(u_net("unet"), margin=5)


def test_a_network_of_fewer_answers_is_refused():
    image = keras.Input((None, 1))
    half = keras.Model(image, of_keras.MaxPooling1D(2)(image))
    with pytest.raises(ValueError, match=r"an answer every \(2,\) positions"):
        plan_tiles(half)
    plan = Plan((8,), (1,), (1,), ("any",))
    with pytest.raises(ValueError, match="8 positions got 4 answers"):
        in_tiles(half.predict_on_batch, drawn(8, 1), plan)
    with pytest.raises(ValueError, match=r"answers of shape \(1, 8\)"):
        in_tiles(lambda tiles: tiles[..., 0], drawn(8, 1), plan)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"tile": (9, 9)}, "for each of one to three axes"),
        ({"stride": (0,)}, "strides of at least 1"),
        ({"margin": (-1,)}, "margins of at least 0"),
        ({"fit": ("some",)}, "one of any, stride, tile"),
        ({"border": "zeros"}, "network, mirror.*'zeros'"),
    ],
)
def test_a_wrong_plan_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(Plan((9,), (1,), (1,), ("any",)), **change)


def test_a_tile_of_a_model_of_one_size_may_be_too_small():
    plan = plan_tiles(u_net(input_shape=(40, 40, 1)))
    assert plan.spans(0, 40)[1]
    with pytest.raises(ValueError, match="too small for a margin .* take 48 at least"):
        plan.spans(0, 41)

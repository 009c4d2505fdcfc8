"""Many scenes of digits together: arrays, batches for a model, and their picture."""

import keras
import numpy as np
import pytest
from PIL import Image

from kerasmith.zoo import data


def test_arrays_are_the_scenes():
    canvas = data.digits_canvas("train", 20)
    arrays = canvas.arrays()
    for number, scene in enumerate(canvas):
        digits = arrays["counts"][number]
        assert digits == len(scene.classes)
        for one, many in (
            ("image", "images"),
            ("mask", "masks"),
            ("instances", "instances"),
            ("text", "texts"),
        ):
            np.testing.assert_array_equal(arrays[many][number], getattr(scene, one))
        for name in ("boxes", "classes", "sources"):
            np.testing.assert_array_equal(
                arrays[name][number, :digits], getattr(scene, name)
            )
            assert (arrays[name][number, digits:] == -1).all()


def test_batches_hold_what_was_asked_for():
    canvas = data.digits_canvas("dev", 11, size=(30, 41), digits=(1, 3))
    arrays = canvas.arrays()
    for what in ("masks", "boxes", "text"):
        batches = canvas.dataset(4, what)
        assert len(batches) == 3
        images, targets = zip(*batches.as_numpy_iterator(), strict=True)
        assert [len(part) for part in images] == [4, 4, 3]
        assert images[0].dtype == np.float32
        images = np.concatenate(images)
        np.testing.assert_allclose(images, arrays["images"] / 255, rtol=1e-6)
        if what == "boxes":
            for name in ("boxes", "classes"):
                found = np.concatenate([target[name] for target in targets])
                np.testing.assert_array_equal(found, arrays[name])
            assert targets[0]["boxes"].dtype == np.float32
        else:
            targets = np.concatenate(targets)
            name = "masks" if what == "masks" else "classes"
            np.testing.assert_array_equal(targets, arrays[name])
            assert targets.dtype == np.int32


def test_shuffled_batches_are_in_another_order_each_time():
    canvas = data.digits_canvas("train", 23, size=20, digits=1)
    told = {image.tobytes(): n for n, image in enumerate(canvas.arrays()["images"])}

    def passes(canvas):
        batches = canvas.dataset(5, "text", shuffle=True)
        for _ in range(2):
            found = []
            for images, classes in batches.as_numpy_iterator():
                for image, label in zip(images, classes, strict=True):
                    number = told[np.rint(image * 255).astype("uint8").tobytes()]
                    assert label == canvas[number].classes
                    found.append(number)
            assert sorted(found) == list(range(23))
            yield found

    first, second = passes(canvas)
    assert first != second and first != sorted(first)
    keras.utils.set_random_seed(5)
    assert [*passes(canvas)] == [first, second]


def test_batches_refuse_what_cannot_be_right():
    canvas = data.digits_canvas("train", 3)
    with pytest.raises(ValueError, match="no target 'mask'; did you mean 'masks'"):
        canvas.dataset(2, "mask")
    with pytest.raises(ValueError, match="batch_size needs to be 1, 2, ..., received"):
        canvas.dataset(0)
    with pytest.raises(ValueError, match="need 2.3 GiB, and 2 are held"):
        data.digits_canvas("train", 2_500, size=1000).dataset(2)


def test_a_model_learns_to_tell_ink_from_background():
    canvas = data.digits_canvas("train", 96, size=(30, 38), digit_size=(18, 28))
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((30, 38, 1)),
            layers.Rescaling(4.0, -2.0),
            layers.Conv2D(16, 9, padding="same", activation="relu"),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.Conv2D(11, 1),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.02), loss)
    before = model.evaluate(canvas.dataset(32), verbose=0)
    model.fit(canvas.dataset(8, shuffle=True), epochs=8, verbose=0)
    masks = canvas.arrays()["masks"]
    shares = np.bincount(masks.ravel(), minlength=11) / masks.size
    blind = -(shares * np.log(shares)).sum()
    assert model.evaluate(canvas.dataset(32), verbose=0) < blind - 0.05 < before


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [(96, 96), (32, 128), (61, 45), (99, 20)])
def test_a_picture_shows_image_boxes_mask_and_text(size, tmp_path):
    scene = data.digits_canvas("train", 4, size=size, digit_size=16)[2]
    figure = scene.plot(tmp_path / "scene.png")
    image, boxes, mask = figure.axes
    np.testing.assert_array_equal(image.images[0].get_array(), scene.image[..., 0])
    np.testing.assert_array_equal(mask.images[0].get_array(), scene.mask)
    for patch, (left, top, right, bottom) in zip(
        boxes.patches, scene.boxes, strict=True
    ):
        drawn = patch.get_bbox().extents + 0.5
        np.testing.assert_allclose(drawn, [left, top, right, bottom])
    assert [text.get_text() for text in boxes.texts] == [*map(str, scene.classes)]
    assert figure.get_supxlabel() == "text: " + scene.text.replace("\n", " / ")
    with Image.open(tmp_path / "scene.png") as picture:
        assert 200 < min(picture.size) and max(picture.size) < 1000

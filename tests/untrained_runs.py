"""Folders of runs that nobody trained: quick to make, and of any input."""

import functools
import json

import keras
import numpy as np
from keras import layers

from kerasmith import zoo

DIGITS = [str(digit) for digit in range(10)]


def untrained(folder, shape=(9, 14, 1), labels=DIGITS, **settings):
    """Write the run of a small network with random weights that takes a stand."""
    folder.mkdir(parents=True)
    recipe = zoo.recipes.with_settings(
        zoo.recipes.get("lenet5_digits"),
        {"batch_size": 64, "augment": None, **settings},
    )
    config = {**zoo.recipes.to_config(recipe), "input_shape": list(shape)}
    about = {"recipe": config, "data": {"labels": list(labels)}}
    (folder / "config.json").write_text(json.dumps(about))
    seed = sum(shape)
    stand = keras.initializers.RandomNormal(0, 1, seed=seed)
    network(shape, len(labels), stand).save(folder / "model.keras")
    return folder


def network(shape, classes, initializer="glorot_uniform"):
    flat = [
        keras.Input(shape),
        layers.Conv2D(2, 3, activation="tanh"),
        layers.Flatten(),
    ]
    return keras.Sequential([*flat, layers.Dense(classes, None, True, initializer)])


def cut(images, height, width, kind):
    """Cut crops in NumPy: a list of arrays, one a view."""
    tall, wide = images.shape[1:3]
    tops, lefts = (0, tall - height), (0, wide - width)
    centre = ((tall - height) // 2, (wide - width) // 2)
    corners = [(top, left) for top in tops for left in lefts]
    places = [(0, 0)] if kind in (None, "flip") else [*corners, centre]
    views = [images[:, a : a + height, b : b + width] for a, b in places]
    return views + [view[:, :, ::-1] for view in views if kind in ("flip", "ten")]


def probabilities(logits):
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


@functools.cache
def loaded(shape, scale, offset):
    layer = zoo.data.preprocessing(shape, scale, offset)
    return zoo.data.load("digits", input_shape=shape, preprocess=layer)


def answers(folder, crops, split="test"):
    """Give what a run says, from its files and in NumPy as far as that goes."""
    recipe = zoo.recipes.get(folder / "config.json")
    height, width, channels = recipe.input_shape
    # the paper's 256 to 224, to the next whole pixel
    larger = [int(np.ceil(size * 256 / 224)) for size in (height, width)]
    size = larger if crops in ("five", "ten") else (height, width)
    whole = (*size, channels)
    images, truth = loaded(whole, recipe.scale, recipe.offset).arrays(split)
    model = keras.saving.load_model(folder / "model.keras", compile=False)
    views = cut(images, height, width, crops)
    said = [probabilities(model.predict(view, verbose=0)) for view in views]
    return np.mean(said, axis=0), truth

"""Augmentation that follows from seed, epoch and batch alone."""

import keras
import numpy as np
import tensorflow as tf

from .order import derive
from .python_calls import call_python


class DerivedSeeds(keras.random.SeedGenerator):
    """Hand a layer one seed after the other, derived from a tensor.

    A generator of Keras counts in a variable, so what it hands out depends on all
    that was drawn before. This one has no variable: the same tensor, the same seeds.

    Args:
        seed: Two `int32` values; may be a tensor inside `tf.data`.

    Example:

    >>> one, other = (DerivedSeeds(tf.constant([3, 0])) for _ in range(2))
    >>> bool((one.next() == other.next()).numpy().all())
    True
    """

    def __init__(self, seed):
        # the base class would make the variable
        self.seed, self.draws = seed, 0

    def next(self, ordered=True):
        """Give the next seed."""
        self.draws += 1
        return derive(self.seed, self.draws)


class Augmentation:
    """Run Keras layers on batches inside `tf.data`, reproducibly, on every backend.

    Keras' image layers take their random numbers from a given seed and run in
    parallel. Layers that have randomness of their own (`RandAugment`,
    `RandomColorJitter`, `GaussianNoise`, a model) run one batch after the other,
    their seed variables set anew for each; on JAX and PyTorch they leave TensorFlow
    for that, which is slow. The `seed` that a layer was made with does not matter.

    Args:
        layers: Layers from images to images of the same shape.
        input_shape: Shape of one image.
        value_range: Lowest and highest value of the images.
        masks: Whether masks are to follow their images.

    Raises:
        TypeError: If something in the list is not a Keras layer.
        ValueError: If a layer changes the shape, mixes labels, expects pixel values
            of quite another range, or is `AugMix`, which inside `tf.data` repeats
            the operations of its first batch; or masks cannot follow it.

    Example:

    >>> turn = Augmentation([keras.layers.RandomRotation(0.1)], (8, 8, 1), (0.0, 1.0))
    >>> images, seed = tf.ones((3, 8, 8, 1)), tf.constant([0, 1])
    >>> bool((turn(images, seed) == turn(images, seed)).numpy().all())
    True
    """

    def __init__(self, layers, input_shape, value_range, masks=False):
        if isinstance(layers, keras.Layer) or not isinstance(layers, (list, tuple)):
            raise TypeError(
                f"augment needs a list of Keras layers, received {layers!r}."
            )
        self.images = tf.TensorSpec((None, *input_shape), tf.float32)
        self.masks = masks
        for layer in layers:
            _check_layer(layer, value_range)
            if masks:
                _check_for_masks(layer)
        self.steps = [self._step(layer) for layer in layers]
        self.parallel = all(parallel for _, parallel in self.steps)

    def __call__(self, images, seed):
        for position, (step, _) in enumerate(self.steps):
            images = step(images, derive(seed, position))
        return images

    def with_masks(self, images, masks, seed):
        """Move masks as their images are moved.

        Args:
            images: Tensor of shape `(batch, height, width, channels)`.
            masks: int32 tensor of shape `(batch, height, width)`.
            seed: Two `int32` values.

        Returns:
            Both, changed.
        """
        # layers change images and masks of one batch alike: as channels of a mask's
        # own they could not be interpolated otherwise than colours
        both = images, tf.cast(masks, tf.float32)[..., None]
        for position, (step, _) in enumerate(self.steps):
            both = step(*both, derive(seed, position))
        return both[0], tf.cast(tf.round(both[1][..., 0]), tf.int32)

    def _step(self, layer):
        """Trace a layer; give its function and whether it may run in parallel."""
        if not layer.built:
            layer.build(self.images.shape)
        # layers made of layers do not hand the seed on
        nested = any(isinstance(part, keras.Layer) for part in vars(layer).values())
        if hasattr(layer, "get_random_transformation") and not nested:
            step = self._trace(layer, _seeded(layer))
            # one that heeds the seed touches no variable
            if not step.graph.variables:
                return step, True
        return self._trace(layer, _reseeded(layer, self.images)), False

    def _trace(self, layer, step):
        inputs = [self.images]
        if self.masks:
            inputs.append(tf.TensorSpec((*self.images.shape[:3], 1), tf.float32))
        step = tf.function(step, autograph=False)
        step = step.get_concrete_function(*inputs, tf.TensorSpec((2,), tf.int32))
        for spec, output in zip(
            inputs, tf.nest.flatten(step.structured_outputs), strict=True
        ):
            _check_output(layer, spec, output)
        return step


def _seeded(layer):
    """Run an image layer of Keras in TensorFlow with seeds of ours."""

    def step(images, *masks_and_seed):
        *masks, seed = masks_and_seed
        layer.backend.set_backend("tensorflow")
        try:
            transformation = layer.get_random_transformation(
                images, training=True, seed=DerivedSeeds(seed)
            )
            images = layer.transform_images(images, transformation, training=True)
            follow = layer.transform_segmentation_masks
            masks = [follow(one, transformation, training=True) for one in masks]
        finally:
            layer.backend.reset()
        moved = [tf.cast(one, tf.float32) for one in (images, *masks)]
        return tuple(moved) if masks else moved[0]

    return step


def _reseeded(layer, spec):
    """Run any layer, setting its seed variables before."""
    weights = {id(variable) for variable in layer.weights}
    states = [state for state in layer.variables if id(state) not in weights]

    def call(images, seeds):
        for state, seed in zip(states, seeds, strict=True):
            state.assign(seed)
        return layer(images, training=True)

    def elsewhere(images, *seeds):
        outputs = call(images, seeds)
        return np.asarray(keras.ops.convert_to_numpy(outputs), "float32")

    def step(images, seed):
        seeds = [derive(seed, number) for number in range(len(states))]
        if keras.config.backend() == "tensorflow":
            return tf.cast(call(images, seeds), tf.float32)
        inputs = [images, *seeds]
        outputs = call_python(elsewhere, inputs, tf.float32, _unchanged, parallel=False)
        return tf.ensure_shape(outputs, spec.shape)

    return step


def _unchanged(images, *seeds):
    return images


def _check_for_masks(layer):
    """Refuse what a mask cannot follow, or would follow into classes there are not."""
    name = type(layer).__name__
    nested = any(isinstance(part, keras.Layer) for part in vars(layer).values())
    if nested or not hasattr(layer, "transform_segmentation_masks"):
        raise ValueError(
            f"masks cannot follow {name}: choose layers that move images and masks "
            "alike, such as RandomFlip, RandomRotation, RandomTranslation and "
            "RandomZoom, or that change colours alone, such as RandomBrightness."
        )
    value = getattr(layer, "fill_value", 0)
    if getattr(layer, "fill_mode", None) == "constant" and (value < 0 or value % 1):
        raise ValueError(
            f"{name} fills masks, too, with fill_value={value}, which is no class: "
            "scale images so that 0 fills them, or use fill_mode='reflect'."
        )


def _check_layer(layer, value_range):
    if not isinstance(layer, keras.Layer):
        raise TypeError(f"augment needs a list of Keras layers, received {layer!r}.")
    name = type(layer).__name__
    if isinstance(layer, (keras.layers.MixUp, keras.layers.CutMix)):
        raise ValueError(
            f"{name} mixes labels too, and these pipelines give whole labels: mix "
            "inside the training step instead."
        )
    if isinstance(layer, keras.layers.AugMix):
        raise ValueError(
            "AugMix chooses its operations once, when a pipeline is built, and repeats "
            "them on every batch: use RandAugment instead."
        )
    wanted = getattr(layer, "value_range", None)
    if wanted is None:
        return
    ratio = (wanted[1] - wanted[0]) / max(value_range[1] - value_range[0], 1e-12)
    if not 0.25 < ratio < 4:
        low, high = (round(float(value), 4) for value in value_range)
        raise ValueError(
            f"{name} expects pixel values in {tuple(wanted)}, but the preprocessing "
            f"gives values in ({low}, {high}): pass {name} value_range=({low}, {high})."
        )


def _check_output(layer, images, outputs):
    if tuple(outputs.shape[1:]) != tuple(images.shape[1:]):
        raise ValueError(
            f"augment changes images of shape {tuple(images.shape[1:])} into "
            f"{tuple(outputs.shape[1:])} ({type(layer).__name__}); the model would "
            "see another size when it is tested. Resize in preprocess instead."
        )

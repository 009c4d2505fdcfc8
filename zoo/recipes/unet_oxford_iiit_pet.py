"""U-Net with a ResNet-34 of ImageNet as its left half, on the Oxford-IIIT pets.

    kerasmith train unet_oxford_iiit_pet

Pet, background and the border between them, of photographs of 37 breeds of cats and
dogs. Aim: a mean intersection over union of 75 % on the test images, not yet measured
here: the set and the weights have to be downloaded.

Source: Parkhi et al., 2012, https://doi.org/10.1109/CVPR.2012.6248092
"""

import keras

from .common import PIXEL_LOSS
from .recipe import Promise, Recipe


def mirror_and_turn():
    """Mirror half of the images, and turn them a little.

    Returns:
        List of Keras layers, which masks can follow.

    Example:

    >>> len(mirror_and_turn())
    2
    """
    return [
        keras.layers.RandomFlip("horizontal"),
        keras.layers.RandomRotation(0.03),
    ]


RECIPE = Recipe(
    name="unet_oxford_iiit_pet",
    summary="U-Net with a ResNet-34 of ImageNet on photographs of pets",
    data="tfds:oxford_iiit_pet",
    model="unet_same",
    promise=Promise({"test_mean_iou": 0.75}, None, "an aim, not yet measured here"),
    input_shape=(224, 224, 3),
    options={"encoder": "resnet34"},
    weights="imagenet",
    scale=1.0,
    augment=mirror_and_turn,
    loss=PIXEL_LOSS,
    learning_rate=5e-4,
    schedule="cosine",
    warmup=0.05,
    rate_decay=1.5,
    epochs=20,
    batch_size=16,
)

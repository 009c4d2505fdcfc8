"""ResNet-50 with the weights of ImageNet, fine-tuned on a folder of images.

    kerasmith train resnet50_finetune --data folder:photos
    kerasmith train resnet50_finetune --data folder:photos --set freeze=features

The folder holds one folder of images a class. The first two stages and all batch norms
keep their weights; the rest learns at rates that fall by 2.6 a stage.

Promise: none is measured here, since the weights have to be downloaded and what is
reached depends on the images; 90 % stands for what to aim at.
"""

import keras

from .recipe import Promise, Recipe


def augment():
    """Mirror the images, and move, stretch and light them a little differently.

    Returns:
        List of Keras layers.

    Example:

    >>> len(augment())
    4
    """
    return [
        keras.layers.RandomFlip("horizontal"),
        keras.layers.RandomTranslation(0.1, 0.1, fill_mode="reflect"),
        keras.layers.RandomZoom((-0.2, 0.1), fill_mode="reflect"),
        keras.layers.RandomBrightness(0.2, value_range=(0, 255)),
    ]


RECIPE = Recipe(
    name="resnet50_finetune",
    summary="ResNet-50 with the weights of ImageNet, fine-tuned on your own images",
    data="folder:photos",
    model="resnet50",
    promise=Promise(
        scores={"test_accuracy": 0.9},
        minutes=None,
        measured="an aim, which depends on the images and is not yet measured here",
    ),
    input_shape=(224, 224, 3),
    weights="imagenet",
    freeze="stage2",
    rate_decay=2.6,
    scale=1.0,  # the preprocessing of the weights stands in the model
    augment=augment,
    optimizer="adamw",
    learning_rate=1e-3,
    schedule="cosine",
    warmup=0.1,
    monitor="val_accuracy",
    patience=8,
    epochs=30,
    batch_size=16,
)

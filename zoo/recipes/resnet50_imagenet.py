"""ResNet-50 on ImageNet.

    kerasmith train resnet50_imagenet

The paper: 24.7 / 7.8 % error of one crop.
Not yet measured here: the data have to be downloaded by hand.
"""

from .common import zoom_and_mirror
from .recipe import Promise, Recipe

RECIPE = Recipe(
    name="resnet50_imagenet",
    summary="ResNet-50 on ImageNet",
    data="tfds:imagenet2012",
    model="resnet50",
    promise=Promise(
        {"test_accuracy": 0.753},
        None,
        "24.7 / 7.8 % error of one crop in the paper, not yet measured here",
    ),
    input_shape=(224, 224, 3),
    options={"kernel_regularizer": "l2:0.00005"},
    scale=2 / 255,
    offset=-1.0,
    augment=zoom_and_mirror,
    optimizer="sgd",
    optimizer_options={"momentum": 0.9},
    learning_rate=0.1,
    schedule="step",
    warmup=0.05,
    epochs=90,
    batch_size=256,
)

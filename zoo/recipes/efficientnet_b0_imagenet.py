"""EfficientNet-B0 on ImageNet.

    kerasmith train efficientnet_b0_imagenet

The paper: 77.1 % of the images right.
Not yet measured here: the data have to be downloaded by hand.
"""

from .common import zoom_and_mirror
from .recipe import Promise, Recipe

RECIPE = Recipe(
    name="efficientnet_b0_imagenet",
    summary="EfficientNet-B0 on ImageNet",
    data="tfds:imagenet2012",
    model="efficientnet_b0",
    promise=Promise(
        {"test_accuracy": 0.771},
        None,
        "77.1 % of the images right in the paper, not yet measured here",
    ),
    input_shape=(224, 224, 3),
    options={"kernel_regularizer": "l2:0.000005"},
    scale=2 / 255,
    offset=-1.0,
    augment=zoom_and_mirror,
    optimizer="rmsprop",
    optimizer_options={"rho": 0.9, "momentum": 0.9},
    learning_rate=0.016,
    schedule="cosine",
    warmup=0.05,
    epochs=350,
    batch_size=256,
)

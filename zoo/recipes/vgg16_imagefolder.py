"""VGG-16 on a folder of images, one folder a class.

    kerasmith train vgg16_imagefolder --data folder:PATH

The paper, on the thousand classes of ImageNet: 27.0 / 8.8 % error.
Not yet measured here: that needs its images.
"""

from .common import zoom_and_mirror
from .recipe import Promise, Recipe

RECIPE = Recipe(
    name="vgg16_imagefolder",
    summary="VGG-16 on a folder of images, one folder a class",
    data="folder:images",
    model="vgg16",
    promise=Promise(
        {"test_accuracy": 0.73},
        None,
        "27.0 / 8.8 % error in the paper, not yet measured here",
    ),
    input_shape=(224, 224, 3),
    options={"kernel_regularizer": "l2:0.00025"},
    scale=2 / 255,
    offset=-1.0,
    augment=zoom_and_mirror,
    optimizer="sgd",
    optimizer_options={"momentum": 0.9},
    learning_rate=0.01,
    schedule="step",
    warmup=0.05,
    epochs=74,
    batch_size=256,
)

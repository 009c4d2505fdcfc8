"""Network in network on CIFAR-10, with augmentation.

    kerasmith train nin_cifar10

The paper: 8.81 % error. Not yet measured here: the data have to be downloaded.
"""

from .common import pad_crop_and_mirror
from .recipe import Promise, Recipe

RECIPE = Recipe(
    name="nin_cifar10",
    summary="Network in network on CIFAR-10, with augmentation",
    data="tfds:cifar10",
    model="nin_cifar10",
    promise=Promise(
        {"test_accuracy": 0.9119},
        None,
        "8.81 % error in the paper, not yet measured here",
    ),
    input_shape=(32, 32, 3),
    options={"kernel_regularizer": "l2:0.00005"},
    scale=2 / 255,
    offset=-1.0,
    augment=pad_crop_and_mirror,
    optimizer="sgd",
    optimizer_options={"momentum": 0.9},
    learning_rate=0.02,
    schedule="step",
    warmup=0.02,
    epochs=200,
    batch_size=128,
)

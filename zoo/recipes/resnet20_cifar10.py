"""ResNet-20 on CIFAR-10, as in section 4.2 of the paper.

    kerasmith train resnet20_cifar10

The paper: 8.75 % error after 64,000 steps of 128 images, its rate of 0.1 divided by 10
at half and at three quarters; here after each third, and pixels are scaled to -1 to 1,
not centred by the mean image. Not yet measured here: the data have to be downloaded.
"""

from .common import pad_crop_and_mirror
from .recipe import Promise, Recipe

RECIPE = Recipe(
    name="resnet20_cifar10",
    summary="ResNet-20 on CIFAR-10, as in the paper",
    data="tfds:cifar10",
    model="resnet20",
    promise=Promise(
        {"test_accuracy": 0.9125},
        None,
        "8.75 % error in the paper, not yet measured here",
    ),
    input_shape=(32, 32, 3),
    options={"kernel_regularizer": "l2:0.00005"},  # the paper's decay of 1e-4, halved
    scale=2 / 255,
    offset=-1.0,
    augment=pad_crop_and_mirror,
    optimizer="sgd",
    optimizer_options={"momentum": 0.9},
    learning_rate=0.1,
    schedule="step",
    epochs=164,
    batch_size=128,
)

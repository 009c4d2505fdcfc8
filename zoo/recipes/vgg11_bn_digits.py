"""VGG-11 with batch norm on the handwritten digits of scikit-learn.

kerasmith train vgg11_bn_digits
"""

from .common import on_digits
from .recipe import Promise

RECIPE = on_digits(
    "vgg11_bn",
    Promise(0.98, 3, "mean of XX"),
    learning_rate=3e-4,
    epochs=12,
)

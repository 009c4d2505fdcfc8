"""GoogLeNet with batch norm on the handwritten digits of scikit-learn.

kerasmith train googlenet_bn_digits
"""

from .common import on_digits
from .recipe import Promise

RECIPE = on_digits(
    "googlenet_bn",
    Promise(0.98, None, "99.3 % with seed 0, the mean of three not yet measured here"),
    learning_rate=2e-3,
    epochs=20,
)

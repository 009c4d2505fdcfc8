"""ResNet-20 on the handwritten digits of scikit-learn.

kerasmith train resnet20_digits
"""

from .common import on_digits
from .recipe import Promise

RECIPE = on_digits(
    "resnet20",
    Promise(0.98, 3, "mean of XX"),
    optimizer="sgd",
    optimizer_options={"momentum": 0.9},
    learning_rate=0.05,
    epochs=15,
)

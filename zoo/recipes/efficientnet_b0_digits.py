"""EfficientNet-B0 on the 1,797 handwritten digits that scikit-learn carries.

kerasmith train efficientnet_b0_digits
"""

from .common import on_digits
from .recipe import Promise

RECIPE = on_digits(
    "efficientnet_b0",
    Promise(0.98, 3, "mean of XX"),
    learning_rate=3e-3,
    epochs=20,
)

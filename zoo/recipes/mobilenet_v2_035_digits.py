"""MobileNet V2 of 0.35 the width on the 1,797 handwritten digits that scikit-learn carries.

kerasmith train mobilenet_v2_035_digits
"""

from .common import on_digits
from .recipe import Promise

RECIPE = on_digits(
    "mobilenet_v2_035",
    Promise(0.98, 3, "mean of XX"),
    options={"stem": "small"},
    learning_rate=3e-3,
    epochs=20,
)

"""MobileNet V2 of 0.35 the width on the handwritten digits of scikit-learn.

kerasmith train mobilenet_v2_035_digits
"""

from .common import on_digits
from .recipe import Promise

RECIPE = on_digits(
    "mobilenet_v2_035",
    Promise(0.98, None, "99.3 % with seed 0, the mean of three not yet measured here"),
    options={"stem": "small", "norm": "batch:0.9"},
    learning_rate=3e-3,
    epochs=20,
)

"""U-Net on scenes of handwritten digits: which digit each pixel belongs to.

kerasmith train unet_digits_canvas
"""

from .common import PIXEL_LOSS, turn_and_zoom
from .recipe import Promise, Recipe

RECIPE = Recipe(
    name="unet_digits_canvas",
    summary="U-Net of a quarter of the width on scenes of digits, offline",
    data="digits_canvas",
    model="unet_same",
    promise=Promise(
        {"test_mean_iou": 0.90},
        15,
        "0.9278, mean of the seeds 0 to 2 (0.9228 to 0.9352), 14 epochs of 48 s",
    ),
    input_shape=(64, 64, 1),
    options={"width": 16, "depth": 3, "norm": "batch", "dropout": None},
    augment=turn_and_zoom,
    loss=PIXEL_LOSS,
    learning_rate=2e-3,
    schedule="cosine",
    warmup=0.05,
    epochs=14,
    batch_size=8,
)

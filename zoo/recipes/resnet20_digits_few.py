"""ResNet-20 fine-tuned on five images of each digit, from weights of 0 to 6."""

from .recipe import Promise, Recipe

RECIPE = Recipe(
    name="resnet20_digits_few",
    summary="ResNet-20 fine-tuned on 5 images of each of the ten digits, offline",
    data="digits_few",
    model="resnet20",
    promise=Promise(test_accuracy=0.9, minutes=1, measured="not yet"),
    input_shape=(16, 16, 1),
    weights="runs/resnet20_digits_seven/model.keras",
    freeze="stage2",
    rate_decay=2.6,
    learning_rate=3e-3,
    schedule="cosine",
    epochs=60,
    batch_size=10,
)

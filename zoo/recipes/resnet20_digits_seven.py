"""ResNet-20 on the digits 0 to 6: what `resnet20_digits_few` starts from."""

from .recipe import Promise, Recipe

RECIPE = Recipe(
    name="resnet20_digits_seven",
    summary="ResNet-20 on the digits 0 to 6, to be fine-tuned on all ten, offline",
    data="digits_seven",
    model="resnet20",
    promise=Promise(test_accuracy=0.98, minutes=2, measured="not yet"),
    input_shape=(16, 16, 1),
    learning_rate=3e-3,
    schedule="cosine",
    warmup=0.1,
    epochs=20,
    batch_size=32,
)

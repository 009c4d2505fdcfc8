"""A Transformer that translates talks from Portuguese to English.

    kerasmith train transformer_base_ted

The smaller of the sets on which the Transformer is usually tried, about 52,000
sentences, by a network of two thirds of its width.
"""

from .recipe import Promise
from .text_recipe import TextRecipe

RECIPE = TextRecipe(
    name="transformer_base_ted",
    summary="TED talks from Portuguese to English, through tensorflow-datasets",
    data="tfds:ted_hrlr_translate/pt_to_en",
    model="transformer_base",
    promise=Promise({"test_bleu": 0.35}, None, "not yet measured here"),
    options={"depth": 4, "width": 256, "heads": 8, "feed_forward": 1024},
    vocabulary={"kind": "subwords", "size": 8000, "lowercase": True},
    source_length=128,
    length=128,
    loss={
        "class_name": "kerasmith>LabelSmoothingCrossEntropy",
        "config": {"from_logits": True},
    },
    optimizer_options={"beta_2": 0.98, "epsilon": 1e-9},
    learning_rate=1e-3,
    schedule="noam",
    warmup=4000,
    epochs=20,
    batch_size=64,
)

"""The paper's Transformer, from English to German.

    kerasmith train transformer_base_wmt

A batch of the paper has some 25,000 tokens of either side. Training it takes days on
one accelerator.
"""

from .recipe import Promise
from .text_recipe import TextRecipe

RECIPE = TextRecipe(
    name="transformer_base_wmt",
    summary="news from English to German as in the paper, through tensorflow-datasets",
    data="tfds:wmt14_translate/de-en",
    model="transformer_base",
    promise=Promise({"test_bleu": 0.25}, None, "not yet measured here"),
    vocabulary={"kind": "subwords", "size": 37_000},
    source_length=256,
    length=256,
    loss={
        "class_name": "kerasmith>LabelSmoothingCrossEntropy",
        "config": {"from_logits": True},
    },
    optimizer_options={"beta_2": 0.98, "epsilon": 1e-9},
    learning_rate=7e-4,
    schedule="noam",
    warmup=4000,
    epochs=8,
    batch_size=512,
    beams=4,
    length_penalty=0.6,
)

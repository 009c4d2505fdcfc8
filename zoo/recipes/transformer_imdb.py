"""A small Transformer that tells whether a film review praises its film.

kerasmith train transformer_imdb
kerasmith predict runs/transformer_imdb "A waste of two good hours."

25,000 reviews to learn from and as many to be tested by, half of them praise: Maas et
al., 2011, https://aclanthology.org/P11-1015. tensorflow-datasets downloads them, 80 MB.
The first 255 words of a review are read.
"""

from .recipe import Promise
from .text_recipe import TextRecipe

RECIPE = TextRecipe(
    name="transformer_imdb",
    summary="film reviews: praise or blame",
    data="tfds:imdb_reviews",
    model="transformer_classifier",
    promise=Promise({"test_accuracy": 0.85}, None, "not yet measured here"),
    options={"depth": 1, "dropout": 0.3},
    vocabulary={"kind": "words", "size": 20_000, "lowercase": True},
    source_length=256,
    schedule="cosine",
    warmup=0.1,
    learning_rate=1e-3,
    epochs=4,
    batch_size=64,
)

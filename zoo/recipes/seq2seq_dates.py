"""A recurrent network with attention that reads dates as people write them.

kerasmith train seq2seq_dates
kerasmith translate runs/seq2seq_dates "3rd of May 2021"
"""

from .recipe import Promise
from .text_recipe import TextRecipe

RECIPE = TextRecipe(
    name="seq2seq_dates",
    summary="dates of eleven languages to ISO 8601 by recurrent networks, offline",
    data="dates",
    model="seq2seq_bahdanau",
    promise=Promise(
        {"test_exact_match": 0.99}, 5, "0.999, mean of the seeds 0 to 2 (0.997 to 1)"
    ),
    options={"width": 128, "embedding": 32},
    target_vocabulary={},
    source_length=48,
    length=12,
    schedule="cosine",
    warmup=0.1,
    learning_rate=4e-3,
    epochs=2,
    batch_size=64,
)

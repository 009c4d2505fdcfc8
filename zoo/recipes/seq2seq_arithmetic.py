"""A recurrent network with attention that adds numbers it has not seen.

    kerasmith train seq2seq_arithmetic
    kerasmith translate runs/seq2seq_arithmetic 12+345

The numbers to learn from have up to three digits. The report tells what becomes of
those with four, which is another task: networks learn sums, not how to carry.
"""

from .recipe import Promise
from .text_recipe import TextRecipe

RECIPE = TextRecipe(
    name="seq2seq_arithmetic",
    summary="sums of numbers of up to three digits, and longer ones as a test, offline",
    data="arithmetic",
    model="seq2seq_bahdanau",
    promise=Promise({"test_exact_match": 0.9}, None, "not yet measured here"),
    options={"width": 128, "embedding": 32},
    target_vocabulary={},
    source_length=12,
    length=8,
    learning_rate=4e-3,
    schedule="cosine",
    warmup=0.1,
    epochs=12,
    batch_size=64,
)

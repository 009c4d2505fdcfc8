"""LSTMs that read a sentence of Python's help from both sides and tell its topic.

kerasmith train bilstm_help_topics
kerasmith predict runs/bilstm_help_topics "Tuples are immutable sequences."

A minute of training, offline, and 57 % of the test sentences of 20 topics are right; of
the largest topic are 16 %. 1,248 sentences are few for a network: scikit-learn's
logistic regression of their words has 62.5 % (TF-IDF) or 56 % (counts), its strength of
regularisation chosen by the dev split, as here the epoch. There are 144 test sentences,
so that four hundredths between two figures mean nothing; other versions of Python have
other help.
"""

from .recipe import Promise
from .text_recipe import TextRecipe

RECIPE = TextRecipe(
    name="bilstm_help_topics",
    summary="sentences of Python's help by their topic, by LSTMs, offline",
    data="help_topics",
    model="bilstm_classifier",
    promise=Promise(
        {"test_accuracy": 0.52}, 2, "0.572, mean of the seeds 0 to 2 (0.535 to 0.590)"
    ),
    options={"width": 64, "dropout": 0.5},
    vocabulary={"kind": "words", "lowercase": True},
    source_length=48,
    schedule="cosine",
    warmup=0.1,
    learning_rate=5e-3,
    monitor="val_accuracy",
    epochs=15,
    batch_size=32,
)

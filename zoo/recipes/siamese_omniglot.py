"""A Siamese network on Omniglot: characters of alphabets that it has never seen.

    kerasmith train siamese_omniglot

Learns from the 964 characters of 30 alphabets, and from each turned by quarters as
three others; tested by the 659 of 20 other alphabets. Aim: 90 % of the characters
named right among five by one image of each; not yet measured here: the set has to be
downloaded.

Source: Lake et al., 2015, https://doi.org/10.1126/science.aab3050
"""

from ..data.turned_classes import turned_classes
from .recipe import Promise, Recipe

RECIPE = Recipe(
    name="siamese_omniglot",
    summary="embeddings of handwritten characters of fifty alphabets",
    data="tfds:omniglot",
    model="siamese_triplet",
    promise=Promise(
        {"test_1_shot_5_way_accuracy": 0.90}, None, "an aim, not yet measured here"
    ),
    input_shape=(32, 32, 1),
    options={"encoder": "vgg11_bn", "stem": "small", "embedding": 64},
    scale=2 / 255,
    offset=-1.0,
    more_classes=turned_classes,
    loss={"class_name": "kerasmith>Triplet", "config": {"margin": 0.2}},
    schedule="cosine",
    warmup=0.05,
    epochs=30,
    batch_size=128,
)

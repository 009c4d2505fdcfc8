"""Recipes of networks that read texts."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from ..choices import choose
from .recipe import Recipe

# what `kerasmith.zoo.data.Vocabulary.learn` takes beside the texts
VOCABULARY = ("kind", "size", "lowercase")


@dataclasses.dataclass(frozen=True)
class TextRecipe(Recipe):
    """Everything needed to repeat one training run on texts.

    What a `Recipe` says of images does not apply.

    Args:
        vocabulary: How the texts to read are cut into tokens: `kind`, `size` and
            `lowercase`, as `kerasmith.zoo.data.Vocabulary.learn` takes them.
        target_vocabulary: The same for the texts to write; one vocabulary serves both
            if `None`.
        source_length: Tokens of a text to read at most, the end token included; what
            is longer is cut.
        length: Tokens of a text to write at most, the end token included.
        beams: Beams of the search that judges and is exported.
        length_penalty: Exponent of the length in its scores.

    Raises:
        ValueError: If a value cannot be right.

    Example:

    >>> from .recipe import Promise, with_settings
    >>> promise = Promise({}, 1, "")
    >>> recipe = TextRecipe("mine", "", "dates", "transformer_tiny", promise)
    >>> with_settings(recipe, {"vocabulary": '{"kind": "words"}'}).vocabulary
    {'kind': 'words'}
    """

    input_shape: tuple = ()
    vocabulary: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    target_vocabulary: Mapping[str, Any] | None = None
    source_length: int = 256
    length: int = 64
    beams: int = 4
    length_penalty: float = 0.7

    def __post_init__(self):
        super().__post_init__()
        if self.input_shape != ():
            raise ValueError(
                "texts have no height and width: a recipe of texts says source_length "
                f"and length instead of input_shape={self.input_shape}."
            )
        if self.fold is not None:
            raise ValueError("folds are of images: train texts with several seeds.")
        for name in ("source_length", "length", "beams"):
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise ValueError(f"{name} needs to be 1, 2, ..., received {value!r}.")
        if type(self.length_penalty) not in (int, float) or self.length_penalty < 0:
            raise ValueError(
                f"length_penalty needs to be 0 or more, received "
                f"{self.length_penalty!r}."
            )
        for name in ("vocabulary", "target_vocabulary"):
            asked = getattr(self, name)
            if asked is None and name == "target_vocabulary":
                continue
            if not isinstance(asked, Mapping):
                raise ValueError(
                    f"{name} needs a JSON object such as "
                    f'{{"kind": "subwords", "size": 8000}}, received {asked!r}.'
                )
            for key in asked:
                choose(f"setting of {name}", key, VOCABULARY)

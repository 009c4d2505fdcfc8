"""What is known of a data set."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Description:
    """What is known of a data set, for people, files and model cards.

    Args:
        name: As `load` takes it.
        input_shape: Height, width and channels of the images in the pipelines.
        classes: Number of classes.
        labels: Name of each class, in the order of the integer labels.
        counts: Number of images in `"train"`, `"dev"` and `"test"`.
        source: Who made the set and where it is found.
        licence: Under which terms it may be used.

    Example:

    >>> pets = Description(
    ...     "folder:pets", (64, 64, 3), 2, ("cat", "dog"),
    ...     {"train": 80, "dev": 10, "test": 10}, "my garden", "mine",
    ... )
    >>> print(pets)
    folder:pets: 2 classes of 64x64x3 images; 80 train, 10 dev, 10 test
    source: my garden
    licence: mine
    """

    name: str
    input_shape: tuple[int, int, int]
    classes: int
    labels: tuple[str, ...]
    counts: dict[str, int]
    source: str
    licence: str

    def to_dict(self) -> dict[str, Any]:
        """Give all of it as data for JSON.

        Returns:
            Dictionary of text, numbers and lists.
        """
        data = dataclasses.asdict(self)
        return {**data, "input_shape": [*self.input_shape], "labels": [*self.labels]}

    def __str__(self):
        shape = "x".join(map(str, self.input_shape))
        counts = ", ".join(f"{count:,} {split}" for split, count in self.counts.items())
        return (
            f"{self.name}: {self.classes} classes of {shape} images; {counts}\n"
            f"source: {self.source}\nlicence: {self.licence}"
        )

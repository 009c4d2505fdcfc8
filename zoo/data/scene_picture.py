"""The picture of a scene: what is on it, where, and what a model is to say."""

import numpy as np

from ...callbacks import drawing

COLOURS = ("#ffffff", *(f"C{number}" for number in range(10)))


def draw(scene, path=None):
    """Draw a scene's image, boxes and masks side by side, with its text.

    Args:
        scene: `Scene`.
        path: Where the picture is written, if anywhere.

    Returns:
        The `matplotlib.figure.Figure`.

    Example:

    >>> from kerasmith.zoo import data
    >>> scene = data.digits_canvas("train", 10)[0]
    >>> [axes.get_title() for axes in draw(scene).axes][:2]
    ['image', 'boxes and classes']
    """
    from matplotlib.colors import ListedColormap, to_rgb
    from matplotlib.patches import Rectangle

    height, width = scene.mask.shape
    panel = 3 * np.sqrt(width / height)
    size = (3 * panel, 3 * panel * height / width / 3 * 1.0 + 0.7)
    with drawing.figure(size, path) as figure:
        image, boxes, masks = figure.subplots(1, 3)
        for axes in (image, boxes):
            axes.imshow(scene.image[..., 0], cmap="gray", vmin=0, vmax=255)
        for (left, top, right, bottom), digit in zip(
            scene.boxes, scene.classes, strict=True
        ):
            colour = f"C{digit}"
            edges = {"fill": False, "edgecolor": colour, "linewidth": 1.5}
            # the middle of a pixel has a whole number, its edges have halves
            corner = left - 0.5, top - 0.5
            boxes.add_patch(Rectangle(corner, right - left, bottom - top, **edges))
            boxes.annotate(
                str(digit),
                corner,
                (1, 1),
                textcoords="offset points",
                color="white",
                size=8,
                bbox={"facecolor": colour, "linewidth": 0, "pad": 1},
            )
        masks.imshow(
            scene.mask, ListedColormap(list(map(to_rgb, COLOURS))), vmin=0, vmax=10
        )
        for axes, title in zip(
            (image, boxes, masks), ("image", "boxes and classes", "mask"), strict=True
        ):
            axes.set(title=title, xticks=[], yticks=[])
            axes.spines[:].set_visible(axes is masks)
        masks.set_xlabel("text: " + " / ".join(scene.text.split("\n")))
    return figure

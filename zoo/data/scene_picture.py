"""The picture of a scene: what is on it, where, and how it is read."""

from ...callbacks import drawing

# of the digits 0 to 9: those of matplotlib, but nothing grey
COLOURS = [*(f"C{number}" for number in range(10))]
COLOURS[7] = "#000075"


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
    from matplotlib.colors import ListedColormap

    height, width = scene.mask.shape
    if width > 2 * height:  # below each other
        rows, panel = 3, 6
    else:
        rows, panel = 1, min(3, max(1.5, 4 * width / height))
    size = panel * 3 / rows, (panel * height / width + 0.3) * rows + 0.2
    with drawing.figure(size, path) as figure:
        image, boxes, mask = figure.subplots(rows, 3 // rows)
        for axes in (image, boxes):
            axes.imshow(scene.image[..., 0], cmap="gray", vmin=0, vmax=255)
        for box, digit in zip(scene.boxes, scene.classes, strict=True):
            _box(boxes, box, str(digit), COLOURS[digit])
        colours = ListedColormap(["white", *COLOURS])
        mask.imshow(scene.mask, colours, vmin=0, vmax=10, interpolation="nearest")
        titles = {image: "image", boxes: "boxes and classes", mask: "mask"}
        for axes, title in titles.items():
            axes.set(title=title, xticks=[], yticks=[])
            axes.spines[:].set_visible(axes is mask)
        lines = scene.text.replace("\n", " / ")
        figure.supxlabel(f"text: {lines}", size=10, color=drawing.INK)
    return figure


def _box(axes, box, name, colour):
    from matplotlib.patches import Rectangle

    # the middle of a pixel has a whole number, its edges have halves
    left, top, right, bottom = (float(edge) - 0.5 for edge in box)
    edges = {"fill": False, "edgecolor": colour, "linewidth": 1.5}
    axes.add_patch(Rectangle((left, top), right - left, bottom - top, **edges))
    plate = {"facecolor": colour, "linewidth": 0, "pad": 1}
    axes.annotate(
        name,
        (left, top),
        (1, 1),
        textcoords="offset points",
        color="white",
        size=8,
        bbox=plate,
    )

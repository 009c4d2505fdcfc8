"""One image file, of whatever kind, as an array."""

import contextlib
import os

import numpy as np

ORIENTATION = 0x0112  # the EXIF tag that tells how the camera was held


def read_image(path, channels=3):
    """Read an image file as `uint8` pixels.

    Reads every format and mode that Pillow knows: grey, palette, CMYK, 16 bits a
    pixel, transparency (dropped), a camera held sideways (turned upright). Of
    several frames, the first.

    Args:
        path: The file.
        channels: 1 for grey, 3 for colour.

    Returns:
        Array of shape `(height, width, channels)`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not an image, is cut short or is of an unknown mode.

    Example:

    >>> import tempfile
    >>> from PIL import Image
    >>> path = tempfile.mkdtemp() + "/grey.png"
    >>> Image.new("L", (7, 5), 9).save(path)
    >>> read_image(path).shape
    (5, 7, 3)
    """
    with _opened(path) as image:
        return _pixels(image, channels)


def inspect_image(path):
    """Tell size and colour of an image file, having decoded it to its end.

    Args:
        path: The file.

    Returns:
        Height, width and channels (1 or 3) as `read_image` can give them.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not an image, is cut short or is of an unknown mode.

    Example:

    >>> import tempfile
    >>> from PIL import Image
    >>> path = tempfile.mkdtemp() + "/grey.png"
    >>> Image.new("L", (7, 5), 9).save(path)
    >>> inspect_image(path)
    (5, 7, 1)
    """
    with _opened(path) as image:
        width, height = image.size
        if image.getexif().get(ORIENTATION, 1) >= 5:
            width, height = height, width
        channels = 1 if image.mode[0] in "1LIF" and image.mode != "LAB" else 3
        # a JPEG is read to its end faster where it may be shrunk on the way
        image.draft(None, (64, 64))
        _pixels(image, channels)
    return height, width, channels


@contextlib.contextmanager
def _opened(path):
    """Open an image; whatever is wrong in it becomes a `ValueError` with its name."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(os.fspath(path)) as image:
            yield image
    except UnidentifiedImageError:
        raise ValueError(f"{path} is not an image that can be read.") from None
    # on files that were cut or altered, Pillow's decoders raise whatever comes
    except Exception as problem:
        if isinstance(problem, OSError) and problem.errno is not None:
            raise  # about the file, not about what is in it
        raise ValueError(f"{path} cannot be decoded: {problem}") from None


def _pixels(image, channels):
    from PIL import ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode == "F":
        raise ValueError("its pixels are fractions of unknown range")
    if image.mode.startswith("I"):
        image = _from_16_bits(image)
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA")
    pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return pixels.reshape(*pixels.shape[:2], channels)


def _from_16_bits(image):
    """Keep the upper eight of sixteen bits; Pillow itself would clip at 255."""
    from PIL import Image

    levels = np.clip(np.asarray(image).astype("int64"), 0, 65535)
    return Image.fromarray(np.round(levels / 257).astype("uint8"))

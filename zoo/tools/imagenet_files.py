"""The files of ImageNet's weights: in Keras' cache, or downloaded into it."""

import contextlib
import hashlib
import os
import pathlib
import socket

import keras

PATIENCE = 20.0  # seconds without a byte


def cache():
    """Name the folder in which Keras keeps weights.

    Returns:
        `models` in the folder that the environment names as `KERAS_HOME`, `~/.keras`
        where it names none.

    Example:

    >>> cache().name
    'models'
    """
    home = os.environ.get("KERAS_HOME") or "~/.keras"
    return pathlib.Path(home).expanduser() / "models"


def fetch(name, url, path, md5):
    """Find a file in the cache, or download it.

    Args:
        name: Name of the variant, for messages.
        url: Where the file is hosted.
        path: Where it is in the cache, or is to be.
        md5: Its MD5 sum, `None` where nobody stated it.

    Returns:
        Its path, in a folder for temporary files where the cache cannot be written.

    Raises:
        ConnectionError: If it is not there and cannot be downloaded.
        OSError: If the download broke off, or is another file.

    Example:

    >>> import tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "weights.h5"
    >>> _ = path.write_bytes(b"numbers")
    >>> fetch("tiny", "https://example.org/weights.h5", path, None) == path
    True
    """
    trouble = "is not there"
    if path.is_file():
        found = _sum(path) if md5 else None
        if found == md5:
            return path
        trouble = f"has the MD5 sum {found} instead of {md5}, so it is no whole copy"
    todo = (
        f"{name} needs the file {path}, which {trouble}. Download {url} where there is "
        "a network and put it there, or let KERAS_HOME name a folder that has it under "
        "models/"
    )
    from ..data.network import require_network  # brings in the data sets

    try:
        require_network([url])
    except ConnectionError as problem:
        raise ConnectionError(f"{todo}: {problem}") from None
    with contextlib.suppress(OSError):  # Keras has a folder of its own for this case
        path.parent.mkdir(parents=True, exist_ok=True)
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        home = str(path.parents[1])
        where = {"cache_dir": home, "cache_subdir": path.parent.name}
        return pathlib.Path(
            keras.utils.get_file(path.name, url, file_hash=md5, **where)
        )
    except Exception as problem:  # Keras raises bare ones
        raise OSError(f"{todo}: {problem}") from problem
    finally:
        socket.setdefaulttimeout(before)


def _sum(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()

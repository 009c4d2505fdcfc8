"""The files of ImageNet's weights: in Keras' cache, or downloaded into it."""

import contextlib
import hashlib
import os
import pathlib
import socket

import keras

PATIENCE = 20.0  # seconds without a byte
KINDS = {32: "MD5", 64: "SHA-256"}  # by the length of what they sum up to


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


def fetch(name, url, path, expected):
    """Find a file in the cache, or download it.

    Args:
        name: Name of the variant, for messages.
        url: Where the file is hosted.
        path: Where it is in the cache, or is to be.
        expected: Its MD5 or SHA-256 sum, `None` where nobody stated it.

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
        kind = KINDS[len(expected)] if expected else None
        found = _sum(path, kind) if kind else None
        if found == expected:
            return path
        trouble = (
            f"has the {kind} sum {found} instead of {expected}, so it is no whole copy"
        )
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
    try:
        return _download(url, path, expected)
    except Exception as problem:  # Keras raises bare ones
        raise OSError(f"{todo}: {problem}") from problem


def _download(url, path, expected):
    """Download a file; it has its name only once it is whole."""
    part, home = path, path.parents[1]
    if os.access(home, os.W_OK) and os.access(path.parent, os.W_OK):
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
    where = {"cache_dir": str(home), "cache_subdir": path.parent.name}
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        found = keras.utils.get_file(part.name, url, file_hash=expected, **where)
        return pathlib.Path(found) if part == path else part.replace(path)
    finally:
        socket.setdefaulttimeout(before)
        if part != path:
            part.unlink(missing_ok=True)


def _sum(path, kind):
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind.replace("-", "")).hexdigest()

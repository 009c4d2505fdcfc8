"""Writing so that nothing is ever lost: beside, flushed, then renamed."""

import contextlib
import os
import pathlib
import shutil
import tempfile


@contextlib.contextmanager
def replacing(path):
    """Give a temporary path that takes the place of `path` when all went well.

    The body writes a file or a folder to the temporary path, which lies in the same
    folder and has the same suffix. Where the body raises, `path` stays as it was
    and what was half written is removed.

    Args:
        path: Where the finished file or folder is to stand.

    Yields:
        The temporary `pathlib.Path`; nothing is there yet.

    Raises:
        FileNotFoundError: If the body wrote nothing.
        OSError: If the folder cannot be written.

    Example:

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> with replacing(folder / "a.txt") as beside:
    ...     _ = beside.write_text("whole")
    >>> [entry.name for entry in folder.iterdir()]
    ['a.txt']
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    room = pathlib.Path(
        tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    )
    beside = room / path.name
    try:
        yield beside
        _flush(beside)
        _rename(beside, path, room / "old")
    finally:
        shutil.rmtree(room, ignore_errors=True)


def write_text(path, text):
    """Write a text file beside and rename it.

    Args:
        path: Where the file is to stand.
        text: What it is to say, written as UTF-8.

    Returns:
        The path as a `pathlib.Path`.

    Example:

    >>> import pathlib, tempfile
    >>> write_text(pathlib.Path(tempfile.mkdtemp()) / "a.txt", "whole").read_text()
    'whole'
    """
    path = pathlib.Path(path)
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8")
    return path


def _rename(beside, path, aside):
    """Rename; a folder cannot be renamed onto a full one, so the old steps aside."""
    if path.is_dir() and not path.is_symlink():
        os.replace(path, aside)
    try:
        os.replace(beside, path)
    except OSError:
        if aside.exists():
            os.replace(aside, path)
        raise


def _flush(path):
    """Push a file, or a folder and all in it, to the disk."""
    entries = [path, *path.rglob("*")] if path.is_dir() else [path]
    for entry in entries:
        handle = os.open(entry, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

"""Sets of tensorflow-datasets on disk, and the ways in which that can fail."""

import contextlib
import io
import logging
import os
import pathlib
import tempfile

from .network import is_connection_failure, require_network

STORE = "https://storage.googleapis.com"  # where tensorflow-datasets keeps its own


def sets_folder(data_dir=None):
    """Find the folder of prepared sets.

    Args:
        data_dir: What the user said, or `None`.

    Returns:
        That, else `TFDS_DATA_DIR`, else `~/tensorflow_datasets`.

    Example:

    >>> sets_folder("/data/sets")
    '/data/sets'
    """
    folder = data_dir or os.environ.get("TFDS_DATA_DIR")
    folder = folder or os.path.join("~", "tensorflow_datasets")
    return os.path.expanduser(os.fspath(folder))


def prepared(build, name, *, quiet):
    """Prepare a set on disk unless it is there.

    Args:
        build: Makes a builder of tensorflow-datasets.
        name: Of the set, for messages.
        quiet: Whether to keep the progress off the screen.

    Returns:
        A builder that can be read from.

    Raises:
        ConnectionError: If the set has to be downloaded and there is no network.
        OSError: If the folder cannot be written, or the preparation failed.

    Example:

    >>> from kerasmith.zoo.data.digits import Digits
    >>> prepared(lambda: Digits(data_dir=sets_folder()), "digits", quiet=True).name
    'digits'
    """
    builder = build()
    with silence():
        if builder.is_prepared():
            return builder
    _require_download(builder, name)
    _require_writable(builder.data_dir_root, name)
    try:
        with _hush() if quiet else contextlib.nullcontext(), silence():
            builder.download_and_prepare()
    except Exception as problem:
        again = build()
        with silence():
            if again.is_prepared():  # by another process, in the meantime
                return again
        if is_connection_failure(problem):
            raise ConnectionError(_offline(builder, name, problem)) from problem
        raise OSError(
            f"{name} could not be prepared in {builder.data_dir_root}: {problem}"
        ) from problem
    return build()


@contextlib.contextmanager
def silence():
    """Keep back the warning that a set is not prepared, which it need not be.

    Example:

    >>> with silence():
    ...     logging.getLogger("absl").warning("nobody hears this")
    """
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _require_download(builder, name):
    urls = list(builder.url_infos or ())
    if not urls and not type(builder).__module__.startswith("tensorflow_datasets."):
        return  # a builder of the user's own, which may need no download
    try:
        require_network(urls or [STORE])
    except ConnectionError as problem:
        raise ConnectionError(_offline(builder, name, problem)) from None


def _offline(builder, name, problem):
    root = pathlib.Path(builder.data_dir_root)
    there = sorted({path.parts[len(root.parts)] for path in _prepared_in(root)})
    there = [f"tfds:{each}" for each in there if not each.startswith("digits")]
    return (
        f"{name} is not in {root} and cannot be downloaded: {problem}. Without "
        f"network there are {', '.join(['digits', 'folder:PATH', *there])}."
    )


def _prepared_in(root):
    """Find what tensorflow-datasets has prepared: NAME/[CONFIG/]VERSION."""
    for depth in ("*/*", "*/*/*"):
        for path in root.glob(f"{depth}/dataset_info.json"):
            if "incomplete" not in path.parent.name:
                yield path


def _require_writable(folder, name):
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as problem:
        raise OSError(
            f"{name} has to be prepared in {folder}, which cannot be written "
            f"({problem.strerror}): pass data_dir, or set TFDS_DATA_DIR."
        ) from problem


@contextlib.contextmanager
def _hush():
    """Keep the progress of a preparation of half a second off the screen."""
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        yield

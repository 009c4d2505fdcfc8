"""States on disk: each a folder, written beside and renamed, with a checksum."""

import hashlib
import json
import pathlib
import re
import shutil
import warnings

import numpy as np

from .files import replacing


def name_of(epoch, step):
    """Name the folder of a state; names sort as training goes.

    Args:
        epoch: The epoch, counted from 0.
        step: Batches of it that lie behind the state.

    Returns:
        Text.

    Example:

    >>> name_of(12, 300)
    'epoch-00012-step-00000300'
    """
    return f"epoch-{epoch:05d}-step-{step:08d}"


def found_in(folder):
    """List the states of a folder, oldest first.

    Args:
        folder: The folder; it need not be there.

    Returns:
        List of paths.

    Example:

    >>> found_in("nowhere")
    []
    """
    entries = pathlib.Path(folder).glob("epoch-*")
    return sorted(path for path in entries if re.match(r"epoch-\d", path.name))


def write(folder, state, arrays, *, keep=2):
    """Write a state, and drop all but the newest.

    Args:
        folder: Where states lie.
        state: Dictionary of JSON data, with `epoch` and `step`.
        arrays: List of arrays.
        keep: How many states stay.

    Returns:
        The path of the new state.

    Example:

    >>> import tempfile
    >>> write(tempfile.mkdtemp(), {"epoch": 1, "step": 0}, []).name
    'epoch-00001-step-00000000'
    """
    folder = pathlib.Path(folder)
    # one file of bytes: a file of many arrays takes ten times as long to write
    data = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
    text = json.dumps({**state, "arrays": hashlib.sha256(data).hexdigest()})
    target = folder / name_of(state["epoch"], state["step"])
    with replacing(target) as beside:
        beside.mkdir()
        (beside / "arrays.bin").write_bytes(data)
        (beside / "state.json").write_text(text)
        checksum = hashlib.sha256(text.encode()).hexdigest()
        (beside / "state.sha256").write_text(checksum)
    for old in found_in(folder)[:-keep]:
        shutil.rmtree(old)
    return target


def newest(folder):
    """Read the newest state whose checksums are right.

    Args:
        folder: Folder of states; it need not be there.

    Returns:
        The state and the bytes of its arrays, or `(None, None)`.

    Example:

    >>> newest("nowhere")
    (None, None)
    """
    for path in reversed(found_in(folder)):
        try:
            text = (path / "state.json").read_text()
            checksum = (path / "state.sha256").read_text()
            if hashlib.sha256(text.encode()).hexdigest() != checksum:
                raise ValueError("the checksum of state.json is wrong")
            state = json.loads(text)
            data = (path / "arrays.bin").read_bytes()
            if hashlib.sha256(data).hexdigest() != state["arrays"]:
                raise ValueError("the checksum of arrays.bin is wrong")
        except (OSError, ValueError, KeyError) as problem:
            warnings.warn(f"passing over the state {path}: {problem}", stacklevel=2)
            continue
        return state, data
    return None, None


def split(data, descriptions):
    """Cut bytes into arrays.

    Args:
        data: The bytes.
        descriptions: Shape and dtype of each array.

    Returns:
        List of arrays.

    Raises:
        ValueError: If the bytes are not as many.

    Example:

    >>> split(np.arange(3.0).tobytes(), [[[2], "float64"], [[], "float64"]])
    [array([0., 1.]), array(2.)]
    """
    arrays, begin = [], 0
    for shape, dtype in descriptions:
        count = int(np.prod(shape, dtype="int64"))
        array = np.frombuffer(data, _numpy_dtype(dtype), count, begin)
        # a copy: JAX may compute in the memory that it is given
        arrays.append(array.reshape(shape).copy())
        begin += array.nbytes
    if begin != len(data):
        raise ValueError(f"the state holds {len(data)} bytes, expected {begin}.")
    return arrays


def _numpy_dtype(name):
    if name == "bfloat16" or name.startswith("float8"):
        import ml_dtypes

        return np.dtype(getattr(ml_dtypes, name))
    return np.dtype(name)

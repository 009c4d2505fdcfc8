"""Tensors in files of PyTorch, read without it.

A file is a zip archive with a pickle, which describes tensors, and a raw entry for each
storage. The pickle is read into descriptions only, by an unpickler that knows six kinds
of names; the numbers are looked up once it has ended. Nothing in a file is ever run.
The format: https://docs.pytorch.org/docs/stable/notes/serialization.html
"""

import collections
import contextlib
import io
import pathlib
import pickle
import zipfile
from typing import NamedTuple

import numpy as np

STORAGES = {
    "HalfStorage": "f2",
    "FloatStorage": "f4",
    "DoubleStorage": "f8",
    "IntStorage": "i4",
    "LongStorage": "i8",
}
ORDERS = {b"little": "<", b"big": ">"}
PICKLE = "data.pkl"


class _Storage(NamedTuple):
    kind: str
    key: str
    count: int


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read(path):
    """Read the tensors in a file that `torch.save` wrote from a `state_dict`.

    Args:
        path: The file, of PyTorch 1.6 or later.

    Returns:
        Dictionary of names to arrays, in the order of the file. Arrays of one storage
        share it, and are not to be written to.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is of another format, cut short, or holds anything else.

    Example:

    >>> import tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "cut.pth"
    >>> _ = path.write_bytes(b"PK")
    >>> read(path)
    Traceback (most recent call last):
    ValueError: ...cut.pth is cut short or damaged (File is not a zip file).
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}.")
    with _opened(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(f"/{PICKLE}")]
        if len(names) != 1:
            raise ValueError(
                f"{path} is an archive with {len(names)} entries {PICKLE}, expected "
                "one: torch.save did not write it."
            )
        folder = names[0].removesuffix(PICKLE)
        described = _described(path, _entry(path, archive, names[0]))
        order = _order(path, archive, f"{folder}byteorder")
        storages = {}
        for storage in {tensor.storage for tensor in described.values()}:
            data = _entry(path, archive, f"{folder}data/{storage.key}")
            storages[storage] = _numbers(path, data, storage, order)
        return {
            name: _view(f"{path}: {name}", tensor, storages[tensor.storage])
            for name, tensor in described.items()
        }


@contextlib.contextmanager
def _opened(path):
    with path.open("rb") as file:
        start = file.read(2)
    if start != b"PK":
        raise ValueError(
            f"{path} is no zip archive, expected one as PyTorch writes since 1.6. "
            "If it is an older file of PyTorch, write it anew there: "
            "torch.save(torch.load(path), path)."
        )
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, EOFError) as problem:
        raise ValueError(f"{path} is cut short or damaged ({problem}).") from problem


def _entry(path, archive, name):
    try:
        entry = archive.getinfo(name)
    except KeyError:
        raise ValueError(f"{path} has no entry {name}: it is damaged.") from None
    # what grows out of a small file fills the memory
    if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
        raise ValueError(
            f"{path} has compressed or encrypted its entry {name}, which torch.save "
            "never does: refused."
        )
    return archive.read(entry)


def _order(path, archive, name):
    """Tell which byte of a number comes first; files before PyTorch 2.1 do not."""
    if name not in archive.namelist():
        return "<"
    found = _entry(path, archive, name)
    if found not in ORDERS:
        raise ValueError(
            f"{path} has the byte order {found!r}, expected little or big."
        )
    return ORDERS[found]


def _described(path, data):
    """Give the descriptions of the tensors in a pickle, by name."""
    try:
        found = _Unpickler(io.BytesIO(data)).load()
    except Exception as problem:  # a damaged pickle raises whatever it meets
        raise ValueError(f"{path} is not read: {problem}") from problem
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds a {_kind(found)}, expected a state_dict.")
    # of the class itself: a pickle may give its dictionary attributes of any name
    for name, value in dict.items(found):
        if not isinstance(name, str) or not isinstance(value, _Tensor):
            raise ValueError(
                f"{path} holds {name!r} of type {_kind(value)}, expected a state_dict "
                "of names to tensors: save model.state_dict() alone."
            )
    return dict(dict.items(found))


def _kind(thing):
    return type(thing).__name__.lstrip("_")


class _Unpickler(pickle.Unpickler):
    """Reads descriptions of tensors, and refuses every name but a few.

    What it hands out for a name is made anew, or cannot be changed: a pickle may set
    attributes of all that it gets hold of.
    """

    def find_class(self, module, name):
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda *arguments: _tensor(*arguments)
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            # how torch.save writes a tensor that trains
            return lambda data, requires_grad, hooks: data
        raise ValueError(
            f"it asks for {module}.{name}, and only tensors of the types "
            f"{', '.join(STORAGES)} in a state_dict are read. Save model.state_dict() "
            "with torch.save."
        )

    def persistent_load(self, pid):
        match pid:
            case ("storage", str(kind), str(key), str(), int(count)):
                if kind in STORAGES.values() and count >= 0:
                    return _Storage(kind, key, count)
        raise ValueError(f"it names a storage as {pid!r:.80}, which nothing writes.")


def _tensor(storage, offset, shape, strides, requires_grad, hooks, metadata=None):
    """Describe a tensor, with the arguments of PyTorch's `_rebuild_tensor_v2`."""
    sizes = (offset, *shape, *strides)
    if not isinstance(storage, _Storage) or len(shape) != len(strides):
        raise ValueError(f"a tensor of shape {shape} has strides {strides}.")
    if not all(isinstance(size, int) and size >= 0 for size in sizes):
        raise ValueError(f"a tensor has sizes that are none: {sizes}.")
    if metadata:
        raise ValueError(f"a tensor is stored negative or conjugate ({metadata}).")
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


def _numbers(path, data, storage, order):
    kind = np.dtype(storage.kind)
    if len(data) != storage.count * kind.itemsize:
        raise ValueError(
            f"{path} has {len(data)} bytes for {storage.count} numbers of {kind}, "
            f"expected {storage.count * kind.itemsize}: it is damaged."
        )
    found = np.frombuffer(data, kind.newbyteorder(order))
    return found.astype(kind, copy=False)


def _view(name, tensor, numbers):
    """Look at a storage as the tensor does; bounds are checked, as NumPy does not."""
    shape, strides = tensor.shape, tensor.strides
    empty = 0 in shape
    steps = ((size - 1) * step for size, step in zip(shape, strides, strict=True))
    last = tensor.offset + (-1 if empty else sum(steps))
    if last >= len(numbers):
        raise ValueError(
            f"{name} reaches to number {last} of a storage of {len(numbers)}: the file "
            "is damaged."
        )
    if empty:
        return np.zeros(shape, numbers.dtype)
    return np.lib.stride_tricks.as_strided(
        numbers[tensor.offset :],
        shape,
        [step * numbers.itemsize for step in strides],
        writeable=False,
    )

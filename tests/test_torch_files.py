"""Files of PyTorch: read as PyTorch reads them, and without running what is in them."""

import collections
import io
import os
import pickle
import zipfile

import numpy as np
import pytest

from kerasmith.zoo.tools import torch_files

torch = pytest.importorskip("torch")
nn = torch.nn


def views():
    """Give tensors that share storages, begin inside them and step through them."""
    torch.manual_seed(0)
    base = torch.randn(5, 7, 3)
    half = torch.randn(4, 3).half()
    return {
        "whole": base,
        "part": base[2:4, 1:6:2],
        "turned": base.permute(2, 0, 1),
        "row": base[4, 6],
        "half": half,
        "half.turned": half.T[1:],
        "channels_last": torch.randn(2, 3, 5, 4).to(memory_format=torch.channels_last),
        "count": torch.tensor(-7),
        "int64": torch.arange(-(2**40), 2**40, 2**38),
        "int32": torch.arange(6, dtype=torch.int32),
        "double": torch.randn(1, 1, dtype=torch.float64),
        "empty": torch.zeros(0, 3),
        "expanded": torch.randn(3, 1).expand(3, 4),
        "parameter": nn.Parameter(torch.randn(2, 2)),
    }


def test_arrays_are_the_tensors(tmp_path):
    tensors = views()
    torch.save(tensors, tmp_path / "a.pth")
    found = torch_files.read(str(tmp_path / "a.pth"))
    assert list(found) == list(tensors)
    for name, tensor in tensors.items():
        expected = tensor.detach().numpy()
        assert found[name].dtype == expected.dtype
        np.testing.assert_array_equal(found[name], expected, strict=True)


def saved(path, thing, **changes):
    """Save a thing, and change entries of its archive."""
    torch.save(thing, path)
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    folder = next(iter(entries)).partition("/")[0]
    entries |= {f"{folder}/{key}": value for key, value in changes.items()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries.items():
            if data is not None:
                archive.writestr(name, data)
    return path


def test_the_order_of_bytes_is_that_of_the_file(tmp_path):
    values = np.array([1.5, -2.0, 3e7], "float32")
    swapped = {"data/0": values.astype(">f4").tobytes()}
    thing = {"a": torch.tensor(values)}
    for order, changes in [(b"big", swapped), (b"little", {}), (None, {})]:
        path = saved(tmp_path / "a.pth", thing, byteorder=order, **changes)
        found = torch_files.read(path)["a"]
        np.testing.assert_array_equal(found, values, strict=True)
    path = saved(tmp_path / "a.pth", thing, byteorder=b"middle")
    with pytest.raises(ValueError, match="byte order b'middle', expected little or"):
        torch_files.read(path)


class Runs:
    """Creates a file where its pickle is run."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def reduced(function, *arguments):
    class Made:
        def __reduce__(self):
            return function, arguments

    return Made()


def attack(path):
    """Give pickles that run something where nothing stops them."""
    hidden = torch.zeros(2)
    hidden.ran = Runs(path)
    return {
        "call": {"a": Runs(path)},
        "in a list": collections.OrderedDict(a=[Runs(path)]),
        "by name": reduced(getattr, "os", "mkdir"),
        "eval": reduced(eval, f"__import__('os').mkdir({str(path)!r})"),
        "attribute": {"a": hidden},
        "hooks": reduced(torch._utils._rebuild_parameter, hidden, True, Runs(path)),
        "method": reduced(collections.OrderedDict.fromkeys, [Runs(path)]),
    }


@pytest.mark.parametrize("kind", attack("nowhere"))
def test_what_would_run_is_refused_and_does_not_run(kind, tmp_path):
    thing = pickle.dumps(attack(tmp_path / "ran")[kind], protocol=2)
    path = saved(tmp_path / "a.pth", {"a": torch.zeros(2)}, **{"data.pkl": thing})
    with pytest.raises(ValueError, match=r"asks for \w+(\.\w+)*\.\w+, and only"):
        torch_files.read(path)
    assert not (tmp_path / "ran").exists()
    if kind == "call":  # it would have
        pickle.loads(thing)
        assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "thing, message",
    [
        (lambda: nn.Linear(2, 3), "asks for torch.nn.modules.linear.Linear"),
        (lambda: {"a": torch.zeros(2).bfloat16()}, "torch.BFloat16Storage, and only"),
        (lambda: [torch.zeros(2)], "holds a list, expected a state_dict"),
        (lambda: {"model": {"a": torch.zeros(2)}, "epoch": 3}, "'model' of type dict"),
        (lambda: {"epoch": 3}, "'epoch' of type int, expected a state_dict of names"),
        (lambda: {3: torch.zeros(2)}, "holds 3 of type Tensor"),
        (lambda: {"a": torch.ones(2, dtype=torch.cfloat).conj().imag}, "negative or c"),
    ],
)
def test_what_is_no_state_is_refused(thing, message, tmp_path):
    torch.save(thing(), tmp_path / "a.pth")
    with pytest.raises(ValueError, match=message):
        torch_files.read(tmp_path / "a.pth")


class Described(io.BytesIO):
    """A pickle of one tensor, described as PyTorch describes them."""

    def __init__(self, *arguments, pid=("storage", "0", "cpu", 2)):
        super().__init__()
        pickler = pickle.Pickler(self, protocol=2)
        word, *rest = pid
        pid = (word, torch.FloatStorage, *rest)
        pickler.persistent_id = lambda thing: pid if thing is ... else None
        made = reduced(torch._utils._rebuild_tensor_v2, ..., *arguments)
        pickler.dump({"a": made})


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((0, (3,), (1,)), "a reaches to number 2 of a storage of 2"),
        ((1, (2,), (1,)), "a reaches to number 2"),
        ((0, (2, 2), (1, 1)), "a reaches to number 2"),
        ((0, (2,), (2**62,)), "a reaches to number 4611686018427387904"),
        ((3, (0,), (1,)), "a reaches to number 2"),
        ((1, (2,), (-1,)), "sizes that are none"),
        ((-1, (1,), (1,)), "sizes that are none"),
        ((0, (1.0,), (1,)), "sizes that are none"),
        ((0, (1, 1), (1,)), "has strides"),
        ((0, 2, 1), "is not read"),
    ],
)
def test_a_tensor_stays_in_its_storage(arguments, message, tmp_path):
    described = Described(*arguments, False, collections.OrderedDict()).getvalue()
    path = saved(tmp_path / "a.pth", {"a": torch.zeros(2)}, **{"data.pkl": described})
    with pytest.raises(ValueError, match=message):
        torch_files.read(path)


@pytest.mark.parametrize(
    "pid, message",
    [
        (("storage", "0", "cpu", 3), "8 bytes for 3 numbers of float32, expected 12"),
        (("storage", "1", "cpu", 2), "no entry .*data/1: it is damaged"),
        (("storage", "0", "cpu", -2), "which nothing writes"),
        (("other", "0", "cpu", 2), "names a storage as"),
        (("storage", "0", "cpu"), "names a storage as"),
    ],
)
def test_a_storage_is_as_it_is_described(pid, message, tmp_path):
    arguments = (0, (2,), (1,), False, collections.OrderedDict())
    described = Described(*arguments, pid=pid).getvalue()
    path = saved(tmp_path / "a.pth", {"a": torch.zeros(2)}, **{"data.pkl": described})
    with pytest.raises(ValueError, match=message):
        torch_files.read(path)


def test_a_cut_or_damaged_file_is_refused(tmp_path):
    path = tmp_path / "a.pth"
    torch.save(views(), path)
    whole = path.read_bytes()
    for length in (2, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="a.pth is cut short or damaged"):
            torch_files.read(path)
    place = whole.index(views()["whole"].numpy().tobytes()) + 11
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    with pytest.raises(ValueError, match="damaged .*CRC-32"):
        torch_files.read(path)


def test_files_of_another_kind_are_refused(tmp_path):
    path = tmp_path / "a.pth"
    with pytest.raises(FileNotFoundError, match="no file .*a.pth"):
        torch_files.read(path)
    torch.save(views(), path, _use_new_zipfile_serialization=False)
    with pytest.raises(ValueError, match="no zip archive.*since 1.6.*write it anew"):
        torch_files.read(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "text")
    with pytest.raises(ValueError, match="0 entries data.pkl, expected one"):
        torch_files.read(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", pickle.dumps({}))
    with pytest.raises(ValueError, match="compressed or encrypted"):
        torch_files.read(path)

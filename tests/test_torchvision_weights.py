"""ImageNet's weights as torchvision hosts them: our logits are those of PyTorch."""

import dataclasses
import hashlib
import os
import re

import keras
import numpy as np
import pytest
from random_weights import numbers

from kerasmith import zoo
from kerasmith.zoo.data import network
from kerasmith.zoo.tools import imagenet_files
from kerasmith.zoo.tools.imagenet_names import HOSTED

torch = pytest.importorskip("torch")
nn = torch.nn

tensorflow_only = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="takes long, and says nothing new on other backends",
)
OURS = [name for name, row in HOSTED.items() if not row.application]
DEPTHS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3)}


class Block(nn.Module):
    """Two convolutions and a shortcut, with the names of torchvision."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = nn.Sequential()
        if stride > 1 or inputs != outputs:
            project = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(project, nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.bn1(self.conv1(x)).relu()
        return (self.downsample(x) + self.bn2(self.conv2(y))).relu()


class Residual(nn.Module):
    """ResNet-18 or 34, with the names of torchvision."""

    def __init__(self, depths):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        inputs = 64
        for stage, depth in enumerate(depths):
            outputs = 64 * 2**stage
            blocks = [Block(inputs, outputs, 2 if stage else 1)]
            blocks += [Block(outputs, outputs, 1) for _ in range(depth - 1)]
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
            inputs = outputs
        self.fc = nn.Linear(512, 1000)

    def features(self, x):
        x = self.bn1(self.conv1(x)).relu()
        x = nn.functional.max_pool2d(x, 3, 2, 1)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return x.mean((2, 3))


def drawn(name):
    """Build the network of PyTorch, in which no statistic is 0 or 1."""
    torch.manual_seed(0)
    with torch.device("meta"):  # draws no numbers of its own
        model = Residual(DEPTHS[name])
    model = model.to_empty(device="cpu").eval()
    with torch.no_grad():
        for key, tensor in model.state_dict().items():
            if key.endswith("num_batches_tracked"):
                tensor.fill_(7)
            elif tensor.ndim > 1:
                tensor.normal_(0, tensor[0].numel() ** -0.5)
            elif "mean" in key or "bias" in key:
                tensor.normal_(0, 0.3)
            else:
                tensor.uniform_(0.5, 1.5)
    return model


def as_torchvision(pixels):
    """Preprocess images as torchvision's weights were trained."""
    ready = pixels / 255 - np.array([0.485, 0.456, 0.406])
    ready = ready / np.array([0.229, 0.224, 0.225])
    return torch.tensor(ready.transpose(0, 3, 1, 2), dtype=torch.float32)


def images(height=65, width=97):
    random = np.random.default_rng(1)
    patches = random.uniform(0, 200, (2, 5, 7, 3)).repeat(14, 1).repeat(14, 2)
    grain = random.uniform(0, 55, (2, height, width, 3))
    return (patches[:, :height, :width] + grain).astype("float32")


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


def offline(urls, patience=None):
    raise ConnectionError("example.org cannot be reached (TimeoutError)")


def host(monkeypatch, name, path, **changes):
    """Let a file be the one that is hosted."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    row = dataclasses.replace(HOSTED[name], hashes=(digest, digest), **changes)
    monkeypatch.setitem(HOSTED, name, row)


@tensorflow_only
@pytest.mark.parametrize("name", OURS)
def test_logits_are_those_of_torch(name, cache, monkeypatch):
    theirs = drawn(name)
    path = cache / HOSTED[name].files[0]
    # the hosted files are older than the division into parameters and their data
    torch.save(theirs.state_dict(keep_vars=name == "resnet18"), path)
    host(monkeypatch, name, path)
    ours = zoo.resnet(name, weights="imagenet", input_shape=(65, 97, 3))
    with torch.no_grad():
        features = theirs.features(as_torchvision(images()))
        expected = theirs.fc(features).numpy()
    ends = [ours.get_layer("features").output, ours.output]
    found = keras.Model(ours.input, ends)(images(), training=False)
    assert np.ptp(expected, axis=0).max() > 0.1  # images make a difference
    np.testing.assert_allclose(numbers(found[0]), features, rtol=0, atol=1e-4)
    np.testing.assert_allclose(numbers(found[1]), expected, rtol=0, atol=1e-4)


@tensorflow_only
@pytest.mark.parametrize("options", [{"top": False}, {"classes": 5}])
def test_the_head_may_be_another(options, cache, monkeypatch):
    theirs = drawn("resnet18")
    path = cache / HOSTED["resnet18"].files[0]
    torch.save(theirs.state_dict(), path)
    host(monkeypatch, "resnet18", path)
    shape = (None, None, 3)
    ours = zoo.resnet("resnet18", weights="imagenet", input_shape=shape, **options)
    ours = keras.Model(ours.input, ours.get_layer("features").output)
    with torch.no_grad():
        expected = theirs.features(as_torchvision(images(33, 50)))
    found = numbers(ours(images(33, 50), training=False))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", OURS)
def test_names_of_files_begin_their_sums(name):
    """As `torch.hub` checks them."""
    row = HOSTED[name]
    for file, digest in zip(row.files, map(str, row.hashes), strict=True):
        assert re.fullmatch(r"[0-9a-f]{64}", digest)
        assert file == f"{name}-{digest[:8]}.pth"


def test_another_file_of_that_name_is_refused_and_kept(cache, monkeypatch):
    monkeypatch.setattr(network, "require_network", offline)
    path = cache / HOSTED["resnet18"].files[0]
    path.write_bytes(b"something else")
    digest = hashlib.sha256(b"something else").hexdigest()
    message = f"SHA-256 sum {digest} instead of f37072fd"
    with pytest.raises(ConnectionError, match=message) as caught:
        zoo.resnet("resnet18", weights="imagenet", input_shape=(33, 33, 3))
    assert "https://download.pytorch.org/models/resnet18-" in str(caught.value)
    assert path.read_bytes() == b"something else"


@pytest.mark.parametrize("before", [None, b"half a downl"])
def test_a_download_has_its_name_once_it_is_whole(before, cache, tmp_path, monkeypatch):
    monkeypatch.setattr(network, "require_network", lambda urls: None)
    hosted, path = tmp_path / "hosted.pth", cache / "weights.pth"
    hosted.write_bytes(b"numbers")
    if before:
        path.write_bytes(before)
    right, wrong = (hashlib.sha256(x).hexdigest() for x in (b"numbers", b"others"))
    with pytest.raises(OSError, match="hash does not match"):
        imagenet_files.fetch("tiny", hosted.as_uri(), path, wrong)
    assert os.listdir(cache) == (["weights.pth"] if before else [])
    assert imagenet_files.fetch("tiny", hosted.as_uri(), path, right) == path
    assert path.read_bytes() == b"numbers"
    assert os.listdir(cache) == ["weights.pth"]

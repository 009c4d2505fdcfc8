"""What `kerasmith bench` measures of image classifiers, against two peers."""

import functools
import gc
import importlib.util
import os
import statistics
import subprocess
import sys
import time

from kerasmith.scripts.bench import Pair

BATCH, SIDE, CLASSES = 16, 128, 1000
# ours, theirs, and how the two are called in the tables
NETWORKS = {
    "resnet50": ("ResNet50", "ResNet-50"),
    "vgg16": ("VGG16", "VGG-16"),
    "inception_v3": ("InceptionV3", "Inception v3"),
    "mobilenet_v2": ("MobileNetV2", "MobileNet V2"),
    "efficientnet_b0": ("EfficientNetB0", "EfficientNet B0"),
}
POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
AGAINST = (("float32", "float32"), ("bfloat16", "float32"), ("bfloat16", "bfloat16"))
WORK = {"training": "a training step", "inference": "inference"}
# forward, the gradient of the maps, and that of the kernels
PRODUCTS_A_STEP = 3
PRODUCT = 2048  # rows and columns of the matrices


def classifiers():
    """Time training steps and inference against `keras.applications` at its defaults.

    Batches of 16 images of 128 x 128, 1000 classes, stochastic gradient descent,
    compiled without XLA, on TensorFlow only.

    Returns:
        Generator of `Pair`: a network is built when its first pair is measured, and
        let go before the next.

    Example:

    >>> len(list(classifiers())) in (0, 30)
    True
    """
    for name, (_, title) in NETWORKS.items() if _is_tensorflow() else ():
        sides = functools.cache(functools.partial(_work, name))
        for kind, what in WORK.items():
            for ours, theirs in AGAINST:
                yield Pair(
                    f"{title} in {ours}, {what} of {BATCH} images of {SIDE} x {SIDE}, "
                    f"against keras.applications in {theirs}",
                    _lazily(sides, kind, "kerasmith", ours),
                    _lazily(sides, kind, "keras", theirs),
                )
        sides.cache_clear()
        gc.collect()


def classifiers_memory():
    """Measure what two training steps take at most, each side in its own process.

    Returns:
        List of `Pair`, empty where the backend is not TensorFlow.

    Example:

    >>> len(classifiers_memory()) in (0, 10)
    True
    """
    return [
        Pair(
            f"memory of a training step of {title} in {dtype}, {BATCH} images of "
            f"{SIDE} x {SIDE}, against keras.applications",
            functools.partial(peak_memory, name, "kerasmith", dtype),
            functools.partial(peak_memory, name, "keras", dtype),
            unit="MiB",
        )
        for name, (_, title) in (NETWORKS.items() if _is_tensorflow() else ())
        for dtype in POLICIES
    ]


def classifiers_rate():
    """Compare the multiply-adds a second of our training steps with the machine's.

    The peer is TensorFlow's product of large matrices in the same dtype: ours divided
    by it is the share of the machine's rate that is reached. A step counts three times
    its forward pass.

    Returns:
        Generator of `Pair`.

    Example:

    >>> len(list(classifiers_rate())) in (0, 10)
    True
    """
    for name, (_, title) in NETWORKS.items() if _is_tensorflow() else ():
        sides = functools.cache(functools.partial(_work, name))
        for dtype in POLICIES:
            yield Pair(
                f"multiply-adds a second in training steps of {title} in {dtype}, and "
                "in products of matrices",
                functools.partial(_rate_of_steps, name, sides, dtype),
                functools.partial(_rate_of_products, dtype),
                unit="G/s",
            )
        sides.cache_clear()
        gc.collect()


def resnet50_pytorch():
    """Time training steps of ResNet-50 against the same network in plain PyTorch.

    PyTorch has its channels last, and in bfloat16 its autocast. Both sides run in this
    process, ours on TensorFlow.

    Returns:
        List of `Pair`; empty where the backend is not TensorFlow, or with a line that
        says so where PyTorch is not installed.

    Example:

    >>> len(resnet50_pytorch()) in (0, 2)
    True
    """
    if importlib.util.find_spec("torch") is None:
        sys.stderr.write("resnet50_pytorch is left out: PyTorch is not installed.\n")
        return []
    sides = functools.cache(functools.partial(_work, "resnet50"))
    return [
        Pair(
            f"ResNet-50 in {dtype}, a training step of {BATCH} images of {SIDE} x "
            f"{SIDE}, against plain PyTorch, channels last",
            _lazily(sides, "training", "kerasmith", dtype),
            _lazily(functools.cache(_pytorch_step), dtype),
        )
        for dtype in (POLICIES if _is_tensorflow() else ())
    ]


def peak_memory(name, side, dtype):
    """Measure two training steps of a side in a process of its own.

    Args:
        name: Name of the network in the zoo.
        side: `"kerasmith"` or `"keras"`.
        dtype: `"float32"` or `"bfloat16"`.

    Returns:
        MiB that the network and its steps took beside what importing had taken.

    Example:

    >>> peak_memory("vgg16", "keras", "float32") > 0  # doctest: +SKIP
    True
    """
    arguments = ", ".join(map(repr, (name, side, dtype)))
    command = f"from {__name__} import report_peak; report_peak({arguments})"
    done = subprocess.run(
        [sys.executable, "-c", command], check=True, capture_output=True, text=True
    )
    return float(done.stdout.split()[-1])


def report_peak(name, side, dtype):
    """Take two steps and write the MiB that they took to standard output.

    Args:
        name: Name of the network in the zoo.
        side: `"kerasmith"` or `"keras"`.
        dtype: `"float32"` or `"bfloat16"`.

    Example:

    >>> report_peak("vgg16", "keras", "float32")  # doctest: +SKIP
    """
    import keras

    keras.ops.matmul(keras.ops.ones((8, 8)), keras.ops.ones((8, 8)))  # starts all
    before = _resident("VmRSS")
    step = _work(name, "training", side, dtype)
    # the kernel forgets the peak so far, which drawing the weights may have reached
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    for _ in range(2):
        step()
    sys.stdout.write(f"{_resident('VmHWM') - before}\n")


def _resident(which):
    with open("/proc/self/status") as file:
        lines = dict(line.split(":", 1) for line in file)
    return int(lines[which].split()[0]) / 1024


def _is_tensorflow():
    import keras

    return keras.backend.backend() == "tensorflow"


def _lazily(make, *arguments):
    """Make the work at its first call, so that a list of pairs costs nothing."""
    return lambda: make(*arguments)()


def _work(name, kind, side, dtype):
    """Give a function that takes a training step, or predicts, each time."""
    import keras

    model = _model(name, side, POLICIES[dtype])
    images = keras.random.normal((BATCH, SIDE, SIDE, 3), seed=1)
    if kind == "inference":
        return lambda: model.predict_on_batch(images)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=side == "kerasmith")
    model.compile(keras.optimizers.SGD(0.01), loss, jit_compile=False)
    labels = keras.ops.arange(BATCH)
    return lambda: model.train_on_batch(images, labels)


def _model(name, side, policy):
    import keras

    from kerasmith import zoo

    before, shape = keras.config.dtype_policy(), (SIDE, SIDE, 3)
    keras.config.set_dtype_policy(policy)
    try:
        if side == "kerasmith":
            return zoo.build(name, classes=CLASSES, input_shape=shape)
        build = getattr(keras.applications, NETWORKS[name][0])
        return build(weights=None, classes=CLASSES, input_shape=shape)
    finally:
        keras.config.set_dtype_policy(before)


def _rate_of_steps(name, sides, dtype):
    from kerasmith.zoo.tools.card import card

    seconds = _seconds(sides("training", "kerasmith", dtype))
    forward = card(_model(name, "kerasmith", "float32")).multiply_accumulates
    return PRODUCTS_A_STEP * BATCH * forward / seconds / 1e9


def _rate_of_products(dtype):
    import keras

    matrix = keras.random.normal((PRODUCT, PRODUCT), dtype=dtype, seed=1)
    return PRODUCT**3 / _seconds(lambda: keras.ops.matmul(matrix, matrix)) / 1e9


def _seconds(work, times=9):
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def _pytorch_step(dtype):
    """Give a function that takes a training step of ResNet-50 in plain PyTorch."""
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    channels_last = {"memory_format": torch.channels_last}
    model = _pytorch_resnet50().to(**channels_last).train()
    images = torch.randn(BATCH, 3, SIDE, SIDE).to(**channels_last)
    labels = torch.arange(BATCH)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)

    def step():
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bfloat16"):
            logits = model(images)
        loss = torch.nn.functional.cross_entropy(logits.float(), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def _pytorch_resnet50():
    """Build ResNet-50 with its strides in the first convolutions, as in the paper."""
    from torch import nn

    def convolve(channels, filters, size, stride=1):
        padding = size // 2
        return (
            nn.Conv2d(channels, filters, size, stride, padding, bias=False),
            nn.BatchNorm2d(filters),
        )

    class Bottleneck(nn.Module):
        def __init__(self, channels, width, stride):
            super().__init__()
            self.branch = nn.Sequential(
                *convolve(channels, width, 1, stride),
                nn.ReLU(inplace=True),
                *convolve(width, width, 3),
                nn.ReLU(inplace=True),
                *convolve(width, 4 * width, 1),
            )
            changed = stride > 1 or channels != 4 * width
            shortcut = convolve(channels, 4 * width, 1, stride) if changed else ()
            self.shortcut = nn.Sequential(*shortcut)

        def forward(self, x):
            return nn.functional.relu(self.shortcut(x) + self.branch(x), inplace=True)

    modules = [*convolve(3, 64, 7, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    channels = 64
    for stage, depth in enumerate((3, 4, 6, 3)):
        width = 64 * 2**stage
        for block in range(depth):
            stride = 2 if stage and not block else 1
            modules.append(Bottleneck(channels, width, stride))
            channels = 4 * width
    modules += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES)]
    return nn.Sequential(*modules)


ROWS = {
    "classifiers": classifiers,
    "classifiers_memory": classifiers_memory,
    "classifiers_rate": classifiers_rate,
    "resnet50_pytorch": resnet50_pytorch,
}

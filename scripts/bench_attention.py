"""What `kerasmith bench` measures of attention, against Keras' own layer."""

import functools
import subprocess
import sys

from kerasmith.scripts.bench import Pair

HEADS, SIZE = 8, 64
LENGTHS = (512, 4096)
LONG = 16384
LIMIT = 4096.0  # MiB that a step at the long length must keep within


def attention():
    """Time a training step of self-attention, forward and backward.

    One example, 8 heads of 64, each side compiled as the backend does it.

    Returns:
        List of `Pair`.

    Example:

    >>> len(attention())
    4
    """
    return [
        Pair(
            f"MultiHeadAttention, {length} steps{', causal' if causal else ''}, "
            "against Keras'",
            _step("kerasmith", length, causal),
            _step("keras", length, causal),
        )
        for length in LENGTHS
        for causal in (False, True)
    ]


def attention_memory():
    """Measure the memory that a training step takes beside what was there before.

    Each measurement is a process of its own: the peak of its resident memory during
    two steps, their compilation too, less the resident memory before them.

    Returns:
        List of `Pair`.

    Example:

    >>> [pair.unit for pair in attention_memory()]
    ['MiB', 'MiB']
    """
    return [
        Pair(
            f"memory of MultiHeadAttention, {LENGTHS[-1]} steps, against Keras'",
            lambda: peak_memory("kerasmith", LENGTHS[-1]),
            lambda: peak_memory("keras", LENGTHS[-1]),
            unit="MiB",
        ),
        Pair(
            f"memory of MultiHeadAttention, {LONG} steps, against 4 GiB",
            lambda: peak_memory("kerasmith", LONG),
            lambda: LIMIT,
            unit="MiB",
        ),
    ]


def peak_memory(side, length):
    """Measure a side in a process of its own.

    Args:
        side: `"kerasmith"` or `"keras"`.
        length: Number of steps that attend to each other.

    Returns:
        MiB.

    Example:

    >>> peak_memory("keras", 64) > 0
    True
    """
    command = f"from {__name__} import report_peak; report_peak({side!r}, {length})"
    done = subprocess.run(
        [sys.executable, "-c", command], check=True, capture_output=True, text=True
    )
    return float(done.stdout.split()[-1])


def report_peak(side, length):
    """Take two steps and write the MiB that they took to standard output.

    Args:
        side: `"kerasmith"` or `"keras"`.
        length: Number of steps that attend to each other.

    Example:

    >>> report_peak("keras", 8) is None  # doctest: +SKIP
    True
    """
    _step(side, 8)()  # what the first step of all takes is no matter of attention
    step = _step(side, length)
    # the kernel forgets the peak so far, which importing may have reached
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    before = _resident("VmRSS")
    for _ in range(2):
        step()
    sys.stdout.write(f"{_resident('VmHWM') - before}\n")


def _resident(which):
    with open("/proc/self/status") as file:
        lines = dict(line.split(":", 1) for line in file)
    return int(lines[which].split()[0]) / 1024


def _step(side, length, causal=False):
    """Compile at the first call, so that a list of pairs costs nothing."""

    @functools.cache
    def compiled():
        import keras

        from kerasmith import layers
        from kerasmith.zoo.tools.training_step import training_step

        kinds = {"kerasmith": layers, "keras": keras.layers}
        steps = keras.Input((length, HEADS * SIZE))
        layer = kinds[side].MultiHeadAttention(HEADS, SIZE)
        result = layer(steps, steps, use_causal_mask=causal)
        model = keras.Model(steps, result)
        return training_step([model], (1, length, HEADS * SIZE))

    return lambda: compiled()()


ROWS = {"attention": attention, "attention_memory": attention_memory}

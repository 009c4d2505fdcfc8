"""Measure ours against a peer and add the table to docs/benchmarks.md.

    kerasmith bench
    kerasmith bench lenet5_epoch --rounds 15

Ours and the peer take turns (A B A B ...) in one process, after a round that does
not count, so that a machine whose speed drifts slows both. The figure is the median
over the rounds of peer's seconds divided by ours: above 1 ours is faster.

Where memory is the limit, the last column tells how near ours comes to it: the time
that a copy of the bytes takes that the mathematics must read and write, divided by
ours.
"""

import concurrent.futures
import dataclasses
import datetime
import functools
import importlib.metadata
import os
import pathlib
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

PACKAGES = ("keras", "tensorflow", "jax", "torch")
HEADER = """| measured | ours | peer | peer / ours | quartiles | rounds | bandwidth |
|---|---|---|---|---|---|---|
"""
SECONDS = "s"
ROUNDS_NOT_TIMED = 3


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two callables that do the same work.

    Args:
        label: What is measured, and against what.
        ours: Does it our way.
        peer: Does it the peer's way.
        bytes_moved: Bytes that the mathematics must read and write, whatever the
            code; `None` where the memory is not the limit.
        unit: `"s"` times the callables. With any other unit they return the number.

    Example:

    >>> Pair("nothing", lambda: None, lambda: None).label
    'nothing'
    """

    label: str
    ours: Callable[[], object]
    peer: Callable[[], object]
    bytes_moved: int | None = None
    unit: str = SECONDS


@dataclasses.dataclass(frozen=True)
class Measurement:
    """Numbers of each round of a pair.

    Args:
        label: What was measured.
        ours: Our numbers, one a round.
        peer: The peer's.
        unit: What they count.
        shortest: Seconds that a copy of as many bytes takes, `None` where nobody
            asked.

    Example:

    >>> Measurement("sleep", [1.0, 1.0, 2.0], [2.0, 3.0, 4.0]).ratios
    [2.0, 3.0, 2.0]
    """

    label: str
    ours: list[float]
    peer: list[float]
    unit: str = SECONDS
    shortest: float | None = None

    @property
    def ratios(self):
        """The peer's number divided by ours, round by round."""
        return [b / a for a, b in zip(self.ours, self.peer, strict=True)]

    def row(self):
        """Write the measurement as a row of the table.

        Returns:
            Text.

        Example:

        >>> Measurement("sleep", [1.0, 1.0, 2.0], [2.0, 3.0, 4.0]).row()
        '| sleep | 1.00 s | 3.00 s | **2.00** | 2.00 to 2.50 | 3 | |'
        >>> Measurement("copy", [0.002], [0.008], shortest=0.001).row()
        '| copy | 2.00 ms | 8.00 ms | **4.00** | 4.00 to 4.00 | 1 | 50 % |'
        """
        middle = statistics.median(self.ratios)
        low, high = middle, middle
        if len(self.ratios) > 1:
            low, _, high = statistics.quantiles(self.ratios, method="inclusive")
        ours, peer = statistics.median(self.ours), statistics.median(self.peer)
        return (
            f"| {self.label} | {_readable(ours, self.unit)} | "
            f"{_readable(peer, self.unit)} | **{middle:.2f}** | {low:.2f} to "
            f"{high:.2f} | {len(self.ours)} |{_share(self.shortest, ours)} |"
        )


def _readable(number, unit):
    if unit == SECONDS and number < 0.1:
        number, unit = 1000 * number, "ms"
    digits = 2 if number < 10 else 1 if number < 100 else 0
    return f"{number:.{digits}f} {unit}"


def _share(shortest, seconds):
    return "" if shortest is None else f" {100 * shortest / seconds:.0f} %"


def interleave(pair, rounds, clock=time.perf_counter):
    """Let ours and the peer take turns.

    Args:
        pair: `Pair`.
        rounds: Rounds that count; one before them does not. Of what is not timed,
            three at most.
        clock: Gives the seconds.

    Returns:
        `Measurement`.

    Example:

    >>> calls = []
    >>> pair = Pair("letters", lambda: calls.append("A"), lambda: calls.append("B"))
    >>> _ = interleave(pair, 2)
    >>> "".join(calls)
    'ABABAB'
    >>> pair = Pair("sizes", lambda: 2.0, lambda: 8.0, unit="MiB")
    >>> interleave(pair, 9).ratios
    [4.0, 4.0, 4.0]
    """
    timed = pair.unit == SECONDS
    numbers = ([], [])
    for _ in range(rounds + 1 if timed else min(rounds, ROUNDS_NOT_TIMED)):
        for side, work in zip(numbers, (pair.ours, pair.peer), strict=True):
            began = clock()
            result = work()
            side.append(clock() - began if timed else result)
    if timed:
        numbers = [side[1:] for side in numbers]
    moved = pair.bytes_moved
    shortest = moved and moved / copy_bandwidth()
    return Measurement(pair.label, *numbers, unit=pair.unit, shortest=shortest)


@functools.cache
def copy_bandwidth(size=2**26, rounds=9):
    """Measure how fast all cores together copy a large array in memory.

    Args:
        size: Bytes of the array.
        rounds: Copies that count; the median is taken.

    Returns:
        Bytes a second, those read and those written counted.

    Example:

    >>> copy_bandwidth(2**20, 3) > 1e8
    True
    """
    threads = os.cpu_count() or 1
    sources = [np.ones(size // threads, "uint8") for _ in range(threads)]
    targets = [np.zeros(size // threads, "uint8") for _ in range(threads)]
    seconds = []
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        for _ in range(rounds + 1):
            began = time.perf_counter()
            list(pool.map(np.copyto, targets, sources))
            seconds.append(time.perf_counter() - began)
    return 2 * size / statistics.median(seconds[1:])


def machine():
    """Describe what the figures hold for.

    Returns:
        Text with the processor, its threads, and the versions.

    Example:

    >>> "threads" in machine()
    True
    """
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.split(":")[1].strip() for line in lines if "model name" in line]
        processor = names[0] if names else "processor unknown"
    except OSError:
        processor = "processor unknown"
    versions = []
    for package in PACKAGES:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    threads = f"{os.cpu_count()} threads, backend {backend}"
    return f"{processor}, {threads}; {', '.join(versions)}"


def append_table(path, measurements):
    """Add a table to the page of benchmarks; earlier ones stay.

    Args:
        path: The Markdown file.
        measurements: List of `Measurement`.

    Returns:
        The path.

    Example:

    >>> import tempfile
    >>> page = tempfile.mkdtemp() + "/benchmarks.md"
    >>> _ = append_table(page, [Measurement("sleep", [1.0, 1.0], [2.0, 2.0])])
    >>> "| sleep | 1.00 s | 2.00 s |" in pathlib.Path(page).read_text()
    True
    """
    from kerasmith.callbacks.files import write_text

    path = pathlib.Path(path)
    before = path.read_text() if path.exists() else "# Benchmarks\n"
    rows = "\n".join(measurement.row() for measurement in measurements)
    title = f"\n## {datetime.date.today()}\n\n{machine()}\n\n"
    return write_text(path, before + title + HEADER + rows + "\n")


def add_arguments(parser):
    """Declare the arguments of this command.

    Args:
        parser: `argparse.ArgumentParser`.

    Example:

    >>> import argparse
    >>> add_arguments(argparse.ArgumentParser())
    """
    parser.add_argument(
        "rows", metavar="ROW", nargs="*", help="rows to measure (default: all)"
    )
    parser.add_argument("--rounds", type=int, default=11, help="rounds (default: 11)")
    parser.add_argument(
        "--page",
        metavar="FILE",
        default="docs/benchmarks.md",
        help="Markdown file that the table is added to (default: docs/benchmarks.md)",
    )


def run(arguments):
    """Run this command.

    Args:
        arguments: What was parsed.

    Returns:
        Exit code.

    Example:

    >>> import argparse
    >>> parser = argparse.ArgumentParser()
    >>> add_arguments(parser)
    >>> run(parser.parse_args(["lenet_epoch"]))
    Traceback (most recent call last):
    ValueError: there is no row 'lenet_epoch'; did you mean 'lenet5_epoch'? ...
    """
    from kerasmith.scripts.bench_rows import ROWS
    from kerasmith.zoo.choices import choose

    if arguments.rounds < 1:
        raise ValueError(
            f"--rounds needs to be 1 or more, received {arguments.rounds}."
        )
    makers = [choose("row", name, ROWS) for name in arguments.rows or ROWS]
    measurements = []
    for make in makers:
        for pair in make():
            measurements.append(interleave(pair, arguments.rounds))
            sys.stdout.write(measurements[-1].row() + "\n")
    append_table(arguments.page, measurements)
    return 0


if __name__ == "__main__":
    from kerasmith.scripts.main import main

    sys.exit(main(["bench", *sys.argv[1:]]))

"""What trials of the tests train: numbers, in processes of their own."""

import dataclasses
import multiprocessing
import os
import pathlib
import signal
import time

import keras_tuner


def space():
    """A range and a choice, half of which opens another range."""
    hp = keras_tuner.HyperParameters()
    hp.Float("x", 0.0, 1.0)
    hp.Choice("kind", ["plain", "deep"])
    with hp.conditional_scope("kind", ["deep"]):
        hp.Int("depth", 1, 9)
    return hp


def score(values, seed=0):
    return (values["x"] - 0.3) ** 2 + 0.01 * values.get("depth", 0) + 0.001 * seed


@dataclasses.dataclass(frozen=True)
class Counting:
    """Trains epochs that it writes down one by one, and goes on behind them."""

    epochs: int = 2
    seconds: float = 0.0

    def run(self, values, folder, number, seed):
        notes = folder / "epochs.txt"
        while len(lines := lines_of(notes)) < self.epochs:
            worker = multiprocessing.parent_process()
            line = f"{len(lines)} {os.getpid()} {worker.pid if worker else 0}\n"
            with notes.open("a") as file:
                file.write(line)
            time.sleep(self.seconds)
        (folder / "best.weights.h5").write_text("weights")
        final = score(values, seed)
        return {"loss": [2.0 + final, *[final] * (self.epochs - 1)]}, 1.0


@dataclasses.dataclass(frozen=True)
class Troubled:
    """Fails in another way in each trial."""

    def run(self, values, folder, number, seed):
        kind = values["trouble"]
        if kind == "raise":
            raise MemoryError("no memory for 12 GiB")
        if kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "exit":
            os._exit(3)
        if kind == "nan":
            return {"loss": [float("nan")] * 2}, 1.0
        if kind == "silent":
            return {"accuracy": [0.5]}, 1.0
        if kind == "slow":
            time.sleep(60)
        return {"loss": [0.5, float("nan")]}, 1.0


def lines_of(path):
    path = pathlib.Path(path)
    return path.read_text().splitlines() if path.exists() else []

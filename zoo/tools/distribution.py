"""On what a training runs: one device, several of a machine, or several machines."""

import contextlib
import importlib
import io
import os
import pathlib
import shutil
import tarfile
import tempfile

import keras

from ...callbacks.training_state import random_states, set_random_states
from .distribution_checks import check

# what a run that goes on needs of what it has left
_LEFT = ("training", "history.csv", "learning_rate.txt")


class OneDevice:
    """A training on one device, and what those on several override.

    Attributes:
        chief: Whether this process writes the files of the run.
        alone: Whether there is no other process.
        steps: How many steps a call of the compiled step may make; `None` for any.

    Example:

    >>> OneDevice().chief
    True
    """

    chief, alone, steps = True, True, None

    def agreed(self, ask):
        """Ask the chief, and let all processes go by its answer.

        Args:
            ask: Function without arguments that the chief alone calls.

        Returns:
            What it gives, which JSON can hold.

        Example:

        >>> OneDevice().agreed(lambda: 3)
        3
        """
        return ask()

    def workplace(self, folder):
        """Give the folder where this process writes.

        Args:
            folder: The folder of the run.

        Returns:
            It for the chief; for others one that is taken away in the end, with what
            a run that goes on needs.

        Example:

        >>> OneDevice().workplace("runs/mine")
        'runs/mine'
        """
        return folder

    def check(self, recipe, data):
        """Refuse what cannot be trained so, before the first step.

        Args:
            recipe: `Recipe`.
            data: Its data.

        Raises:
            ValueError: If it cannot.

        Example:

        >>> OneDevice().check(None, None)
        """

    def spread(self, model, build, finish, batches):
        """Bring a model where it is trained.

        Args:
            model: A compiled model on one device.
            build: Function without arguments that builds its like.
            finish: Function of a model that compiles it.
            batches: Batches like those of the training.

        Returns:
            The model itself, or one with the same weights.

        Example:

        >>> OneDevice().spread("model", None, None, None)
        'model'
        """
        return model

    def settle(self, trained, model):
        """Bring a trained model back to one device.

        Args:
            trained: What `spread` gave.
            model: What it was given, which takes the weights over.

        Example:

        >>> OneDevice().settle("model", "model")
        """

    def callbacks(self, folder):
        """Give the callbacks that keep the processes together.

        Args:
            folder: What `workplace` gave.

        Returns:
            Those that come first, and those that come last.

        Example:

        >>> OneDevice().callbacks("runs/mine")
        ([], [])
        """
        return [], []


class Workers:
    """How one of several processes agrees with the others, over a `Line`.

    Example:

    >>> from .cluster import Cluster
    >>> from .line import Line
    >>> class Here(Workers, OneDevice):
    ...     pass
    >>> cluster = Cluster(("10.0.0.1:2222", "10.0.0.2:2222"), 0)
    >>> here = Here()
    >>> here.join(Line(cluster, {}))
    >>> here.chief, here.alone
    (True, False)
    """

    alone = False

    def join(self, line):
        """Take part in what is said over a line.

        Args:
            line: `Line`.
        """
        self.line, self.chief = line, line.chief
        self._scratch = None

    def agreed(self, ask):
        """Ask the chief, and let all processes go by its answer.

        Args:
            ask: Function without arguments that the chief alone calls.

        Returns:
            What it gives, which JSON can hold.

        Raises:
            ValueError: If it raised in the chief.
        """
        return self.line.from_chief(ask)

    def workplace(self, folder):
        """Give the folder where this process writes.

        Args:
            folder: The folder of the run, as the chief sees it.

        Returns:
            It for the chief; for others one of their own, with what the chief has.
        """
        if self.chief:
            self.line.broadcast(_packed(folder))
            return folder
        self._scratch = pathlib.Path(tempfile.mkdtemp(prefix="kerasmith-worker-"))
        data = io.BytesIO(self.line.broadcast())
        with tarfile.open(fileobj=data) as archive:
            archive.extractall(self._scratch, filter="data")
        return self._scratch

    def callbacks(self, folder):
        """Give the callbacks that keep the processes together.

        Args:
            folder: What `workplace` gave.

        Returns:
            Those that come first, and those that come last.
        """
        return [_ChiefsRate(self.line, folder)], [_ChiefsEnd(self.line)]

    def leave(self):
        """Take away what this process has written for itself."""
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)


class _ChiefsRate(keras.callbacks.Callback):
    """Lets the rate that somebody has written into the run's folder hold for all."""

    def __init__(self, line, folder):
        super().__init__()
        self.line, self.file = line, pathlib.Path(folder) / "learning_rate.txt"

    def on_epoch_begin(self, epoch, logs=None):
        text = self.line.from_chief(self._read)
        if not self.line.chief:
            self.file.write_text(text)

    def _read(self):
        try:
            return self.file.read_text()
        except OSError:
            return ""


class _ChiefsEnd(keras.callbacks.Callback):
    """Ends the training of all where the chief ends: clocks differ."""

    def __init__(self, line):
        super().__init__()
        self.line = line

    def on_epoch_end(self, epoch, logs=None):
        stop = self.line.from_chief(lambda: bool(self.model.stop_training))
        self.model.stop_training = stop


def _packed(folder):
    """Pack what the others need of a run that goes on."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name in _LEFT:
            if (pathlib.Path(folder) / name).exists():
                archive.add(pathlib.Path(folder) / name, name)
    return packed.getvalue()


def copy_variables(source, target):
    """Give a model the values of another one of the same build.

    Args:
        source: Where the values come from.
        target: Where they go.

    Example:

    >>> one, other = (keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    ...     for _ in range(2))
    >>> copy_variables(one, other)
    >>> bool((one.get_weights()[0] == other.get_weights()[0]).all())
    True
    """
    pairs = zip(_own(source), _own(target), strict=True)
    for from_variable, to_variable in pairs:
        to_variable.assign(keras.ops.convert_to_numpy(from_variable))


def _own(model):
    """List weights and random generators: those of metrics are made at other times."""
    of_metrics = {id(variable) for variable in model.metrics_variables}
    return [value for value in model.variables if id(value) not in of_metrics]


@contextlib.contextmanager
def _no_luck_spent():
    """Leave the random generators as they were, to go on as on one device."""
    states = random_states()
    try:
        yield
    finally:
        set_random_states(states)


def spread(group, model, build, finish, batches):
    """Bring a model where it is trained, its weights and all randomness as they were.

    Args:
        group: `OneDevice`, or what stands in its place.
        model: A compiled model on one device.
        build: Function without arguments that builds its like.
        finish: Function of a model that compiles it.
        batches: Batches like those of the training.

    Returns:
        The model to train.

    Example:

    >>> spread(OneDevice(), "model", None, None, None)
    'model'
    """
    with _no_luck_spent():
        made = group.spread(model, build, finish, batches)
    if made is not model:
        copy_variables(model, made)
    return made


@contextlib.contextmanager
def distributing(kind=None, devices=None, recipe=None, environment=os.environ):
    """Open the devices of a training, and close them.

    Args:
        kind: `None` for one device; `"mirrored"` for those of this machine;
            `"multiworker"` for those of all processes that `TF_CONFIG` names.
        devices: How many devices of this machine; all accelerators by default. Of
            processors that many are made.
        recipe: `Recipe`, to refuse one that cannot be trained so before anything is
            opened; `None` for none.
        environment: Mapping of environment variables.

    Yields:
        `OneDevice`, or what stands in its place.

    Raises:
        ValueError: If there are no such devices, or the backend has none.
        ConnectionError: If another process is gone.

    Example:

    >>> with distributing() as group:
    ...     group.chief
    True
    """
    check(kind, devices, recipe)
    if kind is None:
        yield OneDevice()
        return
    backend = keras.config.backend()
    module = importlib.import_module(f".{backend}_devices", __package__)
    if kind == "mirrored":
        with module.of_this_machine(devices) as group:
            yield group
        return
    from .cluster import read_cluster
    from .gathering import connect

    cluster = read_cluster(environment)
    line = connect(cluster)
    with line.held(), module.of_workers(cluster, line) as group:
        yield group

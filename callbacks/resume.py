"""Carrying on where an interrupted run stopped."""

import hashlib
import json
import pathlib
import shutil
import warnings

import keras
import numpy as np
from keras import ops

from .files import replacing


class Resume(keras.callbacks.Callback):
    """Save the state of the training after every epoch, and go on from it.

    A state holds the weights, the optimizer, the random generators and the state of
    the callbacks named. The two newest are kept, each with a checksum: one that was
    torn or changed is passed over with a warning. Pass
    `initial_epoch=resume.epoch` to `fit`; with data whose order depends on nothing
    but the epoch, the resumed run ends like one that was never interrupted. (Not so
    on PyTorch for `Dropout` without a seed, which there draws from a generator of
    PyTorch's own: give it one.)

    Args:
        folder: Where the states lie.
        callbacks: Callbacks with `get_state` and `set_state`, of the same training.
        every: Epochs between two states.

    Attributes:
        epoch: Number of epochs behind the newest whole state, 0 if there is none.

    Raises:
        ValueError: If `every` is below 1, if the state is that of another model or
            other callbacks, or if `fit` begins at another epoch.
        TypeError: If a callback has no state to keep.

    Example:

    >>> import tempfile
    >>> import numpy as np
    >>> def fit(folder, epochs):
    ...     keras.utils.set_random_seed(1)
    ...     model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    ...     model.compile("adam", "mse")
    ...     resume = Resume(folder)
    ...     x, y = np.ones((4, 2)), np.ones((4, 1))
    ...     kept = {"callbacks": [resume], "initial_epoch": resume.epoch}
    ...     _ = model.fit(x, y, epochs=epochs, verbose=0, **kept)
    ...     return model.get_weights()[0].tolist()
    >>> folder = tempfile.mkdtemp()
    >>> _ = fit(folder, 2)
    >>> fit(folder, 4) == fit(tempfile.mkdtemp(), 4)
    True
    """

    def __init__(self, folder, callbacks=(), *, every=1):
        super().__init__()
        if every < 1:
            raise ValueError(f"Resume needs every >= 1, received {every}.")
        self.folder, self.every = pathlib.Path(folder), every
        self.callbacks = tuple(callbacks)
        for callback in self.callbacks:
            if not (hasattr(callback, "get_state") and hasattr(callback, "set_state")):
                raise TypeError(
                    f"Resume cannot keep the state of {type(callback).__name__}: it "
                    "has no get_state and set_state."
                )
        self.state, self.data = newest_state(self.folder)
        self.epoch = self.state["epoch"] if self.state else 0

    def on_train_begin(self, logs=None):
        self.begun = False
        if self.state is None:
            return
        names = [type(callback).__name__ for callback in self.callbacks]
        if names != [entry["name"] for entry in self.state["callbacks"]]:
            raise ValueError(
                f"the state in {self.folder} is of the callbacks "
                f"{[entry['name'] for entry in self.state['callbacks']]}, but this "
                f"training has {names}."
            )
        restore_variables(self.model, self.state["variables"], self.data)

    def on_epoch_begin(self, epoch, logs=None):
        # Not earlier: each callback clears itself in on_train_begin. And not at an
        # epoch's end: the callbacks behind this one have not seen the epoch then.
        if self.begun:
            if epoch % self.every == 0:
                self.save(epoch)
            return
        self.begun = True
        if self.state is not None:
            self._restore_callbacks(self.state["callbacks"], epoch)
            self.state = self.data = None
        for path in self.folder.glob("epoch-*"):
            if path.name > state_name(epoch):  # of a training that this one replaces
                shutil.rmtree(path)

    def _restore_callbacks(self, entries, epoch):
        if epoch != self.epoch:
            raise ValueError(
                f"the state in {self.folder} comes before epoch {self.epoch}, but fit "
                f"began at {epoch}: pass initial_epoch=resume.epoch to fit, or take an "
                "empty folder to begin anew."
            )
        for callback, entry in zip(self.callbacks, entries, strict=True):
            callback.set_state(entry["state"])

    def save(self, epoch):
        """Write the state before an epoch, and drop all but the two newest.

        Args:
            epoch: The epoch that comes next, counted from 0.

        Returns:
            The folder of the state.

        Example:

        >>> import tempfile
        >>> resume = Resume(tempfile.mkdtemp())
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile("adam", "mse")
        >>> resume.set_model(model)
        >>> resume.save(3).name
        'epoch-00003'
        """
        variables = variables_of(self.model)
        # one file of bytes: a file of many arrays takes ten times as long to write
        data = b"".join(ops.convert_to_numpy(value).tobytes() for value in variables)
        state = {
            "epoch": epoch,
            "variables": [describe(value) for value in variables],
            "callbacks": [
                {"name": type(callback).__name__, "state": callback.get_state()}
                for callback in self.callbacks
            ],
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        target = self.folder / state_name(epoch)
        with replacing(target) as beside:
            beside.mkdir()
            (beside / "variables.bin").write_bytes(data)
            (beside / "state.json").write_text(json.dumps(state))
        for old in sorted(self.folder.glob("epoch-*"))[:-2]:
            shutil.rmtree(old)
        return target


def variables_of(model):
    """List what a training changes: weights, random generators, optimizer.

    Args:
        model: A compiled, built model.

    Returns:
        List of variables, in an order that is the same in every process.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> len(variables_of(model))  # kernel, bias, iterations, learning rate
    4
    """
    model.optimizer.build(model.trainable_variables)
    metrics = {id(value) for value in model.metrics_variables}
    kept = [value for value in model.variables if id(value) not in metrics]
    return kept + list(model.optimizer.variables)


def describe(variable):
    """Describe a variable so that another process can tell it is the same.

    Args:
        variable: A `keras.Variable`.

    Returns:
        List of shape and dtype: names differ from process to process.

    Example:

    >>> describe(keras.Variable([1.0, 2.0]))
    [[2], 'float32']
    """
    return [list(variable.shape), keras.backend.standardize_dtype(variable.dtype)]


def restore_variables(model, descriptions, data):
    """Put saved values back into a model and its optimizer.

    Args:
        model: A compiled, built model.
        descriptions: What `describe` gave for each variable when it was saved.
        data: Their values as bytes, one after the other.

    Raises:
        ValueError: If the model's variables are not those that were saved.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> restore_variables(model, [], b"")
    Traceback (most recent call last):
    ValueError: the state to resume has 0 variables, but this model and optimizer ...
    """
    variables = variables_of(model)
    if len(variables) != len(descriptions):
        raise ValueError(
            f"the state to resume has {len(descriptions)} variables, but this model "
            f"and optimizer have {len(variables)}: it is of another model."
        )
    for variable, saved in zip(variables, descriptions, strict=True):
        if describe(variable) != saved:
            raise ValueError(
                f"the state to resume has {saved} where this model has {variable.path} "
                f"of {describe(variable)}: it is of another model."
            )
    begin = 0
    for variable in variables:
        old = ops.convert_to_numpy(variable)
        value = np.frombuffer(data, old.dtype, old.size, begin).reshape(old.shape)
        variable.assign(value)
        begin += old.nbytes


def newest_state(folder):
    """Read the newest state whose checksum is right.

    Args:
        folder: Folder of states; it need not be there.

    Returns:
        The state and the bytes of its variables, or `(None, None)`.

    Example:

    >>> newest_state("nowhere")
    (None, None)
    """
    for path in sorted(pathlib.Path(folder).glob("epoch-*"), reverse=True):
        try:
            state = json.loads((path / "state.json").read_text())
            data = (path / "variables.bin").read_bytes()
            if hashlib.sha256(data).hexdigest() != state["sha256"]:
                raise ValueError("its checksum is wrong")
        except (OSError, ValueError, KeyError) as problem:
            warnings.warn(f"passing over the state {path}: {problem}", stacklevel=2)
            continue
        return state, data
    return None, None


def state_name(epoch):
    """Name the folder of a state; names sort like epochs.

    Args:
        epoch: The epoch that comes next, counted from 0.

    Returns:
        Text.

    Example:

    >>> state_name(12)
    'epoch-00012'
    """
    return f"epoch-{epoch:05d}"

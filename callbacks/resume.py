"""Carrying on where an interrupted run stopped."""

import functools
import pathlib
import shutil
import time
from typing import Any

import keras

from . import generations, keras_callbacks, positions, training_state
from .termination import EXIT_CODE, Termination

UNITS = ("epoch", "step", "minute")


class Resume(keras.callbacks.Callback):
    """Save the state of the training, and go on from it as if nothing had happened.

    A state holds the weights, the optimizer, the random generators, the metrics, the
    epoch and the step in it, the history, and the states of the callbacks named. The
    two newest are kept, each with checksums: one that was torn or changed is passed
    over with a warning. On SIGTERM, with which clouds announce that they take a
    machine back, the state is saved and the process ends with code 143.

        resume = Resume("states", [log], data=batches, every=200, by="step")
        model.fit(batches, initial_epoch=resume.epoch, callbacks=[log, resume])

    The same lines begin a training and go on with it. A resumed training ends bit for
    bit like one that was never interrupted, if the backend computes alike twice
    (`keras.utils.set_random_seed` before the model is made, and on TensorFlow
    `tf.config.experimental.enable_op_determinism()`). In the middle of an epoch the
    batches that lie behind are drawn and not trained on.

    Args:
        folder: Where the states lie.
        callbacks: Callbacks whose states belong to it: all that have some, ours and
            Keras' `EarlyStopping`, `ReduceLROnPlateau`, `ModelCheckpoint`,
            `CSVLogger`, `SwapEMAWeights`. What such a callback counts it must count
            at the end of batches or epochs.
        data: What is given to `fit`, to be sure that its order can be brought back.
            Its method `seek(epoch)` is called before each epoch, if it has one. Saving
            by step or minute needs it.
        every: Epochs, steps or minutes between two states.
        by: `"epoch"`, `"step"` or `"minute"`.
        on_termination: Whether SIGTERM is waited for.
        grace: Seconds in which a step must end after SIGTERM; the process ends
            without saving if it takes longer.

    Attributes:
        epoch: The epoch in which the newest whole state lies, for `initial_epoch`; 0
            if there is none.
        step: Batches of that epoch that lie behind.

    Raises:
        ValueError: If an argument cannot be right; before the first step, if the state
            is that of another model, optimizer, data set or other callbacks, if `fit`
            begins at another epoch, or if the data comes in another order each time.
        TypeError: If a callback has no state to keep, or the order of the data cannot
            be known.

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

    training_data: Any  # a `seek` is asked for
    _state: Any  # a dictionary while there is something to restore

    def __init__(
        self,
        folder,
        callbacks=(),
        *,
        data=None,
        every=1,
        by="epoch",
        on_termination=True,
        grace=25,
    ):
        super().__init__()
        _check_interval(every, by, data)
        self.folder, self.every, self.by = pathlib.Path(folder), every, by
        self.callbacks, self.training_data = tuple(callbacks), data
        for callback in self.callbacks:
            if not keras_callbacks.can_be_kept(callback):
                raise TypeError(
                    f"Resume cannot keep the state of {type(callback).__name__}: it "
                    "has no get_state and set_state. Leave it out if nothing in it "
                    "depends on what was before."
                )
        self.on_termination, self.termination = on_termination, Termination(grace)
        self._broken_off = False
        self._read()

    def _read(self):
        self._broken_off = False
        self._state, self._bytes = generations.newest(self.folder)
        self._start = (0, 0)
        if self._state is not None:
            self._start = (self._state["epoch"], self._state["step"])

    @property
    def epoch(self):
        if self._broken_off:  # by Ctrl-C or an error: what came of it lies on the disk
            self._read()
        return self._start[0]

    @property
    def step(self):
        return self._start[1] if self.epoch == self._start[0] else 0

    def set_model(self, model):
        super().set_model(model)
        self._signature = training_state.signature(self.model)
        if self._state is None:
            return
        differing = training_state.differences(
            self._state["signature"], self._signature
        )
        if differing:
            raise ValueError(
                f"the state in {self.folder} is of another model or configuration: "
                f"{'; '.join(differing)}. Take another folder to begin anew."
            )
        # a log must not be emptied by the callback that opens it again
        entries = self._state["callbacks"]
        for callback, entry in zip(self.callbacks, entries, strict=False):
            keras_callbacks.before_files_open(callback, entry["state"])

    def on_train_begin(self, logs=None):
        if self.training_data is not None:
            positions.check(self.training_data)
        self._check_steps()
        self._broken_off, self._begun, self._train_function = True, False, None
        self._behind = self._start[1] if self._state else 0
        if self.on_termination:
            self.termination.__enter__()

    def _check_steps(self):
        """Refuse steps an epoch of which the data knows nothing."""
        given = (self.params or {}).get("steps")
        known = positions.length(self.training_data)
        if None not in (given, known) and given != known:
            raise ValueError(
                f"fit takes {given} steps an epoch of data that has {known}: where the "
                "next epoch goes on in the data is not known to Resume. Leave "
                "steps_per_epoch out."
            )
        before = self._state["steps"] if self._state else None
        if None not in (given, before) and given != before:
            raise ValueError(
                f"the state in {self.folder} is of a training with {before} steps an "
                f"epoch, but fit takes {given}: give the same data in the same batches."
            )

    def on_epoch_begin(self, epoch, logs=None):
        # Not earlier: each callback clears itself in on_train_begin. And not at an
        # epoch's end: the callbacks behind this one have not seen the epoch then.
        self._epoch, self._end = epoch, 0
        first, self._begun = not self._begun, True
        if first:
            self._last_save = (epoch, 0, time.monotonic())
            self._restore_epoch(epoch)
            for path in generations.found_in(self.folder):
                if path.name > generations.name_of(epoch, self._behind):
                    shutil.rmtree(path)  # of a training that this one replaces
        self._random_states = training_state.random_states()
        if hasattr(self.training_data, "seek"):
            self.training_data.seek(epoch)
        if self.termination.asked:
            self._terminate(0)
        elif not first and self._is_due(0):
            self.save(epoch)

    def _restore_epoch(self, epoch):
        if self._state is None:
            return
        if epoch != self._start[0]:
            raise ValueError(
                f"the state in {self.folder} lies in epoch {self._start[0]}, but fit "
                f"began at {epoch}: pass initial_epoch=resume.epoch to fit, or take an "
                "empty folder to begin anew."
            )
        self._put(metrics=False)
        # what the data draws in this epoch it shall draw again
        training_state.set_random_states(self._state["random_at_epoch"])
        if not self._behind:
            self._state = self._bytes = None

    def on_train_batch_begin(self, batch, logs=None):
        self._end = batch
        if self._behind:
            self._pass_over(batch)
        if self._behind == 0 and batch:
            if self.termination.asked:
                self._terminate(batch)
            elif self.by != "epoch" and self._is_due(batch):
                self.save(self._epoch, batch)

    def _pass_over(self, batch):
        """Let the batches that lie behind be drawn, until training is where it was.

        The first of them is trained on, and this undone: Keras makes some variables
        of the metrics only then.
        """
        if batch >= self._behind:
            if self._train_function is not None:
                self.model.train_function = self._train_function
            self._put(metrics=True)
            # the others stand where they stood: the data has drawn all that it drew
            training_state.set_random_states(self._state["random"], of=("torch",))
            self._state = self._bytes = self._train_function = None
            self._last_save = (self._epoch, batch, time.monotonic())
            self._behind = 0
        elif batch and self._train_function is None:
            self._put(metrics=False)
            self._train_function = self.model.train_function
            self.model.train_function = _drawing(self.model.steps_per_execution)

    def _put(self, metrics):
        state = self._state
        held = sum((entry["arrays"] for entry in state["callbacks"]), [])
        described = [*state["variables"], *state["metrics"], *held]
        arrays = generations.split(self._bytes, described)
        training_state.put(self.model, self.callbacks, state, arrays, metrics=metrics)

    def _is_due(self, step):
        epoch, batch, moment = self._last_save
        if self.by == "minute":
            return time.monotonic() - moment >= 60 * self.every
        if self.by == "epoch":
            return self._epoch % self.every == 0
        behind = self._seen + step if epoch < self._epoch else step - batch
        return behind >= self.every

    def on_train_batch_end(self, batch, logs=None):
        self._end = batch + 1

    def on_epoch_end(self, epoch, logs=None):
        # steps since the last state, counted over the end of an epoch
        last, batch, _ = self._last_save
        self._seen = self._end - batch if last == epoch else self._seen + self._end

    def on_train_end(self, logs=None):
        self._broken_off, self._start = False, (0, 0)
        self.termination.__exit__()
        asked, self.termination.asked = self.termination.asked, False
        if asked:  # there is nothing left to save
            raise SystemExit(EXIT_CODE)

    def _terminate(self, step):
        # on the way the state from which training went on may still be the newest
        if not self._behind:
            self.save(self._epoch, step)
        self.termination.__exit__()
        raise SystemExit(EXIT_CODE)

    def save(self, epoch, step=0):
        """Write the state before a step, and drop all but the two newest.

        Args:
            epoch: The epoch, counted from 0.
            step: Its batches that lie behind.

        Returns:
            The folder of the state.

        Example:

        >>> import tempfile
        >>> resume = Resume(tempfile.mkdtemp())
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile("adam", "mse")
        >>> resume.set_model(model)
        >>> resume.save(3).name
        'epoch-00003-step-00000000'
        """
        state, arrays = training_state.take(self.model, self.callbacks)
        now = training_state.random_states()
        state |= {
            "epoch": epoch,
            "step": step,
            "steps": (self.params or {}).get("steps"),
            "signature": self._signature,
            "random": now,
            "random_at_epoch": getattr(self, "_random_states", now),
        }
        self._last_save = (epoch, step, time.monotonic())
        return generations.write(self.folder, state, arrays)


def _check_interval(every, by, data):
    if by not in UNITS:
        raise ValueError(
            f"Resume saves by {', '.join(map(repr, UNITS))}, received by={by!r}."
        )
    whole = isinstance(every, int) and not isinstance(every, bool)
    if not (whole and every >= 1) and not (by == "minute" and every > 0):
        raise ValueError(f"Resume needs every >= 1, received {every!r}.")
    if by != "epoch" and data is None:
        raise ValueError(
            f"Resume(by={by!r}) goes on in the middle of an epoch and needs to know "
            "the data for it: pass data=, what fit gets."
        )


@functools.cache
def _drawing(steps):
    """Give a training function that takes its batches and does nothing with them."""
    if keras.backend.backend() == "torch":
        return lambda batch: {}  # drawn already

    def draw(*arguments):
        *state, batches = arguments
        for _ in range(steps):
            next(batches)
        return ({}, *state) if state else {}

    return draw

"""What a search tells while it runs."""

import time


class Progress:
    """Tells of each trial that has ended, and of the best so far.

    Args:
        spec: `Spec`.
        tell: Called with text.
        before: Number of trials that had ended before, in a resumed search.

    Example:

    >>> import keras_tuner
    >>> from .record import Execution, TrialRecord
    >>> from .spec import Spec
    >>> space = keras_tuner.HyperParameters()
    >>> spec = Spec("mine", "random", "val_accuracy", "max", space, 20)
    >>> once = (Execution(0, 0.9, {"val_accuracy": [0.9]}, 4.0),)
    >>> done = TrialRecord("07", "COMPLETED", {"units": 8}, 0.9, once)
    >>> Progress(spec, print, before=7).tell_end(done, 8, done)
    trial 07: val_accuracy 0.9 after 1 epoch, 4.0 s | best 0.9 (trial 07) | 8 of 20
    """

    def __init__(self, spec, tell, before=0):
        self.spec, self.tell = spec, tell
        self.before, self.began = before, time.monotonic()

    def tell_end(self, trial, ended, best):
        """Tell that a trial has ended.

        Args:
            trial: Its `TrialRecord`.
            ended: How many have.
            best: The best `TrialRecord` so far, or `None`.
        """
        parts = [f"trial {trial.id}: {self.outcome(trial)}"]
        if best is not None:
            parts.append(f"best {best.score:.5g} (trial {best.id})")
        total = self.spec.trials
        parts.append(f"{ended} of {total}" if total else f"{ended} trials")
        left = self._left(ended)
        self.tell(" | ".join([*parts, *left]))

    def outcome(self, trial):
        """Tell what came of a trial.

        Args:
            trial: Its `TrialRecord`.

        Returns:
            Text.
        """
        if trial.score is None:
            return f"failed: {trial.reason}"
        spread = f" ± {trial.spread:.2g}" if trial.spread is not None else ""
        epochs = "1 epoch" if trial.epochs == 1 else f"{trial.epochs} epochs"
        score = f"{self.spec.objective} {trial.score:.5g}{spread}"
        return f"{score} after {epochs}, {trial.seconds:.1f} s"

    def _left(self, ended):
        """Tell the time that is left at the pace so far, once there is one."""
        done = ended - self.before
        if not self.spec.trials or done < 3 or ended >= self.spec.trials:
            return []
        each = (time.monotonic() - self.began) / done
        minutes = each * (self.spec.trials - ended) / 60
        return [f"{minutes:.0f} min left" if minutes >= 1 else "less than 1 min left"]

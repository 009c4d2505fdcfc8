"""Early stopping in a training that is broken off and resumed."""

import keras
import pytest
from stopped_models import TRAIN, VALIDATION, make_model, same

from kerasmith.callbacks import EarlyStopping, Patience, Resume, ShuffledBatches


class BreakOff(keras.callbacks.Callback):
    """Breaks training off before a step, as a killed process would."""

    def __init__(self, epoch, batch):
        super().__init__()
        self.place, self.epoch = (epoch, batch), 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        if (self.epoch, batch) == self.place:
            raise KeyboardInterrupt


def with_resume(folder, place, more=()):
    """Train on from the newest state in a folder, with a model made anew."""
    folder.mkdir(exist_ok=True)
    keep = "device" if place == "device" else folder / "best.weights.h5"
    stopping, data = (
        EarlyStopping(Patience(4), keep=keep),
        ShuffledBatches(*TRAIN, batch_size=10),
    )
    resume = Resume(folder / "states", [stopping], data=data, every=1, by="step")
    model = make_model()
    model.fit(
        data,
        epochs=20,
        initial_epoch=resume.epoch,
        validation_data=VALIDATION,
        callbacks=[*more, stopping, resume],
        shuffle=False,
        verbose=0,
    )
    return model, stopping


@pytest.mark.parametrize("place", ["device", "file"])
def test_resume_brings_the_best_weights_along(place, tmp_path):
    model, whole = with_resume(tmp_path / "whole", place)
    assert whole.best_epoch < whole.stopped_epoch
    # behind the best epoch, in the middle of another
    broken = [BreakOff(whole.best_epoch + 2, 2)]
    with pytest.raises(KeyboardInterrupt):
        with_resume(tmp_path / "broken", place, broken)
    again, resumed = with_resume(tmp_path / "broken", place)
    assert resumed.epochs == whole.epochs and resumed.metrics == whole.metrics
    for name in ("best", "best_epoch", "best_steps", "stopped_epoch", "reason"):
        assert getattr(resumed, name) == getattr(whole, name)
    same(again.get_weights(), model.get_weights())

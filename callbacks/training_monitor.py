"""Looking into a training: gradients, updates and activations of every layer."""

import copy
import math

import keras
import numpy as np
from keras import ops

from . import optimizer_hooks, training_findings, training_pictures
from .activations import NOT_ASKED, Activations
from .event_file import EventFile
from .norm_hook import NormHook, by_layer
from .not_finite import bad_samples, bad_weights, first_bad_layer
from .step_sample import StepSample, listed

NORMS = ("gradient", "weight", "update")
STATE = ("begun", "done", "samples", "activations", "trouble")


def is_sampled(step, steps, every):
    """Tell whether a multiple of `every` is among the steps of one execution.

    Args:
        step: The first of them, counted from 0.
        steps: Their number.
        every: Steps between two samples.

    Returns:
        Boolean.

    Example:

    >>> [step for step in range(0, 16, 4) if is_sampled(step, 4, 6)]
    [0, 4, 12]
    """
    return -step % every < steps


class TrainingMonitor(keras.callbacks.Callback):
    """Measure what happens in every layer during training, and say what is wrong.

    Every `every` steps it takes, for each layer with weights, the norms of the
    gradient, of the weights, and of the update, the change that the step made to the
    weights. The gradient is measured inside the compiled step, as the optimizer gets
    it, before any clipping. Other steps take no part of it. At the end of an epoch,
    where `data` is given, it takes the mean and standard deviation of each layer's
    output, and the share of dead units. Where the loss is not finite, it finds the
    batch and the layer.

    To rerun a batch that went wrong, the weights of the last sample are kept, on the
    device: that is the memory of the weights once more.

    Args:
        every: Steps between two samples. With `steps_per_execution`, an update is
            that of the whole execution in which the step lies.
        data: Inputs of one small batch of the training data, such as `x[:32]`, for
            the activations; `None` measures none.
        inputs: Function of the epoch and the batch, both counted from 0, that gives
            the inputs of that batch again. It is called once, when the loss is not
            finite; without it `data` is run again.
        log_dir: Folder for TensorBoard, or `None`. It gets scalars of every sample,
            and histograms of the weights at the end of every epoch.
        **limits: Where `findings` speaks of a fault: the attributes of
            `kerasmith.callbacks.training_findings.Limits`, which tells the reasons
            (`vanishing=1e-4`, `exploding=1e3`, `spike=100`, `small_update=1e-6`,
            `large_update=0.1`, `dead=0.5`).

    Attributes:
        layers: Paths of the layers with weights.
        samples: A dictionary for each sample: `epoch`, `batch`, `step`, and the lists
            `gradient`, `weight` and `update` of a norm for each layer, `None` for one
            that does not train.
        outputs: Names of the layers whose outputs are measured.
        activations: A dictionary for each epoch: `epoch`, `step`, and the lists
            `mean`, `std` and `dead` with a number for each of `outputs` (`dead` is
            `None` where the activation is not like ReLU).
        trouble: Dictionary on where the loss was not finite first, or `None`: `epoch`
            and `batch`; `samples`, the indices of inputs that are not finite; `layer`,
            the first whose output is not finite when the batch is run again, in
            inference mode with the weights of the sampled `step`; `weights`, the
            layers that held a weight that is not finite when it was noticed.
        bad_inputs: The inputs of that batch, where `inputs` gave them.

    Raises:
        ValueError: If `every` is below 1, or the model is not compiled.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile(keras.optimizers.SGD(0.1), "mse")
    >>> monitor = TrainingMonitor(every=1)
    >>> x, y = np.ones((4, 2)), np.ones((4, 1))
    >>> _ = model.fit(x, y, epochs=3, verbose=0, callbacks=[monitor])
    >>> [sample["step"] for sample in monitor.samples], monitor.findings()
    ([0, 1, 2], [...])

    Reference:
        Glorot and Bengio, 2010, https://proceedings.mlr.press/v9/glorot10a.html
    """

    # Keras may call on_train_batch_end from a thread of its own: it only notes a batch
    async_safe = True

    def __init__(self, *, every=50, data=None, inputs=None, log_dir=None, **limits):
        super().__init__()
        if every < 1:
            raise ValueError(f"TrainingMonitor needs every >= 1, received {every}.")
        self.every, self.data, self.inputs = every, data, inputs
        self.log_dir, self.limits = log_dir, training_findings.Limits(**limits)
        self._forget()

    def _forget(self):
        self.layers, self.sizes, self.outputs = [], [], []
        self.samples, self.activations, self.trouble = [], [], None
        self.begun = self.done = self.epoch = 0
        self.sample = self.kept = self.probe = self.file = self.bad_inputs = None
        self.bad = []

    def on_train_begin(self, logs=None):
        self._forget()
        model = self.model
        groups = by_layer(model.weights)
        self.layers = list(groups)
        self.sizes = [sum(math.prod(v.shape) for v in g) for g in groups.values()]
        self.hook = NormHook(groups)
        optimizer_hooks.attach(model, self.hook)
        self.execution = model.steps_per_execution
        optimizer = optimizer_hooks.inner(model.optimizer)
        self.steps = max(self.execution, optimizer.gradient_accumulation_steps or 1)
        if self.log_dir is not None:
            self.file = EventFile(self.log_dir)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        step = self.begun + batch
        if step < self.done:
            return  # a resumed run draws the batches that lie behind
        self._finish_sample(step)
        if self.bad and self.trouble is None:
            self._look_for_trouble()
        if self.sample is not None:
            self.sample.watch()
        elif is_sampled(step, self.execution, self.every):
            place = {"epoch": self.epoch, "batch": batch, "step": step}
            self.sample = StepSample(self.model, self.hook, place, self.steps)

    def on_train_batch_end(self, batch, logs=None):
        # where a thread of Keras calls this, batches may come in another order
        if self.begun + batch >= self.done:
            self.done = self.begun + batch + 1
        if self.trouble is None and not math.isfinite((logs or {}).get("loss", 0.0)):
            self.bad.append(batch)

    def on_epoch_end(self, epoch, logs=None):
        # the last execution may have had fewer steps than it was counted with
        self.begun += self.params.get("steps") or self.done - self.begun
        self.done = self.begun
        self._finish_sample(self.begun)
        if self.bad and self.trouble is None:
            self._look_for_trouble()
        if self.data is not None:
            self._measure_activations(epoch)
        if self.file is not None:
            for name, group in by_layer(self.model.trainable_variables).items():
                values = [ops.convert_to_numpy(v).ravel() for v in group]
                self.file.histogram(f"weights/{name}", self.begun, np.hstack(values))
            self.file.flush()

    def on_train_end(self, logs=None):
        optimizer_hooks.detach(self.model, self.hook)
        self.probe = self.sample = self.kept = None
        if self.file is not None:
            self.file.close()

    def _finish_sample(self, step):
        if self.sample is None or not self.sample.is_over(step):
            return
        taken, self.sample = self.sample, None
        found = taken.finish(self.model)
        if found is None:
            return
        if all(math.isfinite(norm) for norm in found["weight"] if norm is not None):
            self.kept = taken
        self.samples = [*self.samples, found]
        self._log({n: found[n] for n in NORMS}, self.layers, found["step"])

    def _measure_activations(self, epoch):
        self.probe = self.probe or Activations(self.model)
        found = self.probe(self.data)
        self.outputs = list(self.probe.names)
        row = {name: found[name].tolist() for name in ("mean", "std")}
        row["dead"] = listed(found["dead"], found["dead"] != NOT_ASKED)
        rows = {f"activation_{kind}": values for kind, values in row.items()}
        self._log(rows, self.outputs, self.begun)
        self.activations = [
            *self.activations,
            {"epoch": epoch, "step": self.begun, **row},
        ]

    def _log(self, rows, names, step):
        if self.file is None:
            return
        for kind, values in rows.items():
            for name, value in zip(names, values, strict=True):
                self.file.scalar(f"{kind}/{name}", step, value)

    def _look_for_trouble(self):
        batch, model = min(self.bad), self.model
        inputs, samples, layer, step = self.data, [], None, None
        if self.inputs is not None:
            inputs = self.bad_inputs = self.inputs(self.epoch, batch)
            samples = bad_samples(inputs)
        weights = bad_weights(model.weights)
        if inputs is not None and self.kept is not None:
            put_back = self.kept.exchange()
            layer = first_bad_layer(Activations(model), inputs)
            put_back()
            if layer or self.inputs is not None:
                step = self.kept.place["step"]
        self.trouble = {
            "epoch": self.epoch,
            "batch": batch,
            "batches": self.execution,
            "samples": samples,
            "layer": layer,
            "step": step,
            "weights": weights,
        }

    def findings(self):
        """Say what is wrong, the most serious first.

        Returns:
            List of sentences, empty where nothing was found.

        Example:

        >>> TrainingMonitor().findings()
        []
        """
        return training_findings.find(vars(self), self.limits)

    def plot(self, path=None):
        """Draw the norms, update ratios and activations of all layers.

        Args:
            path: File to write, such as `"training.png"`; its ending tells the
                format. `None` writes none.

        Returns:
            `matplotlib.figure.Figure`.

        Example:

        >>> len(TrainingMonitor().plot().axes)
        6
        """
        return training_pictures.draw(vars(self), path)

    def get_state(self):
        """Give what an interrupted run must remember, ready for JSON.

        Returns:
            Dictionary.

        Example:

        >>> TrainingMonitor().get_state()
        {'begun': 0, 'done': 0, 'samples': [], 'activations': [], 'trouble': None}
        """
        self._finish_sample(self.done)  # it may not have come to its own next batch
        return {name: getattr(self, name) for name in STATE}

    def set_state(self, state):
        """Take over what `get_state` gave.

        Args:
            state: The dictionary.

        Example:

        >>> monitor = TrainingMonitor()
        >>> monitor.set_state(monitor.get_state())
        """
        for name in STATE:
            setattr(self, name, copy.deepcopy(state[name]))
        if self.sample is not None:
            # begun before the weights that the state belongs to were back
            place = self.sample.place
            self.sample = StepSample(self.model, self.hook, place, self.steps)

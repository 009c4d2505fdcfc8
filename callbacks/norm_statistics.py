"""The statistics of batch norms, exact for the weights as they are."""

import contextlib
import functools
import inspect

import keras
import numpy as np
from keras import ops

from . import batches as batches_


def recompute_statistics(model, data, batches=None, *, batch_size=32):
    """Give batch norms the exact statistics of the data, for the weights they have.

    The running averages of a training lag behind its weights, and know nothing of
    weights that were averaged or changed afterwards. This computes what they stand
    for, as the paper does it:

        mean = average over batches of mean_B
        variance = m / (m - 1) * average over batches of variance_B

    with batches of m values a channel. Smaller batches count for less: means are
    weighted by m and unbiased variances by m - 1, which is the same where all are
    equal. Take batches of the size used in training.

    Batch norms run as in training, each on the statistics of its batch; all other
    layers as at inference, so that dropout changes no variance. Batch norms that do
    not follow the batch in training stay as they are: frozen ones
    (`trainable=False`), and those that a model's `call` runs with `training=False`.
    Nothing else changes, random generators included, and nothing at all if it is
    interrupted.

    Args:
        model: A built model or layer.
        data: Training data: an array, a tuple `(x, y)`, a list or dictionary of
            arrays for several inputs; or what gives batches: a `tf.data.Dataset`, a
            `PyDataset`, a `DataLoader`, a generator, or a function without arguments
            that makes one of these. Targets are ignored, and arrays are shuffled.
        batches: Number of batches to read; `None` for all.
        batch_size: Samples of a batch where the data are arrays.

    Returns:
        Number of batches read.

    Raises:
        TypeError: If `data` is nothing that gives batches.
        ValueError: If the model has no batch norm that follows the batch, if the data
            have no end and `batches` is `None`, if there are none, or if every batch
            has a single value a channel.

    Example:

    >>> norm = keras.layers.BatchNormalization()
    >>> model = keras.Sequential([keras.Input((1,)), norm])
    >>> recompute_statistics(model, np.array([[1.0], [3.0], [8.0]]))
    1
    >>> round(float(ops.convert_to_numpy(norm.moving_variance)[0]), 3)
    13.0

    Reference:
        Ioffe and Szegedy, 2015, https://arxiv.org/abs/1502.03167;
        Wu and Johnson, 2021, https://arxiv.org/abs/2105.07576
    """
    batches_.check(data, batches, "recompute_statistics")
    require_norms(model, "recompute_statistics")
    count, live = recompute(model, data, batches, batch_size)
    if not live:
        raise ValueError(
            "recompute_statistics found that the model calls every batch norm with "
            "training=False: their statistics do not follow the data, and stay."
        )
    return count


def norms_in(model):
    """Give the batch norms in a model that are not frozen, however deep.

    Args:
        model: Model or layer.

    Returns:
        List of layers.

    Example:

    >>> norm = keras.layers.BatchNormalization()
    >>> inner = keras.Sequential([keras.Input((3,)), norm])
    >>> norms_in(keras.Sequential([inner])) == [norm]
    True
    """
    from ..layers.monte_carlo import _layers_in

    return [
        part
        for part in _layers_in(model)
        if isinstance(part, keras.layers.BatchNormalization) and part.trainable
    ]


def require_norms(model, asker):
    """Refuse a model without any batch norm to compute statistics for.

    Args:
        model: Model or layer.
        asker: Name of who asks, for the message.

    Raises:
        ValueError: If there is none.

    Example:

    >>> require_norms(keras.Sequential(), "PreciseBatchNorm")
    Traceback (most recent call last):
    ValueError: PreciseBatchNorm found no batch normalisation in the model ...
    """
    if not norms_in(model):
        raise ValueError(
            f"{asker} found no batch normalisation in the model that is not frozen: "
            "there are no statistics to compute. Leave it out, or set trainable = "
            "True on the norms."
        )


def recompute(model, data, batches=None, batch_size=32, sums=None):
    """Do what `recompute_statistics` does, on arguments that were checked.

    Args:
        model: Built model.
        data: See `recompute_statistics`.
        batches: See there.
        batch_size: See there.
        sums: What `sums_of` gave, to compile once for several passes.

    Returns:
        Number of batches read, and the list of norms with new statistics.

    Example:

    >>> norm = keras.layers.BatchNormalization()
    >>> model = keras.Sequential([keras.Input((1,)), norm])
    >>> recompute(model, np.array([[1.0], [3.0]])) == (1, [norm])
    True
    """
    sums = sums or _Sums(model)
    total, count = 0.0, 0
    asker = "recompute_statistics"
    for inputs in batches_.inputs_of(data, asker, batches, batch_size):
        total = total + np.asarray(sums.of(inputs), "float64")
        count += 1
        if not sums.recorder.live:
            return count, []
    if not count:
        raise ValueError(
            "the data to compute batch norm statistics from gave no batch: a "
            "generator can be read only once, pass a function that makes one."
        )
    found = sums.recorder.statistics(total)
    for norm, mean, variance in found:
        _assign(norm, mean, variance)
    return count, [norm for norm, *_ in found]


def sums_of(model, before=None):
    """Give what turns batches into sums, compiled for a model as it is.

    Args:
        model: Built model.
        before: What this gave before, or `None`; given back where it still fits.

    Example:

    >>> norm = keras.layers.BatchNormalization()
    >>> model = keras.Sequential([keras.Input((1,)), norm])
    >>> sums = sums_of(model)
    >>> sums_of(model, sums) is sums
    True
    """
    fits = before is not None and before.recorder.norms == norms_in(model)
    return before if fits else _Sums(model)


class _Sums(keras.Model):
    """Turns a batch into the sums that the statistics of its norms are made of.

    A model, so that its prediction is compiled as any other.
    """

    def __init__(self, model):
        super().__init__(name="sums", autocast=False)
        self.model = model
        self.recorder = _Recorder(norms_in(model))
        self.run_eagerly = bool(getattr(model, "run_eagerly", False))
        self.jit_compile = keras.backend.backend() == "jax" and not self.run_eagerly
        self.built = True

    def of(self, inputs):
        """Give the sums of a batch."""
        try:
            return self.predict_on_batch(inputs)
        except Exception:
            if self.run_eagerly:
                raise
        # what no compiled step hands out, such as the sums in a loop over time
        self.run_eagerly, self.jit_compile = True, False
        self.predict_function = self.recorder.live = None
        return self.predict_on_batch(inputs)

    def call(self, inputs):
        recorder = self.recorder
        if recorder.live is None:
            live = []
            accepts = inspect.signature(self.model.call).parameters
            training = {"training": True} if "training" in accepts else {}
            with self._scope(), recorder.instead(recorder.note, live):
                self.model(inputs, **training)
            recorder.live = [norm for norm in recorder.norms if norm in live]
        sums = {}
        with self._scope(), recorder.instead(recorder.add, sums):
            self.model(inputs, training=False)
        return recorder.flat(sums)

    def _scope(self):
        """Give a scope that forgets whatever the model writes."""
        values = [(v, ops.convert_to_tensor(v)) for v in self.model.variables]
        return keras.StatelessScope(values, collect_losses=True)


class _Recorder:
    """Listens to the calls of batch norms."""

    def __init__(self, norms):
        self.norms = norms
        self.live: list | None = None

    @contextlib.contextmanager
    def instead(self, listen, notes):
        """Let a function stand in for the call of every norm.

        Their `call` itself: wrappers such as TimeDistributed go there directly.
        """
        before = [vars(norm).get("call") for norm in self.norms]
        try:
            for norm in self.norms:
                vars(norm)["call"] = functools.partial(listen, notes, norm, norm.call)
            yield
        finally:
            for norm, old in zip(self.norms, before, strict=True):
                vars(norm).pop("call", None)
                if old is not None:
                    vars(norm)["call"] = old

    def note(self, live, norm, call, inputs, training=None, mask=None, **others):
        """Note whether this norm follows the batch in training."""
        if training and norm.trainable:
            live.append(norm)
        return call(inputs, training=training, mask=mask, **others)

    def add(self, sums, norm, call, inputs, training=None, mask=None, **others):
        """Run a norm on the statistics of its batch, and keep these."""
        if norm not in (self.live or ()) or not norm.trainable:
            return call(inputs, training=training, mask=mask, **others)
        with _plain(norm):
            outputs = call(inputs, training=True, mask=mask, **others)
        found = _batch_sums(norm, inputs, mask)
        before = sums.get(id(norm), [0.0] * len(found))
        sums[id(norm)] = [old + new for old, new in zip(before, found, strict=True)]
        return outputs

    def flat(self, sums):
        """Give all sums in one row: one transfer a batch."""
        rows = []
        for norm in self.live or []:
            silent = [ops.zeros(norm.moving_mean.shape)] * 4
            rows += sums.get(id(norm), silent)
        return ops.concatenate(rows) if rows else ops.zeros((0,))

    def statistics(self, total):
        """Give each norm that was called, its mean and its variance."""
        found, start = [], 0
        for norm in self.live or []:
            size = norm.moving_mean.shape[0]
            sums = total[start : start + 4 * size].reshape(4, size)
            start += 4 * size
            number, calls, weighted, squares = sums
            if not number.any():
                continue
            if (number <= calls).any():
                raise ValueError(
                    f"every batch gave {norm.name} a single value a channel, and the "
                    "variance of one value is unknown: take larger batches."
                )
            found.append((norm, weighted / number, squares / (number - calls)))
        return found


@contextlib.contextmanager
def _plain(norm):
    """Let a norm leave nothing but the statistics of its batch."""
    settings = {"momentum": 0.0, "renorm": False, "synchronized": False}
    if hasattr(norm, "unbiased"):
        settings["unbiased"] = True
    before = {name: getattr(norm, name) for name in settings}
    try:
        for name, value in settings.items():
            setattr(norm, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(norm, name, value)


def _batch_sums(norm, inputs, mask):
    """Give number of values, 1, sum, and sum of squared deviations, a channel."""
    mean = ops.convert_to_tensor(norm.moving_mean)
    variance = ops.convert_to_tensor(norm.moving_variance)
    shape = ops.shape(inputs)
    if mask is None:
        number = ops.cast(ops.size(inputs), mean.dtype) / shape[norm.axis]
        number = number * ops.ones_like(mean)
    else:
        kept = ops.broadcast_to(ops.expand_dims(mask, -1), shape)
        axes = [axis for axis in range(len(shape)) if axis != norm.axis % len(shape)]
        number = ops.sum(ops.cast(kept, mean.dtype), axes)
    any_there = number > 0
    calls = ops.cast(any_there, mean.dtype)
    # ours gives unbiased variances, over its ghost batches; Keras' biased ones
    weight = number - calls if hasattr(norm, "unbiased") else number
    return [
        number,
        calls,
        ops.where(any_there, number * mean, 0.0),
        ops.where(any_there, weight * variance, 0.0),
    ]


def _assign(norm, mean, variance):
    deviation = np.sqrt(variance + norm.epsilon)
    values = {"moving_mean": mean, "moving_variance": variance}
    if norm.renorm:
        values.update(
            moving_stddev=deviation, renorm_mean=mean, renorm_stddev=deviation
        )
    for name, value in values.items():
        getattr(norm, name).assign(value)

"""Whether a network can learn ten examples by heart, as one without bugs can."""

import dataclasses
import math

import keras
import numpy as np
from keras import ops

from . import drawing
from . import label_kinds as kinds
from . import overfit_advice as advices
from .batches import first_batch, head
from .double_precision import undisturbed
from .drawing import BLUE, ORANGE
from .rebuilding import compile_alike, own_objects, rebuilt, rewritten


@dataclasses.dataclass(frozen=True)
class OverfitResult:
    """How the training on a few examples went.

    Attributes:
        passed: Whether the loss came down to `target`, every answer of a classifier
            was right, and no output depends on other examples of its batch.
        first_loss: Loss before the first step.
        last_loss: Loss of the last step.
        target: The loss to be reached.
        accuracy: Share of right answers at the end, `None` if it is no classifier.
        steps: Number of steps done.
        curve: Tuple of the loss of each step; of one where none could be done.
        advice: Tuple of sentences that say what is wrong; empty if it passed.

    Example:

    >>> result = OverfitResult(True, 2.3, 0.1, 0.12, 1.0, 3, (2.3, 1.0, 0.1), ())
    >>> print(result)
    passed: loss 2.3 -> 0.1 (to be reached: 0.12), accuracy 100 %, after 3 steps
    """

    passed: bool
    first_loss: float
    last_loss: float
    target: float
    accuracy: float | None
    steps: int
    curve: tuple
    advice: tuple

    def __str__(self):
        right = "" if self.accuracy is None else f", accuracy {self.accuracy:.0%}"
        line = (
            f"{'passed' if self.passed else 'failed'}: loss {self.first_loss:.4g} -> "
            f"{self.last_loss:.4g} (to be reached: {self.target:.4g})"
            f"{right.replace('%', ' %')}, after {self.steps} steps"
        )
        return "\n".join([line, *(f"- {one}" for one in self.advice)])

    def plot(self, path=None):
        """Draw the loss of each step beside the one to be reached.

        Args:
            path: Where to write the picture; nowhere if `None`.

        Returns:
            `matplotlib.figure.Figure`.
        """
        with drawing.figure((6, 3.2), path) as figure:
            axes = figure.subplots()
            steps = range(1, len(self.curve) + 1)
            axes.plot(steps, self.curve, color=BLUE, label="loss")
            axes.axhline(self.target, color=ORANGE, ls="--", label="to be reached")
            finite = [loss for loss in self.curve if math.isfinite(loss)]
            if finite and min(finite) > 0 and self.target > 0:
                drawing.logarithmic(axes)
            axes.set_xlabel("step")
            axes.set_title("passed" if self.passed else "failed", loc="left")
            axes.legend()
        return figure


def overfit_small_batch(model, data, *, examples=10, steps=500, share=0.05):
    """Train a copy of a model on a few examples, which it must learn by heart.

    A network that cannot has a bug, and finding it takes seconds now and hours later.
    The copy has the model's weights, loss and optimizer settings, but neither dropout
    nor regularisation (weight decay included). It passes when the loss has come down
    to `share` of where it began (or of what the best constant answer of a classifier
    would cost, if that is more), a classifier answers all examples rightly, and the
    output for an example does not depend on the others. Of the model itself nothing
    changes: no weight, no state of the optimizer, no seed.

    Args:
        model: A compiled model whose config tells all there is to build it. It is
            built by the data if it is not yet.
        data: Tuple `(x, y)` or `(x, y, sample_weight)`, or batches of these.
        examples: Number of examples to learn, the first ones.
        steps: Most steps to take; it stops when it has passed.
        share: Share of the loss that may be left, in (0, 1). With smoothed labels or a
            loss that cannot reach 0, allow more.

    Returns:
        `OverfitResult`; `str` of it says how it went and what to look at.

    Raises:
        ValueError: If the model is not compiled, an argument is out of range, or the
            model cannot be built once more by its config.
        TypeError: If the model is no Keras model, or the data has another form.

    Example:

    >>> keras.utils.set_random_seed(1)
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    >>> model.compile(keras.optimizers.SGD(0.1), "mse")
    >>> x = np.eye(4, dtype="float32")
    >>> result = overfit_small_batch(model, (x, x @ [[1.0], [2.0], [-1.0], [0.5]]))
    >>> result.passed, result.steps < 100
    (True, True)

    Reference:
        Karpathy, 2019, A Recipe for Training Neural Networks,
        https://karpathy.github.io/2019/04/25/recipe/
    """
    _check(model, examples, steps, share)
    x, y, weight = (
        head(part, examples) for part in first_batch(data, "overfit_small_batch")
    )
    if not model.built:
        model(_tensors(x), training=False)
    with undisturbed():
        copy = _copy_of(model, x)
        kind = kinds.kind_of_labels(y, _outputs(copy, x), model.loss)
        before, linear = _weights(copy), _is_linear(copy, x)
        least = kinds.constant_loss(y, kind, model.loss)
        curve, target, done = _train(copy, (x, y, weight), kind, (steps, share, least))
        outputs = _outputs(copy, x)
        accuracy = kinds.accuracy(y, outputs, kind)
        facts = advices.Facts(
            labels=y,
            kind=kind,
            outputs=outputs,
            linear=linear,
            inputs=x,
            loss=model.loss,
            **_seen(copy, x, before),
        )
    passed = _is_reached(curve, target) and accuracy in (None, 1.0)
    passed = passed and not advices.is_mixed(facts)
    advice = [] if passed else advices.advise(curve, facts)
    return OverfitResult(
        passed=passed,
        first_loss=curve[0],
        last_loss=curve[-1],
        target=target,
        accuracy=accuracy,
        steps=done,
        curve=tuple(curve),
        advice=tuple(advice),
    )


def _check(model, examples, steps, share):
    if not isinstance(model, keras.Model):
        raise TypeError(
            "overfit_small_batch needs a model of Keras, received "
            f"{type(model).__name__}."
        )
    if not model.compiled:
        raise ValueError(
            f"overfit_small_batch needs {model.name!r} to be compiled: its optimizer "
            "and its loss are what is tried."
        )
    if examples < 1 or steps < 1 or not 0 < share < 1:
        raise ValueError(
            "overfit_small_batch needs examples >= 1, steps >= 1 and a share in (0, 1),"
            f" received examples={examples}, steps={steps}, share={share}."
        )


def _copy_of(model, x):
    copy = rebuilt(
        model,
        lambda layer: layer(_tensors(x), training=False),
        without=("dropout", "regularization"),
    )
    compile_alike(
        model,
        copy,
        optimizer=_optimizer_like(model.optimizer),
        loss=model.loss,
        run_eagerly=model.run_eagerly,
        jit_compile=model.jit_compile,
    )
    return copy


def _optimizer_like(optimizer):
    """Give a new optimizer of the same settings, without weight decay."""

    def change(owner, key, value):
        if key == "weight_decay" and value is not None:
            return 0.0  # AdamW takes no None
        return None if key == "gradient_accumulation_steps" else value

    config = rewritten(keras.saving.serialize_keras_object(optimizer), change)
    with keras.saving.CustomObjectScope(own_objects(optimizer)):
        return keras.saving.deserialize_keras_object(config)


def _train(copy, batch, kind, limits):
    """Take steps until the loss is low enough and all answers are right."""
    steps, share, least = limits
    curve, target = [], math.inf
    while len(curve) < steps:
        loss = _step(copy, batch)
        if loss is None:  # nothing can be learned
            curve = [_loss(copy, *batch)]
            return curve, share * max(curve[0], least), 0
        curve.append(loss)
        if len(curve) == 1:
            target = share * max(curve[0], least)
        if not math.isfinite(curve[-1]):
            break
        if _is_reached(curve, target) and kinds.accuracy(
            batch[1], _outputs(copy, batch[0]), kind
        ) in (None, 1.0):
            break
    return curve, target, len(curve)


def _step(copy, batch):
    """Take a step and give the loss before it, `None` if no gradient comes anywhere."""
    if not copy.trainable_variables:
        return None
    copy.reset_metrics()
    try:
        return float(copy.train_on_batch(*batch, return_dict=True)["loss"])
    except (ValueError, RuntimeError) as error:
        # what TensorFlow's optimizer and PyTorch's backward say then
        if "No gradients" in str(error) or "does not require grad" in str(error):
            return None
        raise


def _loss(copy, x, *rest):
    y, weight = (_tensors(part) for part in rest)
    outputs = copy(_tensors(x), training=True)
    loss = copy.compute_loss(x=x, y=y, y_pred=outputs, sample_weight=weight)
    return float(ops.convert_to_numpy(ops.stop_gradient(loss)))


def _is_reached(curve, target):
    return 0 <= curve[-1] <= target


def _outputs(copy, x, training=True):
    """Give the outputs; as in training they are by the statistics of these examples."""
    outputs = copy(_tensors(x), training=training)
    if not hasattr(outputs, "shape"):
        return None  # several outputs
    return ops.convert_to_numpy(ops.cast(outputs, "float32"))


def _seen(copy, x, before):
    """Give the facts that the trained copy tells by itself."""
    paths = [weight.path for weight in copy.trainable_variables]
    among, alone = _of_the_first(copy, x)
    return {
        "again": _outputs(copy, x),
        "among": among,
        "alone": alone,
        "weights": tuple(paths),
        "unmoved": tuple(_unmoved(paths, before, _weights(copy))),
        "frozen": tuple(_frozen(copy)),
    }


def _of_the_first(copy, x):
    """Give the output for the first example among the others and among copies of it."""
    copies = keras.tree.map_structure(lambda part: np.repeat(part[:1], len(part), 0), x)
    among, alone = (_outputs(copy, part, training=False) for part in (x, copies))
    if among is None or alone is None:
        return None, None
    return among[0], alone[0]


def _is_linear(copy, x):
    if not all(
        np.issubdtype(part.dtype, np.floating) for part in keras.tree.flatten(x)
    ):
        return False
    halfway = keras.tree.map_structure(lambda part: (part + part[::-1]) / 2, x)
    found = [_outputs(copy, part, training=False) for part in (x, halfway)]
    return found[0] is not None and advices.is_linear(*found)


def _tensors(x):
    if x is None:
        return None
    return keras.tree.map_structure(ops.convert_to_tensor, x)


def _weights(copy):
    return [np.array(ops.convert_to_numpy(w)) for w in copy.trainable_variables]


def _unmoved(paths, before, after):
    pairs = zip(paths, before, after, strict=True)
    return [path for path, old, new in pairs if np.array_equal(old, new)]


def _frozen(layer):
    """Name the layers inside whose weights may not be trained."""
    parts = getattr(layer, "layers", [])
    found = [one.name for one in parts if one.weights and not one.trainable]
    inner = [name for one in parts if one.trainable for name in _frozen(one)]
    return found + inner

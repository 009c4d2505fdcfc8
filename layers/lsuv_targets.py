"""Which layers `lsuv` initialises, and how a model runs while it does."""

import contextlib
import dataclasses
import functools

import keras
import numpy as np
from keras import ops

from .connection_table import ConnectionTableConv2D
from .kernels import parts_of, survey


@dataclasses.dataclass(frozen=True)
class Target:
    """A layer to initialise, and the wrapper round it whose outputs are measured.

    Example:

    >>> layer = keras.layers.Dense(3)
    >>> layer.build((None, 4))
    >>> targets_of(layer)[0][0].host is layer
    True
    """

    path: str
    layer: keras.layers.Layer
    host: keras.layers.Layer
    kernels: tuple

    @property
    def variables(self):
        return [kernel.variable for kernel in self.kernels] or [self.layer.kernel]


def targets_of(model):
    """Give what to initialise, and pairs of path and reason of what is left alone.

    Raises:
        ValueError: If the model is not built, or has nothing to initialise.

    Example:

    >>> layer = keras.layers.SeparableConv1D(3, 2)
    >>> layer.build((None, 9, 4))
    >>> targets, left_alone = targets_of(layer)
    >>> [len(target.kernels) for target in targets], left_alone
    ([2], [])
    """
    parts = parts_of(model)
    kernels, unknown = survey(model)
    hosts = _hosts(parts)
    loops = [path for path, part in parts if isinstance(part, keras.layers.RNN)]
    reasons = {id(part): reason for _, part, reason in unknown}
    targets, left_alone = [], []
    for path, part in parts:
        own = tuple(kernel for kernel in kernels if kernel.owner is part)
        reason = _why_not(path, own, loops, reasons.get(id(part)))
        if isinstance(part, ConnectionTableConv2D):
            reason = None  # has no axes to make orthonormal, but can be scaled
        elif not own and reason is None:
            continue
        if reason is None:
            targets.append(
                Target(path or part.name, part, hosts.get(id(part), part), own)
            )
        else:
            left_alone.append((path or part.name, reason))
    if not targets:
        raise ValueError(
            f"lsuv found nothing to initialise in {type(model).__name__} "
            f"{model.name!r}: it is for models with Dense, EinsumDense or "
            f"convolutions.{''.join(f' {p}: {reason}.' for p, reason in left_alone)}"
        )
    return targets, left_alone


def _why_not(path, own, loops, reason):
    """Say why a layer is not initialised, `None` if it is or has no kernel."""
    if reason is not None or not own:
        return reason
    if any(kernel.attribute == "embeddings" for kernel in own):
        return "its outputs are rows of a table, not sums of products"
    if any(path.startswith(f"{loop}." if loop else "") for loop in loops):
        return "it works inside the loop of a recurrent layer"
    return None


def _hosts(parts):
    """Map layers inside wrappers to the outermost wrapper.

    A wrapper may call its layer once a time step, or with other weights than it holds.
    """
    hosts = {}
    for _, part in parts:
        inner = part
        while isinstance(inner, keras.layers.Wrapper):
            inner = inner.layer
        hosts.setdefault(id(inner), part)
    return hosts


def run_with(model, batch, targets, action):
    """Run the model; at the first call of each target do something to it.

    The layers before a target have been done by then, whatever the model looks like.

    Args:
        model: A built model or layer.
        batch: Its inputs.
        targets: What `targets_of` gave.
        action: Called with a target and a function that computes the variance of its
            outputs before the activation, with the weights of that moment.

    Returns:
        Dictionary from the paths of targets, in the order in which they were called,
        to what the action returned.

    Example:

    >>> layer = keras.layers.Dense(2, kernel_initializer="ones")
    >>> layer.build((None, 1))
    >>> targets, _ = targets_of(layer)
    >>> batch = np.array([[-2.0], [2.0]])
    >>> run_with(layer, batch, targets, lambda target, variance: variance())
    {'dense...': 4.0}
    """
    results = {}
    with contextlib.ExitStack() as hooks:
        for target in targets:
            hooks.enter_context(_hook(target, action, results))
        model(batch, training=False)
    return results


@contextlib.contextmanager
def _hook(target, action, results):
    call = target.host.call

    @functools.wraps(call)
    def hooked(*args, **keywords):
        if target.path not in results:

            def variance_of_outputs():
                with _without_activation(target.layer):
                    return _variance(call(*args, **keywords))

            results[target.path] = action(target, variance_of_outputs)
        return call(*args, **keywords)

    target.host.call = hooked
    try:
        yield
    finally:
        del target.host.call


@contextlib.contextmanager
def _without_activation(layer):
    if not hasattr(layer, "activation"):
        yield
        return
    activation = layer.activation
    layer.activation = keras.activations.linear
    try:
        yield
    finally:
        layer.activation = activation


def _variance(outputs):
    values = [
        np.ravel(ops.convert_to_numpy(output)).astype("float64")
        for output in keras.tree.flatten(outputs)
    ]
    return float(np.var(np.concatenate(values)))

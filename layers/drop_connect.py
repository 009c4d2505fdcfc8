"""Dropout of weights instead of units."""

import math
import statistics

import keras
import numpy as np
from keras import ops

from . import affine, native
from .rates import add_rate, check_rate, rate_of

INFERENCES = ("gaussian", "mean")

# kernels up to this size are masked for all examples at once, larger ones in a loop
SMALL = 16384


@keras.saving.register_keras_serializable("kerasmith")
class DropConnect(affine.AffineWrapper):
    """Drop weights of a layer at random during training, other ones for each example.

    Training computes `z = (M * W) v + b` with `M ~ Bernoulli(1 - rate)` for each weight
    and each example. As in the paper the weights that are left are not scaled up; the
    bias is never dropped.

    Inference accounts for the mean and the variance of `z` over all masks: with
    `p = 1 - rate`, `z ~ N(p W v + b, p (1 - p) (W * W)(v * v))`, samples of it go
    through the activation, and the results are averaged. `inference="mean"` puts the
    mean alone through the activation, which is exact without one, and half the work.

    Masks are not kept for the backward pass but drawn again. Large kernels, and all
    those of convolutions, are masked for one example after the other, so that memory
    holds about one more kernel, not one for each example.

    Args:
        layer: Dense, EinsumDense (whose equation keeps the batch first), Conv1D, Conv2D
            or Conv3D.
        rate: Probability that a weight is dropped, in [0, 1). It is held in the
            variable `layer.rate`: `layer.rate.assign(0.1)` acts inside an already
            compiled `fit`.
        inference: `"gaussian"` or `"mean"`.
        samples: Number of samples at inference, at least 1.
        per_example: Whether each example has a mask of its own. With `False` there is
            one for the batch, which is as fast as the layer alone but teaches less.
        seed: Integer seed of the masks and of the samples.

    The samples come from standard normal numbers that are drawn once, from the seed
    (from 0 if there is none), for each sample and unit, and serve every example and
    position. So predictions repeat, and do not depend on what else is in the batch.
    Each number has the normal distribution and those of different units are
    independent; the samples of one unit are spread evenly over it (a Latin hypercube).
    The default 32 samples leave an error of about a hundredth of the standard deviation
    of `z` for ReLU, for which independent draws would have to be thousands.

    Call arguments:
        inputs: What the layer takes, the batch first.
        training: Whether to drop weights.

    Returns:
        What the layer returns.

    Raises:
        ValueError: If `rate` is not in [0, 1), there are no samples, the inference is
            unknown, or the layer is of another kind.

    Example:

    >>> layer = DropConnect(keras.layers.Dense(3, activation="relu"), 0.5)
    >>> layer(np.ones((2, 4), "float32"), training=True).shape == (2, 3)
    True

    Reference:
        Wan et al., 2013, Regularization of Neural Networks using DropConnect.
    """

    def __init__(
        self,
        layer,
        rate=0.5,
        *,
        inference="gaussian",
        samples=32,
        per_example=True,
        seed=None,
        **kwargs,
    ):
        super().__init__(layer, **kwargs)
        check_rate("DropConnect", rate)
        _check(layer, inference, samples)
        self.inference = inference
        self.samples = samples
        self.per_example = per_example
        self.seed = seed
        self.rate = add_rate(self, rate)
        self.masks = keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        super().build(input_shape)
        self.normals = None
        if self._draws_samples():
            shape = _units(self.layer)
            normals = standard_normals(self.samples, math.prod(shape), self.seed or 0)
            self.normals = normals.reshape(self.samples, *shape)

    def call(self, inputs, training=False):
        kernel = ops.cast(ops.convert_to_tensor(self.layer.kernel), "float32")
        keep = 1 - ops.convert_to_tensor(self.rate)
        if not training:
            return self._infer(inputs, kernel, keep)
        if not self.per_example:
            drawn = keras.random.uniform(ops.shape(kernel), seed=self.masks)
            masked = ops.cast(ops.where(drawn < keep, kernel, 0.0), inputs.dtype)
            products = affine.product(self.layer, inputs, masked)
        elif _in_one(self.layer):
            products = self._mask_at_once(inputs, kernel, keep)
        else:
            products = self._mask_one_by_one(inputs, kernel, keep)
        return affine.outcome(self.layer, products)

    def _mask_at_once(self, inputs, kernel, keep):
        shape = (ops.shape(inputs)[0], *kernel.shape)
        kept = keras.random.uniform(shape, seed=self.masks) < keep
        masked = ops.cast(ops.where(kept, kernel, 0.0), inputs.dtype)
        return ops.einsum(_equation_by_example(self.layer), inputs, masked)

    def _mask_one_by_one(self, inputs, kernel, keep):
        keys = keras.random.randint(
            (ops.shape(inputs)[0], 2), 0, 2**31 - 1, seed=self.masks
        )

        def multiply(example, masked):
            return affine.product(self.layer, example, masked)

        backend = native.of("drop_connect")
        return backend.masked_products(multiply, inputs, kernel, keep, keys)

    def _infer(self, inputs, kernel, keep):
        layer = self.layer
        scaled = ops.cast(keep * kernel, inputs.dtype)
        means = affine.with_bias(layer, affine.product(layer, inputs, scaled))
        if not self._draws_samples():
            return means if layer.activation is None else layer.activation(means)
        means = ops.cast(means, "float32")
        squares = ops.square(ops.cast(inputs, "float32"))
        variances = affine.product(layer, squares, ops.square(kernel))
        # the least is there for the square root, which has no slope at 0
        variances = ops.maximum(keep * (1 - keep) * variances, 1e-30)
        deviations = ops.sqrt(variances)

        normals = ops.convert_to_tensor(self.normals)

        def add(position, total):
            normal = affine.beside(layer, normals[position])
            return total + layer.activation(means + normal * deviations)

        total = ops.fori_loop(0, self.samples, add, ops.zeros_like(means))
        return ops.cast(total / self.samples, inputs.dtype)

    def _draws_samples(self):
        """Tell whether samples are needed: without activation the mean is exact."""
        linear = self.layer.activation in (None, keras.activations.linear)
        return self.inference == "gaussian" and not linear

    def multiply_accumulates(self, input_shape, output_shape):
        """Count what inference multiplies: with samples a product for the variance."""
        products = 2 if self._draws_samples() else 1
        return products * affine.multiplications(self.layer, output_shape)

    def get_config(self):
        return {
            **super().get_config(),
            "rate": rate_of(self.rate),
            "inference": self.inference,
            "samples": self.samples,
            "per_example": self.per_example,
            "seed": self.seed,
        }


def standard_normals(samples, units, seed):
    """Draw standard normal numbers of which those of each unit are spread evenly.

    A Latin hypercube: of n samples of a unit one lies in each n-th of the distribution,
    in an order that is drawn for each unit.

    Args:
        samples: Number of samples.
        units: Number of units.
        seed: Integer seed.

    Returns:
        Array of shape `(samples, units)`, float32.

    Example:

    >>> drawn = standard_normals(100, 3, seed=0)
    >>> bool(np.all(np.abs(drawn.mean(axis=0)) < 0.01))
    True
    """
    generator = np.random.default_rng(seed)
    ranks = generator.random((samples, units)).argsort(axis=0)
    shares = (ranks + generator.random((samples, units))) / samples
    shares = np.clip(shares, 1e-12, 1 - 1e-12)
    quantile = np.vectorize(statistics.NormalDist().inv_cdf, otypes=["float32"])
    return quantile(shares)


def _check(layer, inference, samples):
    if inference not in INFERENCES:
        raise ValueError(
            f"DropConnect has the inferences {' and '.join(map(repr, INFERENCES))}, "
            f"received inference={inference!r}."
        )
    if not isinstance(samples, int) or samples < 1:
        raise ValueError(
            f"DropConnect needs a whole number of samples, at least 1, received "
            f"samples={samples!r}. For no samples at all take inference='mean'."
        )
    if isinstance(layer, keras.layers.EinsumDense):
        _equation_by_example(layer)


def _units(layer):
    """Give the shape of one value for each unit, to broadcast against outputs."""
    if not isinstance(layer, keras.layers.EinsumDense):
        return (int(layer.kernel.shape[-1]),)
    operands, results = layer.equation.replace(" ", "").split("->")
    labels = operands.split(",")[1]
    sizes = dict(zip(labels, layer.kernel.shape, strict=True))
    shape = [int(sizes.get(label, 1)) for label in results.replace("...", "")]
    while len(shape) > 1 and shape[0] == 1:
        del shape[0]
    return tuple(shape)


def _in_one(layer):
    """Tell whether a batch of masked kernels is small enough to be made at once."""
    if isinstance(layer, affine.CONVOLUTIONS):
        return False
    return math.prod(layer.kernel.shape) <= SMALL


def _equation_by_example(layer):
    """Give the layer's product as an einsum in which each example has its kernel."""
    if isinstance(layer, keras.layers.Dense):
        return "b...i,bij->b...j"
    operands, results = layer.equation.replace(" ", "").split("->")
    inputs, kernel = operands.split(",")
    if inputs.startswith("...") and results.startswith("..."):
        used = set(inputs + kernel)
        batch = next(letter for letter in "bBnNzZ" if letter not in used)
        return f"{batch}{inputs},{batch}{kernel}->{batch}{results}"
    batch = inputs[0]
    if batch in kernel or not results.startswith(batch):
        raise ValueError(
            "DropConnect needs an equation that keeps the batch first, such as "
            f"'abc,cd->abd', received {layer.equation!r}."
        )
    return f"{inputs},{batch}{kernel}->{results}"

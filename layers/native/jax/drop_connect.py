"""Products with a masked kernel for each example."""

import jax
import jax.numpy as jnp


def masked_products(multiply, inputs, kernel, keep, keys):
    """Multiply each example by the kernel with a mask of its own.

    Masks are drawn again in the backward pass, and one example follows the other.

    Args:
        multiply: Function of a batch of one example and a kernel that gives a product.
        inputs: Tensor of shape `(batch, ...)`.
        kernel: Tensor in float32; what is masked is cast to the dtype of the inputs.
        keep: Probability that a weight is kept, a scalar tensor.
        keys: Integers of shape `(batch, 2)` that seed the masks.

    Returns:
        The products, stacked.
    """

    @jax.checkpoint
    def one(pair):
        example, key = pair
        kept = jax.random.uniform(key, kernel.shape) < keep
        masked = jnp.where(kept, kernel, 0).astype(example.dtype)
        return multiply(example[None], masked)[0]

    return jax.lax.map(one, (inputs, keys.astype("uint32")))

"""Random masks, and what is computed with them, in few random bits and passes."""

import functools
import math

import jax
import jax.numpy as jnp


def survivors(shape, rate, seed):
    """Draw which elements survive.

    Args:
        shape: Shape of the mask.
        rate: Scalar array, the probability of an element not to survive. It counts
            to the nearest 2^-16 below: dither it before by less than 2^-16.
        seed: What a `keras.random.SeedGenerator` gives next.

    Returns:
        Boolean array, true with a probability of 1 - rate.

    Example:

    >>> bool(survivors((2, 3), 0.0, jnp.array([1, 2], "uint32")).all())
    True
    """
    level = jnp.minimum(rate * 65536, 65535).astype(jnp.uint16)
    return _random_bits(shape, seed) >= level


def keep(inputs, kept, scale):
    """Scale what is kept and set the rest to zero.

    Args:
        inputs: Array of floats.
        kept: Boolean array that broadcasts to the inputs.
        scale: Scalar.

    Returns:
        Array like the inputs.

    Example:

    >>> keep(jnp.array([1.0, 2.0]), jnp.array([True, False]), 2.0).tolist()
    [2.0, 0.0]
    """
    scale = jnp.asarray(scale, inputs.dtype)
    return jnp.where(kept, inputs * scale, jnp.zeros((), inputs.dtype))


def fraction(mask):
    """Tell which part of a mask is true.

    Args:
        mask: Boolean array.

    Returns:
        Scalar array in float32.

    Example:

    >>> float(fraction(jnp.array([True, False])))
    0.5
    """
    return jnp.mean(mask, dtype=jnp.float32)


def randomized_leaky_relu(inputs, lower, upper, seed):
    """Divide what is negative by a number drawn for each element.

    Args:
        inputs: Array of floats.
        lower: Least number to divide by, 1 or more.
        upper: Greatest.
        seed: What a `keras.random.SeedGenerator` gives next.

    Returns:
        Array like the inputs.

    Example:

    >>> x = jnp.array([1.0, -4.0])
    >>> randomized_leaky_relu(x, 2.0, 2.0, jnp.array([1, 2], "uint32")).tolist()
    [1.0, -2.0]
    """
    return _leaky(inputs, _random_bits(inputs.shape, seed), lower, upper)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _leaky(inputs, bits, lower, upper):
    return jnp.maximum(inputs, _divided(inputs, bits, lower, upper))


def _leaky_forward(inputs, bits, lower, upper):
    return _leaky(inputs, bits, lower, upper), (inputs, bits)


def _leaky_backward(lower, upper, kept, upstream):
    inputs, bits = kept
    return jnp.where(inputs > 0, upstream, _divided(upstream, bits, lower, upper)), None


_leaky.defvjp(_leaky_forward, _leaky_backward)


def _divided(tensor, bits, lower, upper):
    step = (upper - lower) / 65536
    divisor = bits.astype(jnp.float32) * step + (lower + step / 2)
    return tensor / divisor.astype(tensor.dtype)


def _random_bits(shape, seed):
    """Draw 16 bits for each element, half of what a random float takes.

    The generator is XLA's own, faster than the default one of JAX on a processor and
    on an accelerator. It counts up from its key, so that keys must not be neighbours:
    they are themselves drawn.
    """
    count = math.prod(shape)
    key = jax.random.bits(seed, (4,), jnp.uint32)
    _, words = jax.lax.rng_bit_generator(key, ((count + 1) // 2,), jnp.uint32)
    halves = jax.lax.bitcast_convert_type(words, jnp.uint16).reshape(-1)
    return halves[:count].reshape(shape)

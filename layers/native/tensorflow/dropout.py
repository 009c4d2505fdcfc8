"""Random masks, and what is computed with them, in few random bits and passes."""

import tensorflow as tf


def survivors(shape, rate, seed):
    """Draw which elements survive.

    Args:
        shape: Shape of the mask.
        rate: Scalar tensor, the probability of an element not to survive. It counts
            to the nearest 2^-16 below: dither it before by less than 2^-16.
        seed: What a `keras.random.SeedGenerator` gives next.

    Returns:
        Boolean tensor, true with a probability of 1 - rate.

    Example:

    >>> survivors((2, 3), tf.constant(0.0), tf.constant([1, 2])).numpy().all()
    np.True_
    """
    level = tf.cast(tf.minimum(rate * 65536, 65535), tf.uint16)
    return _random_bits(shape, seed) >= level


def keep(inputs, kept, scale):
    """Scale what is kept and set the rest to zero.

    Args:
        inputs: Tensor of floats.
        kept: Boolean tensor that broadcasts to the inputs. It is all that the
            gradient remembers.
        scale: Scalar tensor.

    Returns:
        Tensor like the inputs.

    Example:

    >>> keep(tf.constant([1.0, 2.0]), tf.constant([True, False]), 2.0).numpy()
    array([2., 0.], dtype=float32)
    """
    scale = tf.cast(scale, inputs.dtype)

    def scaled(tensor):
        return tf.where(kept, tensor * scale, tf.zeros([], tensor.dtype))

    @tf.custom_gradient
    def function(tensor):
        return scaled(tensor), scaled

    return function(inputs)


def fraction(mask):
    """Tell which part of a mask is true.

    Args:
        mask: Boolean tensor.

    Returns:
        Scalar tensor in float32.

    Example:

    >>> float(fraction(tf.constant([True, False])))
    0.5
    """
    if mask.shape[-1] is None or mask.shape[-1] % 8:
        return tf.reduce_mean(tf.cast(mask, tf.float32))
    # eight at a time: each is a byte of 0 or 1, so the bits to count are theirs
    words = tf.bitcast(tf.reshape(tf.cast(mask, tf.uint8), (-1, 8)), tf.uint64)
    counts = tf.raw_ops.PopulationCount(x=words)
    return tf.reduce_mean(tf.cast(counts, tf.float32)) / 8


def randomized_leaky_relu(inputs, lower, upper, seed):
    """Divide what is negative by a number drawn for each element.

    Args:
        inputs: Tensor of floats.
        lower: Least number to divide by, 1 or more.
        upper: Greatest.
        seed: What a `keras.random.SeedGenerator` gives next.

    Returns:
        Tensor like the inputs.

    Example:

    >>> x = tf.constant([1.0, -4.0])
    >>> randomized_leaky_relu(x, 2.0, 2.0, tf.constant([1, 2])).numpy()
    array([ 1., -2.], dtype=float32)
    """
    bits = _random_bits(tf.shape(inputs), seed)

    def divided(tensor):
        step = (upper - lower) / 65536
        divisor = tf.cast(bits, tf.float32) * step + (lower + step / 2)
        return tensor / tf.cast(divisor, tensor.dtype)

    @tf.custom_gradient
    def function(tensor):
        def gradient(upstream):
            return tf.where(tensor > 0, upstream, divided(upstream))

        return tf.maximum(tensor, divided(tensor)), gradient

    return function(inputs)


def _random_bits(shape, seed):
    """Draw 16 bits for each element, half of what a random float takes."""
    shape = tf.convert_to_tensor(shape)
    count = tf.reduce_prod(shape)
    words = tf.random.stateless_uniform(
        tf.reshape((count + 1) // 2, [1]),
        tf.cast(seed, tf.int32),
        minval=None,  # pyright: ignore[reportArgumentType]  all bits there are
        maxval=None,
        dtype=tf.uint32,
    )
    halves = tf.reshape(tf.bitcast(words, tf.uint16), [-1])
    return tf.reshape(halves[:count], shape)

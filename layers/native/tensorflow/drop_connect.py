"""Products with a masked kernel for each example."""

import tensorflow as tf


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

    def one(example, kernel, key):
        kept = tf.random.stateless_uniform(kernel.shape, key) < keep
        masked = tf.cast(tf.where(kept, kernel, 0.0), example.dtype)
        return multiply(example[None], masked)[0]

    @tf.custom_gradient
    def products(inputs, kernel):
        outputs = tf.map_fn(
            lambda pair: one(pair[0], kernel, pair[1]),
            (inputs, keys),
            fn_output_signature=inputs.dtype,
            parallel_iterations=1,
        )

        def gradient(upstream):
            return _gradient(one, inputs, kernel, keys, upstream)

        return outputs, gradient

    return products(inputs, kernel)


def _gradient(one, inputs, kernel, keys, upstream):
    count = tf.shape(inputs)[0]

    def step(position, by_kernel, by_inputs):
        example = inputs[position]
        with tf.GradientTape() as tape:
            tape.watch((example, kernel))
            output = one(example, kernel, keys[position])
        slopes = tape.gradient(output, (example, kernel), upstream[position])
        by_inputs = by_inputs.write(position, slopes[0])
        return position + 1, by_kernel + slopes[1], by_inputs

    by_inputs = tf.TensorArray(inputs.dtype, count, element_shape=inputs.shape[1:])
    start = (tf.constant(0), tf.zeros_like(kernel), by_inputs)
    _, by_kernel, by_inputs = tf.while_loop(
        lambda position, *_: position < count, step, start, parallel_iterations=1
    )
    return tf.reshape(by_inputs.stack(), tf.shape(inputs)), by_kernel

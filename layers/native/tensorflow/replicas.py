"""Copies of a model that are trained side by side by `tf.distribute`."""

import tensorflow as tf

__all__ = ["count", "summed"]


def count():
    """Count the replicas of the step that is being traced or run.

    Returns:
        Integer, 1 outside `tf.distribute`.
    """
    context = tf.distribute.get_replica_context()
    return context.num_replicas_in_sync if context is not None else 1


def summed(gradients):
    """Sum gradients over the replicas, and make them dense.

    That of an `Embedding` comes as rows, of which some may come twice.

    Args:
        gradients: List of tensors and `tf.IndexedSlices`.

    Returns:
        List of tensors.
    """
    if count() > 1:
        context = tf.distribute.get_replica_context()
        gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, list(gradients))
    return [tf.convert_to_tensor(gradient) for gradient in gradients]

"""Copies of a model that are trained side by side: Keras makes none on PyTorch."""

__all__ = ["count", "summed"]


def count():
    """Count the replicas.

    Returns:
        1.
    """
    return 1


def summed(gradients):
    """Give the gradients as they are.

    Args:
        gradients: List of tensors.

    Returns:
        List of the same tensors.
    """
    return list(gradients)

"""A scalar function of arrays, its gradient, and the precision to compare them in."""

import contextlib

import keras
import torch  # pyright: ignore[reportMissingImports]


def double_precision():
    """Let float64 be float64 within a `with`; here it always is.

    Example:

    >>> with double_precision():
    ...     torch.ones(1, dtype=torch.float64).dtype
    torch.float64
    """
    return contextlib.nullcontext()


def compiled(function):
    """Take a scalar function of a list of tensors, and its gradient.

    What the function draws from PyTorch's own generator it draws alike each time, and
    the generator is left as it was.

    Args:
        function: Takes a list of tensors and gives a scalar tensor.

    Returns:
        Two functions of a list of arrays: one gives the value as a float, the other a
        list of gradients, `None` where the function does not depend on an array.

    Example:

    >>> import numpy as np
    >>> value, gradients = compiled(lambda tensors: tensors[0] ** 2)
    >>> value([np.array(3.0)]), float(gradients([np.array(3.0)])[0])
    (9.0, 6.0)
    """
    device = keras.ops.convert_to_tensor(0.0).device

    def value(arrays):
        with torch.no_grad(), torch.random.fork_rng():
            return float(
                function([torch.as_tensor(array, device=device) for array in arrays])
            )

    def gradients(arrays):
        tensors = [
            torch.tensor(array, device=device, requires_grad=True) for array in arrays
        ]
        with torch.random.fork_rng():
            result = function(tensors)
        if not result.requires_grad:
            return [None] * len(tensors)
        found = torch.autograd.grad(result, tensors, allow_unused=True)
        return [None if one is None else one.cpu().numpy() for one in found]

    return value, gradients

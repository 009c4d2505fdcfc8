"""A scalar function of arrays, its gradient, and the precision to compare them in."""

import importlib

import jax
import numpy as np
from jax.extend.core import jaxpr_as_fun


def double_precision():
    """Let float64 be float64 within a `with`; outside JAX takes it for float32.

    Example:

    >>> with double_precision():
    ...     jax.numpy.asarray(np.ones(1)).dtype.name
    'float64'
    """
    # before version 0.8 JAX had it among its experiments, and since 0.10 no more
    homes = (jax, importlib.import_module("jax.experimental"))
    home = next(home for home in homes if hasattr(home, "enable_x64"))
    return home.enable_x64(True)


def compiled(function):
    """Compile a scalar function of a list of arrays, and its gradient.

    Args:
        function: Takes a list of arrays and gives a scalar array; what it draws at
            random must be drawn alike each time.

    Returns:
        Two functions of a list of arrays: one gives the value as a float, the other a
        list of gradients.

    Example:

    >>> value, gradients = compiled(lambda arrays: arrays[0] ** 2)
    >>> value([np.array(3.0)]), float(gradients([np.array(3.0)])[0])
    (9.0, 6.0)
    """
    made = []

    def both(arrays):
        if not made:
            # traced once for both: where each traces for itself JAX 0.10 takes, for a
            # model of several outputs, one program for the other
            traced = jaxpr_as_fun(jax.make_jaxpr(function)(arrays))

            def scalar(arrays):
                return traced(*arrays)[0]

            made.extend((jax.jit(scalar), jax.jit(jax.grad(scalar))))
        return made

    return (
        lambda arrays: float(both(arrays)[0](arrays)),
        lambda arrays: [np.asarray(one) for one in both(arrays)[1](arrays)],
    )

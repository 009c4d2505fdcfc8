"""Networks without numbers: to count and to compare them, nothing need be allocated."""

import concurrent.futures

import keras


def without_numbers(build):
    """Build models whose variables have shapes and no values.

    Args:
        build: Function without arguments that builds.

    Returns:
        What it returns.

    Example:

    >>> def build():
    ...     return keras.Sequential([keras.Input((9,)), keras.layers.Dense(10**6)])
    >>> without_numbers(build).count_params()
    10000000
    """
    policy = keras.config.dtype_policy()

    def run():
        keras.config.set_dtype_policy(policy)
        with keras.StatelessScope(initialize_variables=False):
            return build()

    # Keras keeps a list, one a thread, of the variables whose values it means to make
    # with the next model: it ends with the thread
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result()

"""Rows of constraints. They are no layers: `test_constraints.py` asks them."""

from kerasmith import layers

LAYERS = {}

# each takes kernels of shape (3, 5, 2, 7)
CONSTRAINTS = {
    "max_norm": lambda: layers.MaxNorm(0.7),
    "max_norm_of_shapes": lambda: layers.MaxNorm(
        2.5, {(3, 5, 2, 7): (0, 1, 3), (4, 7): (0,)}
    ),
    "unit_norm": lambda: layers.UnitNorm(axis=(0, 1)),
    "min_max_norm": lambda: layers.MinMaxNorm(0.5, 0.75, axis=-2),
    "min_max_norm_slow": lambda: layers.MinMaxNorm(1, 1.5, rate=0.25),
}

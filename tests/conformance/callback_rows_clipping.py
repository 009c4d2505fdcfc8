"""Rows of the callbacks that clip gradients.

One row alone: two that clip in one training are an error. Its other rules are asked in
`tests/test_callback_gradient_clipping.py`.
"""

from kerasmith import callbacks

CALLBACKS = {
    "gradient_clipping": lambda folder, **keywords: callbacks.GradientClipping(
        **{"by": "percentile", "threshold": 50, **keywords}
    ),
}

"""What attention holds in memory, measured in a process of its own."""

import sys

import pytest

from kerasmith.scripts.bench_attention import HEADS, peak_memory

LENGTH = 4096


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux forgets a peak")
def test_a_training_step_keeps_no_table_of_scores():
    table = HEADS * LENGTH**2 * 4 / 2**20
    assert table == 512
    # Keras' layer holds four such tables on TensorFlow
    assert peak_memory("kerasmith", LENGTH) < 0.8 * table

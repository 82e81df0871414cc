"""How many times as long as NumPy does fastbp take? Ratios, which hold on a machine that is busy or of another speed.

Each is the median, over rounds in which both have their turn, of our time over NumPy's: `fastbp/timing.py`. Less is
better, and a kernel that becomes 10 % slower makes the ratio of what it does 10 % larger. NumPy is the one written out
by hand in `sidebyside/numpy_loop.py`, and for single sums the lines of `three_sums.Vectorized`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from sidebyside import numpy_loop
from suite.common import NETS, limit_threads, missing_is_skipped, network, timing, workload
from suite.prediction import NETS as PREDICTED_NETS
from suite.sums import LAYERS
from suite.three_sums import SUMS

import fastbp

ROUNDS, TURN_S = 151, 0.003


def ratio(ours: Callable[[], Any], numpys: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """Return our time over NumPy's."""
    clock = timing()
    seconds = clock.interleaved_rounds({"ours": ours, "numpy": numpys}, rounds, TURN_S)
    return float(clock.median_of_ratios(seconds["ours"], seconds["numpy"]))

"""The time of a prediction, of one row and of many."""

from typing import Any

import numpy as np

import fastbp
from suite.common import FORMULATIONS, Sampled, limit_threads, missing_is_skipped

NETS = {"(10, 32, 32, 1)": [10, 32, 32, 1], "(784, 100, 10)": [784, 100, 10]}


class OneRow(Sampled):
    """`Network.predict` of a single row."""

    params = (FORMULATIONS, list(NETS))
    param_names = ("formulation", "net")
    rows = 1

    @missing_is_skipped
    def setup(self, formulation: Any, net: str, threads: int = 1) -> None:
        limit_threads(threads)
        self.net = fastbp.Network(NETS[net], seed=0, formulation=formulation)
        self.X = np.random.default_rng(0).random((self.rows, NETS[net][0]), dtype=np.float32)
        self.net.predict(self.X)

    def time_predict(self, *_: Any) -> None:
        self.net.predict(self.X)


class ManyRows(OneRow):
    """`Network.predict` of 2,000 rows."""

    params = (FORMULATIONS, list(NETS), [1, 2])
    param_names = ("formulation", "net", "threads")
    rows = 2_000

"""The time of fastbp as a multiple of NumPy's. Ratios hold also on a busy machine, or one of another speed.

Both take turns in every round (`fastbp/comparison/timing.py`), and the median over the rounds counts. Less is better:
if a kernel becomes 10 % slower, its ratio becomes 10 % larger. NumPy's code is `sidebyside/numpy_loop.py`, and for
single sums `three_sums.Vectorized`.
"""

import functools
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sidebyside import numpy_loop
from sidebyside.cases import PREDICT, Workload

from suite.common import NETS, fit, limit_threads, missing_is_skipped, network, optimizer, timing, workload
from suite.three_sums import LAYERS, SUMS

PROCESSES = 5


def medians(ours: Callable[[], Any], numpys: Callable[[], Any], rounds: int) -> tuple[float, float]:
    """Return the seconds of fastbp and of NumPy: medians over rounds in which both take turns."""
    seconds = timing().interleaved_rounds({"ours": ours, "numpy": numpys}, rounds, at_least_s=0.003)
    return statistics.median(seconds["ours"]), statistics.median(seconds["numpy"])


def in_fresh_processes(track: Callable[..., tuple[float, float]]) -> Callable[..., float]:
    """Decorate a method that returns `medians`: it returns the ratio of the shortest medians of five processes.

    Some speeds differ from process to process. Python's work between two array operations takes a few per cent more or
    less; BLAS took 1.6 times as long with unlucky memory addresses, loops 1.4 times as long beside a busy process. Such
    effects only make a process slower, so the fastest process is the one without them.
    """

    @functools.wraps(track)
    def ratio(self: Any, *parameters: Any) -> float:
        program = (
            "import sys; sys.path.insert(0, sys.argv[1]); import suite.against_numpy as module; "
            f"benchmark = module.{type(self).__name__}(); benchmark.setup(*{parameters!r}); "
            f"print(*type(benchmark).{track.__name__}.__wrapped__(benchmark))"
        )
        command = [sys.executable, "-c", program, str(Path(__file__).resolve().parent.parent)]
        runs = [subprocess.run(command, check=True, capture_output=True, text=True) for _ in range(PROCESSES)]
        return ratio_of_best([tuple(map(float, run.stdout.split())) for run in runs])

    return ratio


def ratio_of_best(runs: list[tuple[float, ...]]) -> float:
    """Return the shortest time of fastbp divided by the shortest of NumPy, of runs (fastbp, NumPy).

    >>> ratio_of_best([(1.5, 1.0), (1.0, 1.1), (1.1, 1.7)])
    1.0
    """
    return min(ours for ours, _ in runs) / min(numpys for _, numpys in runs)


class Sums:
    """One sum over one layer, float32."""

    params = (["loops", "tiles"], list(LAYERS))
    param_names = ("formulation", "layer")
    unit = "times NumPy's"

    @missing_is_skipped
    def setup(self, formulation: str, layer: str) -> None:
        limit_threads(1)
        self.ours, self.numpys = (SUMS[name](*LAYERS[layer], "float32") for name in (formulation, "vectorized"))

    @in_fresh_processes
    def track_forward(self, *_: str) -> tuple[float, float]:
        return medians(self.ours.forward, self.numpys.forward, rounds=51)

    @in_fresh_processes
    def track_propagate_error(self, *_: str) -> tuple[float, float]:
        return medians(self.ours.propagate_error, self.numpys.propagate_error, rounds=51)

    @in_fresh_processes
    def track_accumulate_gradient(self, *_: str) -> tuple[float, float]:
        return medians(self.ours.accumulate_gradient, self.numpys.accumulate_gradient, rounds=51)


class Epoch:
    """`Network.fit` for one epoch of 20 mini-batches, on one thread, from the same weights each time."""

    params = (["loops", "tiles"], list(NETS))
    param_names = ("formulation", "net")
    unit = "times NumPy's"

    @missing_is_skipped
    def setup(self, formulation: str, net: str) -> None:
        limit_threads(1)
        self.work = workload(net)
        self.net, self.start = network(self.work, formulation), self.work.parameters
        self.optimizer = optimizer(self.work.case)
        self.peer = numpy_loop.Peer(self.work, 1)
        self.ours()

    @in_fresh_processes
    def track_epoch(self, *_: str) -> tuple[float, float]:
        return medians(self.ours, self.numpys, rounds=7 if self.work.case.name == "large" else 61)

    def ours(self) -> None:
        self.net.parameters[:] = self.start
        fit(self.net, self.work, self.optimizer)

    def numpys(self) -> None:
        self.peer.restart()
        self.peer.train(1)


class OneRow:
    """`Network.predict` of a single row."""

    params = (["loops", "tiles"],)
    param_names = ("formulation",)
    unit = "times NumPy's"

    @missing_is_skipped
    def setup(self, formulation: str) -> None:
        limit_threads(1)
        work = Workload(PREDICT, seed=0)
        self.net, self.peer, self.x = network(work, formulation), numpy_loop.Peer(work, 1), work.X[0]
        self.net.predict(self.x[None])

    @in_fresh_processes
    def track_predict(self, *_: str) -> tuple[float, float]:
        rows = self.x[None]
        return medians(lambda: self.net.predict(rows), lambda: self.peer.predict(self.x), rounds=61)

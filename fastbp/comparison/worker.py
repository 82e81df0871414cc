"""The work of a measuring process."""

import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from fastbp.comparison import machine
from fastbp.comparison.cells import PYTHON, Cell, Task
from fastbp.comparison.timing import interleaved_rounds
from fastbp.compiler.code_cache import cache_folder
from fastbp.network.network import Network
from fastbp.optimizers import OPTIMIZERS

LEARNING_RATE = 1e-3  # small, so that no training diverges; the speed does not depend on it
# The largest difference between entries of gradients that counts as rounding, relative to the largest entry.
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}
# `textbook` in float64 is the reference up to this number of operations; beyond, `vectorized`, checked against it.
TEXTBOOK_FLOPS = 1e9
SHORT_EPOCH_S = 0.1
# Interpreted for each sample: their epochs are cut to about SHORT_EPOCH_S seconds, one step at least.
SHORT_EPOCHS = (PYTHON, "textbook")
# A cell leaves out a formulation whose call takes longer than TOO_SLOW_S, and TOO_SLOW times the fastest.
TOO_SLOW_S, TOO_SLOW = 1.0, 10
PAUSE_S = 0.04  # long enough for idle threads of BLAS and OpenMP to stop waiting busily


class Worker:
    """One method for each request."""

    def start(self, cores: list[int], **task: Any) -> dict[str, Any]:
        """Stay on these cores, if any are given; take the task that all cells share."""
        if cores:
            os.sched_setaffinity(0, cores)
        self.task = Task(**task)
        return {}

    def limits(self, dtypes: list[str], threads: int) -> dict[str, Any]:
        """Measure the peak of each dtype in GFLOP/s, and bytes a second for several working sets."""
        return {
            "peak_gflops": {dtype: machine.gflops(dtype, threads) for dtype in dtypes},
            "bandwidth_gbs": [[n, machine.bandwidth(n, threads)] for n in machine.working_sets()],
        }

    def check(self, cell: dict[str, Any], formulations: list[str]) -> dict[str, Any]:
        """Check that all give the same gradient; return the times of first and of later calls."""
        work = Workload(Cell.from_dict(cell), self.task)
        expected = work.reference()
        found: dict[str, Any] = {}
        for name in sorted(formulations, key=lambda name: name in SHORT_EPOCHS):
            if name == "textbook" and work.textbook_s > _longest(found):
                found[name] = {"left_out": f"a gradient takes about {work.textbook_s:.1f} s"}
            else:
                found[name] = work.first_calls(name, expected)
        longest = _longest(found)
        for facts in found.values():
            if "seconds" in facts and facts["seconds"]["gradient"] > longest:
                facts["left_out"] = f"a gradient takes about {facts['seconds']['gradient']:.1f} s"
        return {name: found[name] for name in formulations}

    def measure(self, cell: dict[str, Any], plan: dict[str, Any], rounds: int, at_least_s: float) -> dict[str, Any]:
        """Return the seconds a step of each work, formulation and round; `plan` has the steps of each one's epoch."""
        work = Workload(Cell.from_dict(cell), self.task)
        pause = PAUSE_S if work.cell.threads > 1 else 0.0
        gradients = {name: partial(work.gradient, name) for name in plan}
        epochs = {name: partial(work.epoch, name, steps) for name, steps in plan.items()}
        seconds = interleaved_rounds(epochs, rounds, at_least_s, own_clock=True, pause_s=pause)
        return {
            "gradient": interleaved_rounds(gradients, rounds, at_least_s, pause_s=pause),
            "epoch": {name: [s / plan[name] for s in epoch] for name, epoch in seconds.items()},
        }


class Workload:
    """A cell's net and data, which all formulations use in turn."""

    def __init__(self, cell: Cell, task: Task):
        self.cell = cell
        rng = np.random.default_rng(0)
        functions: dict[str, Any] = {"activation": task.activation, "cost": task.cost, "seed": 0}
        self.new_net: Callable[[str], Network] = lambda dtype: Network(cell.sizes, dtype=dtype, **functions)
        self.net = self.new_net(cell.dtype)
        self.theta = self.net.parameters.copy()
        self.optimizer = OPTIMIZERS[task.optimizer](LEARNING_RATE)
        n, n_out = cell.steps * cell.batch_size, cell.sizes[-1]
        self.X = rng.random((n, cell.sizes[0]), dtype=np.float32).astype(cell.dtype)
        classes = rng.integers(0, max(2, n_out), n)
        self.Y = (classes[:, None] == np.arange(n_out)).astype(cell.dtype)

    def _use(self, name: str) -> None:
        self.net.formulation = "loops" if name == PYTHON else name  # type: ignore[assignment]

    def gradient(self, name: str) -> Any:
        """Return the gradient of a mini-batch."""
        self._use(name)
        return self.net.gradient(self.X[: self.cell.batch_size], self.Y[: self.cell.batch_size]).vector

    def epoch(self, name: str, steps: int) -> float:
        """Train an epoch of `steps` steps and restore the parameters; return its seconds.

        They are those of `History`, without the checks and the allocations of a `fit`.
        """
        self._use(name)
        n = steps * self.cell.batch_size
        history = self.net.fit(
            self.X[:n], self.Y[:n], epochs=1, batch_size=self.cell.batch_size, optimizer=self.optimizer, progress=False
        )
        self.net.parameters = self.theta
        return history.seconds[0]

    def reference(self) -> Any:
        """Return the gradient of the mini-batch in float64."""
        exact, m = self.new_net("float64"), self.cell.batch_size
        exact.parameters, exact.formulation = self.theta, "textbook"
        n = max(1, min(m, int(TEXTBOOK_FLOPS * m / self.cell.flops)))
        start = time.perf_counter()
        expected = exact.gradient(self.X[:n], self.Y[:n]).vector
        self.textbook_s = (time.perf_counter() - start) * m / n
        if n == m:
            return expected
        exact.formulation = "vectorized"
        difference = relative_difference(exact.gradient(self.X[:n], self.Y[:n]).vector, expected)
        if not difference <= TOLERANCE["float64"]:
            raise ArithmeticError(f"vectorized gives another gradient than textbook, by {difference:.2g} of its size")
        return exact.gradient(self.X[:m], self.Y[:m]).vector

    def first_calls(self, name: str, expected: Any) -> dict[str, Any]:
        """Return this formulation's difference from the reference and its times. Raises if it differs too much."""
        n_files = files_in_cache()
        first, gradient = stopwatch(lambda: self.gradient(name))
        difference = relative_difference(gradient, expected)
        if not difference <= TOLERANCE[self.cell.dtype]:
            raise ArithmeticError(
                f"{name} gives another gradient than textbook in float64, for {self.cell}: entries differ by up to "
                f"{difference:.2g} of the largest one; rounding explains {TOLERANCE[self.cell.dtype]:g}"
            )
        gradient_s, _ = stopwatch(lambda: self.gradient(name))
        steps = self.cell.steps
        if name in SHORT_EPOCHS:
            steps = max(1, min(steps, int(SHORT_EPOCH_S / gradient_s)))
        first_fit, _ = stopwatch(lambda: self.epoch(name, steps))
        fit_s, epoch_s = stopwatch(lambda: self.epoch(name, steps))
        return {
            "difference": difference,
            "steps": steps,
            "seconds": {"gradient": gradient_s, "epoch": epoch_s},
            "compile_s": max(0.0, first - gradient_s) + max(0.0, first_fit - fit_s),
            "cold": files_in_cache() > n_files or cache_folder() is None,
        }


def _longest(found: dict[str, Any]) -> float:
    """Return the longest gradient that is still measured, in seconds, by the times found so far."""
    fastest = min((each["seconds"]["gradient"] for each in found.values() if "seconds" in each), default=0.0)
    return max(TOO_SLOW_S, TOO_SLOW * fastest)


def stopwatch(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds of a call, and its result."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def relative_difference(given: Any, expected: Any) -> float:
    """Return the largest difference of an entry, relative to the largest entry expected."""
    return float(np.abs(given - expected).max() / np.abs(expected).max())


def files_in_cache() -> int:
    """Return how many files of machine code the cache has."""
    folder = cache_folder()
    return 0 if folder is None else len(list(folder.glob("*.machinecode")))

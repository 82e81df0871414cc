"""Comparisons whose times the tests choose; nothing is measured."""

from itertools import product
from typing import Any

import pytest

from fastbp.comparison import Comparison
from fastbp.comparison.cells import Cell, Task
from fastbp.comparison.process import Process, WorkerProcess
from fastbp.comparison.rows import Limits, rows_of

SMALL = Cell((4, 3, 2), 5, "float32", 1)
QUICK: dict[str, Any] = {"rounds": 2, "at_least_s": 1e-4, "progress": False}
SGD = Task("sigmoid", "quadratic", "sgd", 0)
LIMITS = Limits(1, {"float32": 200.0, "float64": 100.0}, [(2**14, 500.0), (2**18, 200.0), (2**28, 40.0)])
MACHINE = {"processor": "A processor", "numpy": "2.0", "numba": "0.61", "blas": "a BLAS"}


def know_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let measuring processes be asked for all but the limits of the machine, which take them a second or two."""
    limits = {"peak_gflops": LIMITS.peak_gflops, "bandwidth_gbs": [list(pair) for pair in LIMITS.bandwidth_gbs]}

    def ask(process: Process, do: str, **request: Any) -> dict[str, Any]:
        return limits if do == "limits" else WorkerProcess.ask(process, do, **request)

    monkeypatch.setattr(Process, "ask", ask)


def checked(*names: str, **more: Any) -> dict[str, Any]:
    """Return a worker's answer about formulations that agree."""
    compiled = {"compile_s": 0.5, "cache": "warm"}
    return {
        name: {"difference": 1e-7, "steps": 4, **(compiled if name in ("loops", "tiles") else {}), **more}
        for name in names
    }


def comparison(cells: list[Cell], seconds: Any) -> Comparison:
    """Return a comparison whose rounds are `seconds(cell, work, name)`; None leaves a formulation out."""
    names = ("python", "textbook", "loops", "tiles", "vectorized")
    rows = []
    for cell in cells:
        times = {
            work: {name: found for name in names if (found := seconds(cell, work, name))}
            for work in ("gradient", "epoch")
        }
        rows += rows_of(cell, SGD, LIMITS, checked(*times["epoch"]), times)
    settings = {"activation": "sigmoid", "cost": "quadratic", "optimizer": "sgd"}
    return Comparison(MACHINE, settings, [LIMITS], rows)


def a_grid(widths: tuple[int, ...] = (8, 32, 128), batches: tuple[int, ...] = (1, 16)) -> Comparison:
    """Return a grid in which tiles wins, except for two cases.

    For gradients of single samples, loops takes two thirds of its time. For the largest gradient, vectorized is even.
    """

    def seconds(cell: Cell, work: str, name: str) -> list[float] | None:
        times = {"textbook": 20.0, "loops": 2.0, "tiles": 1.0, "vectorized": 3.0}
        if work == "gradient" and cell.batch_size == 1:
            times["loops"] = 2 / 3
        if work == "gradient" and (cell.sizes[0], cell.batch_size) == (widths[-1], batches[-1]):
            times["vectorized"] = 1.02
        return [1e-6 * times[name] * noise for noise in (1.0, 1.1, 0.9)] if name in times else None

    return comparison([Cell((w,) * 3, m, "float32", 1) for w, m in product(widths, batches)], seconds)

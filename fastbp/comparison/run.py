"""`compare`: checks its arguments, has the formulations checked and measured in other processes, collects the rows."""

import os
import sys
import tempfile
import warnings
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

from fastbp import formulations as formulations_of_fastbp
from fastbp import validation
from fastbp.comparison import machine
from fastbp.comparison.cells import FORMULATIONS, PYTHON, Cell, Task
from fastbp.comparison.comparison import Comparison
from fastbp.comparison.process import MeasuringError, Process
from fastbp.comparison.rows import Limits, rows_of
from fastbp.formulations.compiled import Compiled
from fastbp.functions.activations import ACTIVATIONS
from fastbp.functions.costs import COSTS
from fastbp.memory import require_memory
from fastbp.network.network import Network
from fastbp.optimizers import OPTIMIZERS
from fastbp.progress import Steps
from fastbp.text import duration

BOOK = (784, 30, 10)
# The arguments for the map of the winners: `compare(**CROSSOVER)`.
CROSSOVER: dict[str, Any] = {
    "widths": tuple(2**k for k in range(3, 12)),
    "batch_sizes": tuple(2**k for k in range(11)),
    "formulations": FORMULATIONS[1:],
    "rounds": 7,
    "at_least_s": 0.01,
}
PYTHON_ROUNDS = 3
FASTEST_FLOPS = 1e12  # a second on a thread: no processor does more, so it gives a lower bound of the time


def compare(
    sizes: Sequence[int] | None = None,
    *,
    widths: Iterable[int] | None = None,
    batch_sizes: Iterable[int] = (1, 10, 100),
    dtypes: Iterable[str] = ("float32",),
    threads: Iterable[int] = (1,),
    formulations: Iterable[str] = FORMULATIONS,
    activation: str = "sigmoid",
    cost: str = "quadratic",
    optimizer: str = "sgd",
    rounds: int = 15,
    at_least_s: float = 0.02,
    seconds: float | None = None,
    cold: bool = False,
    progress: bool = True,
) -> Comparison:
    """Measure the same gradient and the same epoch with every formulation, side by side on this machine.

    First it checks that all give the gradient of `textbook` in float64, up to rounding: 1e-12 in float64 and 1e-5 in
    float32, relative to the largest entry. Then each has its turn in every round, the order reversed from round to
    round, in a process where all, BLAS included, have the same number of threads. Ratios are of the same round, and
    their median counts. Python's loops cannot share a process with compiled ones; they are measured in another.

    Parameters
    ----------
    sizes : list of int, optional
        The layers of a net; the default, without `widths`, is the book's, [784, 30, 10].
    widths : list of int, optional
        Nets [w, w, w], the smallest with all three sums: the first layer has two of them, the second all.
    batch_sizes, dtypes, threads : lists
        Each net is measured in all their combinations.
    formulations : list of str
        Of python (`loops` as ordinary Python, on nets small enough), textbook, loops, tiles, vectorized.
    activation, cost, optimizer : str
        Names. The activation is that of the hidden layers; the cost decides that of the output, as in `Network`.
    rounds : int, default 15
        How many times each has its turn; 3 for Python's loops.
    at_least_s : float, default 0.02
        Seconds of a turn.
    seconds : float, optional
        The longest time allowed. A grid that would take longer is an error before the measuring starts.
    cold : bool, default False
        Compile everything again, in a temporary folder, to see how long that takes.
    progress : bool, default True
        Show a live line on a terminal.

    Returns
    -------
    Comparison
        After Ctrl-C, or the end of a measuring process, it has what was measured by then; a RuntimeWarning says so.

    Raises
    ------
    TypeError, ValueError
        Something is unknown or out of range, or the grid takes longer than `seconds`.
    MemoryError
        A net of the grid is too large for this machine.
    MeasuringError
        A formulation gives another gradient, or a measuring process ended before there was anything to keep.

    Examples
    --------
    >>> import fastbp
    >>> result = fastbp.compare([4, 3, 2], batch_sizes=[8], formulations=["textbook", "vectorized"], rounds=1)
    >>> len(result.rows), result.interrupted
    (4, False)
    >>> "largest relative difference" in str(result)
    True
    """
    names = [validation.known_name("formulation", name, dict.fromkeys(FORMULATIONS)) for name in _several(formulations)]
    if not names:
        raise ValueError(f"formulations is empty; give at least one of {', '.join(FORMULATIONS)}")
    task = _task(activation, cost, optimizer)
    cells = _grid(sizes, widths, batch_sizes, dtypes, threads)
    settings = {
        **asdict(task), "formulations": list(dict.fromkeys(names)),
        "rounds": validation.whole_number("rounds", rounds, 1), "at_least_s": _positive("at_least_s", at_least_s),
        "seconds": None if seconds is None else _positive("seconds", seconds), "cold": validation.truth("cold", cold),
    }  # fmt: skip
    run = Run(cells, task, settings, validation.truth("progress", progress))
    run.refuse_what_is_too_large()
    try:
        with ExitStack() as processes:
            run.everything(processes)
    except (KeyboardInterrupt, MeasuringError) as error:
        run.result.interrupted = True
        if not run.result.rows:
            raise
        why = "was interrupted" if isinstance(error, KeyboardInterrupt) else f"ended early: {error}"
        warnings.warn(f"the comparison {why}; it has what was measured by then", RuntimeWarning, stacklevel=2)
    return run.result


class Run:
    """One call of `compare`. `result` always has what was measured so far."""

    def __init__(self, cells: list[Cell], task: Task, settings: dict[str, Any], progress: bool):
        self.cells, self.task, self.settings, self.shows_progress = cells, task, settings, progress
        self.result = Comparison(machine.describe(), settings)
        self.processes: dict[tuple[int, bool], Process] = {}  # by threads, and whether they compile
        self.limits: dict[int, Limits] = {}
        self.checked: dict[Cell, dict[str, Any]] = {}

    def refuse_what_is_too_large(self) -> None:
        """Raise MemoryError or ValueError if the grid needs too much memory or, at the least, too much time."""
        largest = max(self.cells, key=lambda cell: cell.memory)
        require_memory(f"measuring {largest}", largest.memory, "choose smaller layers or a smaller batch_size")
        self._refuse_if_longer(sum(self._least_seconds(cell) for cell in self.cells), "at least")

    def _refuse_if_longer(self, planned: float, words: str) -> None:
        allowed = self.settings["seconds"]
        if allowed is not None and planned > allowed:
            cells = f"{len(self.cells)} cell{'s' * (len(self.cells) > 1)}"
            raise ValueError(
                f"measuring {cells} takes {words} {duration(planned)}, and seconds={allowed:g}: choose fewer cells, "
                "formulations or rounds, smaller nets, or more seconds"
            )

    def _least_seconds(self, cell: Cell) -> float:
        turn = max(self.settings["at_least_s"], cell.flops / FASTEST_FLOPS / cell.threads)
        compiled = [name for name in self.settings["formulations"] if name not in (PYTHON, "textbook")]
        return float(2 * self.settings["rounds"] * len(compiled) * turn)

    def everything(self, processes: ExitStack) -> None:
        """Check all cells, then measure all."""
        cache = None
        if self.settings["cold"]:
            cache = Path(processes.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        with Steps(self.shows_progress, "checking", len(self.cells), len(self.cells)) as steps:
            for cell in self.cells:
                self._check(cell, steps, processes, cache)
        self._add_compile_times()
        planned = {cell: self._planned_seconds(cell) for cell in self.cells}
        self._refuse_if_longer(sum(planned.values()), "about")
        with Steps(self.shows_progress, "measuring", len(self.cells), sum(planned.values())) as steps:
            for cell in self.cells:
                steps.begin(str(cell))
                self._measure(cell)
                steps.done(planned[cell])

    def _process(self, threads: int, compiled: bool, processes: ExitStack, cache: Path | None) -> Process:
        if (threads, compiled) not in self.processes:
            process = processes.enter_context(Process(threads, compiled=compiled, cache=cache))
            self.processes[threads, compiled] = process
            cores = machine.available_cores()[-threads:] if hasattr(os, "sched_setaffinity") else []
            process.ask("start", cores=cores, **asdict(self.task))
        return self.processes[threads, compiled]

    def _check(self, cell: Cell, steps: Steps, processes: ExitStack, cache: Path | None) -> None:
        steps.begin(str(cell))
        process = self._process(cell.threads, True, processes, cache)
        if cell.threads not in self.limits:
            dtypes = sorted({each.dtype for each in self.cells})
            answer = process.ask("limits", dtypes=dtypes, threads=cell.threads)
            bandwidth = [(n, speed) for n, speed in answer["bandwidth_gbs"]]
            self.limits[cell.threads] = Limits(cell.threads, answer["peak_gflops"], bandwidth)
            self.result.limits = list(self.limits.values())
        names = [name for name in self.settings["formulations"] if name != PYTHON]
        found = process.ask("check", cell=asdict(cell), formulations=names)
        if self._wants_python(cell):
            process = self._process(cell.threads, False, processes, cache)
            found = process.ask("check", cell=asdict(cell), formulations=[PYTHON]) | found
        self.checked[cell] = found
        steps.done()

    def _wants_python(self, cell: Cell) -> bool:
        """Whether Python's loops are measured here: only with the fewest threads, because they run on one."""
        fewest = min(each.threads for each in self.cells)
        return PYTHON in self.settings["formulations"] and cell.small_enough_for_python and cell.threads == fewest

    def _add_compile_times(self) -> None:
        """Sum up the extra time of first calls that loaded or compiled something: in the first cell, or cold."""
        totals: dict[tuple[Any, ...], tuple[float, bool]] = {}
        for cell, found in self.checked.items():
            for name, facts in found.items():
                key = (cell.threads, cell.dtype, name)
                if "compile_s" in facts and (key not in totals or facts["cold"]):
                    total, cold = totals.get(key, (0.0, False))
                    totals[key] = (total + facts["compile_s"], cold or facts["cold"])
        for cell, found in self.checked.items():
            for name, facts in found.items():
                compiles = isinstance(formulations_of_fastbp.FORMULATIONS.get(name), Compiled)
                total, cold = totals.get((cell.threads, cell.dtype, name), (0.0, False))
                facts["compile_s"] = total if compiles else None
                facts["cache"] = ("cold" if cold else "warm") if compiles else "none"

    def _planned_seconds(self, cell: Cell) -> float:
        turn = self.settings["at_least_s"]
        measured = {name: facts["seconds"] for name, facts in self.checked[cell].items() if "left_out" not in facts}
        turns = {name: sum(max(s, turn) for s in works.values()) for name, works in measured.items()}
        return float(sum((self._rounds(name) + 2) * seconds for name, seconds in turns.items()))

    def _rounds(self, name: str) -> int:
        rounds: int = self.settings["rounds"]
        return min(rounds, PYTHON_ROUNDS) if name == PYTHON else rounds

    def _measure(self, cell: Cell) -> None:
        seconds: dict[str, dict[str, list[float]]] = {"gradient": {}, "epoch": {}}
        plan = {name: facts["steps"] for name, facts in self.checked[cell].items() if "left_out" not in facts}
        python = {PYTHON: plan.pop(PYTHON)} if PYTHON in plan else {}
        for compiled, part in ((True, plan), (False, python)):
            if part:
                request = {"rounds": self._rounds(next(iter(part))), "at_least_s": self.settings["at_least_s"]}
                answer = self.processes[cell.threads, compiled].ask("measure", cell=asdict(cell), plan=part, **request)
                for work, figures in answer.items():
                    seconds[work] |= figures
        self.result.rows += rows_of(cell, self.task, self.limits[cell.threads], self.checked[cell], seconds)


def _grid(sizes: Any, widths: Any, batch_sizes: Any, dtypes: Any, threads: Any) -> list[Cell]:
    nets = [] if sizes is None else [validation.layer_sizes(sizes)]
    nets += [(validation.whole_number("width", w, 1),) * 3 for w in _several([] if widths is None else widths)]
    nets = nets or [BOOK]
    batches = [validation.whole_number("batch_size", m, 1) for m in _several(batch_sizes)]
    types = [validation.float_type(dtype).name for dtype in _several(dtypes)]
    counts = [validation.whole_number("threads", n, 1) for n in _several(threads)]
    available = len(machine.available_cores())
    if max(counts, default=1) > available:
        raise ValueError(f"threads is {max(counts)}, but this process may use {available} cores: give at most that")
    cells = [Cell(net, m, dtype, n) for n, dtype, net, m in product(counts, types, nets, batches)]
    if not cells:
        raise ValueError("batch_sizes, dtypes or threads is empty; each needs at least one entry")
    return list(dict.fromkeys(cells))


def _task(activation: str, cost: str, optimizer: str) -> Task:
    activation = validation.known_name("activation", activation, ACTIVATIONS)
    cost = validation.known_name("cost", cost, COSTS)
    optimizer = validation.known_name("optimizer", optimizer, OPTIMIZERS)
    Network([1, 1, 1], activation=activation, cost=cost)  # raises if they do not fit together
    return Task(activation, cost, optimizer, OPTIMIZERS[optimizer](1.0).n_moments)


def _several(value: Any) -> list[Any]:
    """Return a list of one or several values."""
    one = isinstance(value, str) or not isinstance(value, Iterable) or getattr(value, "ndim", 1) == 0
    return [value] if one else list(value)


def _positive(what: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= sys.float_info.max:
        raise ValueError(f"{what} is {value!r}; it must be a number of seconds greater than 0")
    return float(value)

"""The results as plain rows: one for each cell, work and formulation."""

import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from fastbp.comparison.cells import PYTHON, WORKS, Cell, Task
from fastbp.comparison.timing import median_of_ratios

EVEN = 1.05  # two formulations within this ratio are even: another run may order them the other way


@dataclass
class Row:
    """A formulation at a work of a cell.

    Attributes
    ----------
    sizes, batch_size, dtype, threads : tuple of int, int, str, int
        The cell.
    work : {"gradient", "epoch"}
        One call of `Network.gradient` with a mini-batch; or the whole steps of an epoch of `Network.fit`.
    formulation : str
        Its name; "python" is `loops` uncompiled.
    us, us_min, us_max : float or None
        Microseconds of a step or a gradient: median, least and largest of the rounds. None if it was left out.
    times_fastest : float or None
        How many times the fastest one's time: the median of the ratios within a round.
    samples_per_second, gflops, share_of_peak : float or None
        From the median; the fraction of the measured peak of the machine in this dtype, with these threads.
    flops, bytes, flops_per_byte : int, int, float
        Of a step, on paper: see `fastbp.comparison.cells.Cell`. The same for all formulations.
    roof_gflops, bound : float, {"compute", "memory"}
        The upper limit for this number of flops a byte: the peak, or what the measured bandwidth for such a working
        set allows; and which of the two it is.
    difference : float or None
        Of the gradient from the reference in float64: the largest of all entries, relative to the largest entry.
    compile_s, cache : float or None, {"warm", "cold", "none"}
        How many seconds longer first calls took than second ones, in this dtype and threads; whether the machine code
        was on disk, had to be compiled, or does not exist.
    steps : int or None
        Of an epoch.
    rounds_us : list of float
        All rounds.
    left_out : str
        The reason, if it was.

    Examples
    --------
    >>> import fastbp
    >>> result = fastbp.compare([4, 3, 2], batch_sizes=[8], formulations=["textbook", "vectorized"], rounds=1)
    >>> row = result.rows[0]
    >>> row.formulation, row.sizes, row.difference < 1e-5
    ('textbook', (4, 3, 2), True)
    """

    sizes: tuple[int, ...]
    batch_size: int
    dtype: str
    threads: int
    work: str
    formulation: str
    us: float | None = None
    us_min: float | None = None
    us_max: float | None = None
    times_fastest: float | None = None
    samples_per_second: float | None = None
    gflops: float | None = None
    share_of_peak: float | None = None
    flops: int = 0
    bytes: int = 0
    flops_per_byte: float = 0.0
    roof_gflops: float = 0.0
    bound: str = ""
    difference: float | None = None
    compile_s: float | None = None
    cache: str = "none"
    steps: int | None = None
    rounds_us: list[float] = field(default_factory=list)
    left_out: str = ""

    @property
    def cell(self) -> Cell:
        """The place in the grid."""
        return Cell(self.sizes, self.batch_size, self.dtype, self.threads)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Row":
        """Return the row of `as_dict`, also after JSON, which has no tuples."""
        return cls(**{**values, "sizes": tuple(values["sizes"])})


@dataclass(frozen=True)
class Limits:
    """The measured limits for a number of threads: GFLOP/s by dtype, and (bytes of a working set, GB/s)."""

    threads: int
    peak_gflops: dict[str, float]
    bandwidth_gbs: list[tuple[int, float]]

    def bandwidth(self, working_set: int) -> float:
        """Return the GB/s of the smallest measured working set that holds this one, or of the largest."""
        return next((speed for n_bytes, speed in self.bandwidth_gbs if working_set <= n_bytes), self.memory_gbs)

    @property
    def memory_gbs(self) -> float:
        """GB/s of a working set in no cache."""
        return self.bandwidth_gbs[-1][1]


def rows_of(
    cell: Cell, task: Task, limits: Limits, checked: dict[str, Any], seconds: dict[str, dict[str, list[float]]]
) -> list[Row]:
    """Return the rows of a cell, from the answers of `Worker.check` and `Worker.measure`."""
    rows = []
    peak = limits.peak_gflops[cell.dtype]
    for work in WORKS:
        n_bytes = cell.bytes(work, task.n_moments)
        memory = cell.flops / n_bytes * limits.bandwidth(cell.working_set(work, task.n_moments))
        for name, facts in checked.items():
            row = Row(cell.sizes, cell.batch_size, cell.dtype, cell.threads, work, name)
            row.flops, row.bytes, row.flops_per_byte = cell.flops, n_bytes, cell.flops / n_bytes
            row.roof_gflops, row.bound = (peak, "compute") if peak <= memory else (memory, "memory")
            row.difference, row.left_out = facts.get("difference"), facts.get("left_out", "")
            row.steps, row.compile_s, row.cache = facts.get("steps"), facts.get("compile_s"), facts.get("cache", "none")
            row.rounds_us = [1e6 * s for s in seconds.get(work, {}).get(name, [])]
            if row.rounds_us:
                _summarize(row, peak)
            rows.append(row)
    _compare(rows)
    return rows


def _summarize(row: Row, peak: float) -> None:
    row.us = statistics.median(row.rounds_us)
    row.us_min, row.us_max = min(row.rounds_us), max(row.rounds_us)
    row.samples_per_second = row.batch_size / row.us * 1e6
    row.gflops = row.flops / row.us * 1e-3
    row.share_of_peak = row.gflops / peak


def _compare(rows: list[Row]) -> None:
    for work in WORKS:
        group = [row for row in rows if row.us is not None and row.work == work]
        if group:
            # The ratios decide who is first: a disturbance of some rounds changes them less than the medians.
            middle = min(group, key=lambda row: row.us or 0.0)
            fastest = min(group, key=lambda row: ratio(row, middle))
            for row in group:
                row.times_fastest = ratio(row, fastest)


def ratio(row: Row, to: Row) -> float:
    """Return how many times as long a row takes as another of its cell and work: the median over common rounds.

    Python's loops have rounds of their own.
    """
    if PYTHON in (row.formulation, to.formulation) and row.formulation != to.formulation:
        assert row.us and to.us
        return row.us / to.us
    return median_of_ratios(row.rounds_us, to.rounds_us)


def by_work(rows: Iterable[Row]) -> list[list[Row]]:
    """Return the measured rows of each cell and work, the fastest first."""
    groups: dict[tuple[Cell, str], list[Row]] = {}
    for row in rows:
        if row.us is not None:
            groups.setdefault((row.cell, row.work), []).append(row)
    return [sorted(group, key=_place) for group in groups.values()]


def _place(row: Row) -> tuple[bool, float]:
    """Sort the fastest first, whose ratio is exactly 1, though disturbed rounds can make another ratio smaller."""
    return row.times_fastest != 1.0, row.times_fastest or 0.0

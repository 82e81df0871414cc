"""Successive halving: now and then only the best members go on. And the order of members by a series."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fastbp import validation
from fastbp.training.early_stopping import check_monitor, greater_is_better, watched
from fastbp.training.history import History
from fastbp.training.metrics import Metric


@dataclass(frozen=True)
class Halving:
    """Let only the best members go on, again and again: what is not promising gets few epochs.

    After every `every` epochs the ⌈n / factor⌉ best of the n members that are still training go on. The others stop,
    and their history says so. Those that go on have the bits of a training without interruption: nothing restarts. With
    equal values the first member is better; NaN is worst. Raises TypeError or ValueError for a parameter of the wrong
    kind or out of range.

    Parameters
    ----------
    factor : int, default 3
        At least 2.
    every : int, default 10
        Epochs, at least 1.
    monitor : str, optional
        The series that decides, as in `EarlyStopping`; left out, the cost on the validation data, or without them the
        training cost.
    least : int, default 1
        So many members always go on, at least 1.
    mode : "min" or "max", optional
        Whether smaller or greater values are better; needed only for metrics of your own.

    References
    ----------
    Karnin, Koren & Somekh, *Almost optimal exploration in multi-armed bandits*, 2013; Jamieson & Talwalkar,
    *Non-stochastic best arm identification and hyperparameter optimization*, 2016.

    Examples
    --------
    >>> import fastbp
    >>> data = fastbp.load_digits()
    >>> nets = [fastbp.Network([64, 8, 10], cost="cross_entropy", seed=s) for s in range(4)]
    >>> pop = fastbp.Population(nets)
    >>> histories = pop.fit(data.X_train, data.y_train, epochs=5, validation_split=0.2,
    ...                     halving=fastbp.Halving(factor=2, every=2))
    >>> sorted(len(history) for history in histories)
    [2, 2, 4, 5]
    """

    factor: int = 3
    every: int = 10
    monitor: str | None = None
    least: int = 1
    mode: Literal["min", "max"] | None = None

    def __post_init__(self) -> None:
        validation.whole_number("factor", self.factor, 2)
        validation.whole_number("every", self.every, 1)
        validation.whole_number("least", self.least, 1)
        check_monitor(self.monitor, self.mode)

    def going_on(self, n: int) -> int:
        """Return how many of n members go on."""
        return min(n, max(self.least, -(-n // self.factor)))


@dataclass(frozen=True)
class Judge:
    """The series by which members are compared, of each of them, and whether greater values are better."""

    series: tuple[str, ...]
    greater: bool

    def value(self, i: int, history: History) -> float:
        """Return the value of member i after its best epoch, if `EarlyStopping` looked for it, or else the last."""
        values = history.series(self.series[i]) if len(history) else []
        return values[(history.best_epoch or len(values)) - 1] if values else math.nan

    def ranked(self, members: Sequence[int], values: Sequence[float]) -> list[int]:
        """Return members by their values, the best first; of equal ones the first, NaN last."""

        def place(i: int) -> tuple[bool, float, int]:
            absent = math.isnan(values[i])
            return absent, 0.0 if absent else -values[i] if self.greater else values[i], members[i]

        return [members[i] for i in sorted(range(len(members)), key=place)]


def judge(monitor: Any, mode: Any, histories: Sequence[History], metrics: Sequence[list[Metric]]) -> Judge:
    """Return who compares members by `monitor`. Raises TypeError or ValueError if a member has no such series."""
    check_monitor(monitor, mode)
    series, directions = [], set()
    for i, (history, of_member) in enumerate(zip(histories, metrics, strict=True)):
        try:
            series.append(watched(monitor, history))
            directions.add(greater_is_better(series[-1], mode, history, of_member))
        except ValueError as error:
            raise ValueError(f"member {i}: {error}") from None
    if len(directions) > 1:
        raise ValueError(f"monitor is {monitor!r}: greater values are better for some members, smaller for others")
    return Judge(tuple(series), directions.pop())

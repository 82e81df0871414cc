"""Comparing the speed of calls on a busy machine: rounds in which each has its turn, and ratios within a round.

Other work slows all calls of a round. It hardly changes the ratio of two of them, and the median of these ratios
ignores the few rounds in which it does.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Call = Callable[[], Any]


def interleaved_rounds(
    calls: Mapping[str, Call], rounds: int, at_least_s: float, *, own_clock: bool = False, pause_s: float = 0.0
) -> dict[str, list[float]]:
    """Return the seconds of one call of each, a figure for each round.

    In a round each has its turn, the order reversed from round to round. A turn is as many calls as take `at_least_s`.
    Their number is found by trial before the first round, which also warms them up.

    Parameters
    ----------
    calls : mapping of names to functions without arguments
        What is compared; their results are ignored.
    rounds : int
        How many figures each gets.
    at_least_s : float
        Seconds of a turn.
    own_clock : bool, default False
        The calls return the seconds that count, as floats: a `fit`, for instance, those of its epochs.
    pause_s : float, default 0
        Seconds before each turn, in which threads of the previous call stop waiting busily for more work.

    Examples
    --------
    >>> seconds = interleaved_rounds({"one": lambda: 1, "sum": lambda: sum(range(99))}, rounds=3, at_least_s=1e-4)
    >>> {name: len(figures) for name, figures in seconds.items()}
    {'one': 3, 'sum': 3}
    """
    turn = _own_seconds if own_clock else _seconds
    repeats = {name: _repeats(turn, call, at_least_s) for name, call in calls.items()}
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for round_ in range(rounds):
        for name in list(calls)[:: -1 if round_ % 2 else 1]:
            time.sleep(pause_s)
            seconds[name].append(turn(calls[name], repeats[name]) / repeats[name])
    return seconds


def median_of_ratios(numerators: Sequence[float], denominators: Sequence[float]) -> float:
    """Return the median of the ratios within a round. Raises ValueError for unequal lengths, or none at all.

    >>> median_of_ratios([2, 20, 9], [1, 10, 3])
    2.0
    """
    if len(numerators) != len(denominators) or not numerators:
        raise ValueError(
            f"{len(numerators)} and {len(denominators)} rounds make no pairs: give as many of both, at least 1"
        )
    return statistics.median(n / d for n, d in zip(numerators, denominators, strict=True))


def _repeats(turn: Callable[[Call, int], float], call: Call, at_least_s: float) -> int:
    turn(call, 1)  # the first call may compile, or load, or allocate
    n = 1
    while (seconds := turn(call, n)) < at_least_s:
        n = max(2 * n, int(n * min(100.0, 1.1 * at_least_s / max(seconds, 1e-9))))
    return n


def _seconds(call: Call, n: int) -> float:
    start = time.perf_counter()
    for _ in range(n):
        call()
    return time.perf_counter() - start


def _own_seconds(call: Call, n: int) -> float:
    return float(sum(call() for _ in range(n)))

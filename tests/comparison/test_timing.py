"""Rounds: the order of the turns, the calls of a turn, the seconds that count, and the ratio within a round."""

from collections.abc import Callable

import pytest

from fastbp.comparison import timing
from fastbp.comparison.timing import interleaved_rounds, median_of_ratios


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A log of the calls and pauses, on a clock that only calls move."""
    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(timing.time, "sleep", lambda seconds: log.append(f"pause {seconds}"))
    clock, log = [0.0], []

    def takes(name: str, seconds: float) -> Callable[[], float]:
        def call() -> float:
            log.append(name)
            clock[0] += seconds
            return seconds / 4

        return call

    calls.update({"a": takes("a", 1.0), "b": takes("b", 0.25)})
    return log


calls: dict[str, Callable[[], float]] = {}


def test_each_has_its_turn_and_the_order_turns_around(log: list[str]) -> None:
    seconds = interleaved_rounds(calls, 3, 1.0, pause_s=0.5)
    assert seconds == {"a": [1.0] * 3, "b": [0.25] * 3}
    measured = log[log.index("pause 0.5") :]
    n = measured.count("b") // 3
    assert n >= 4  # as many calls as take a second
    a, b = ["pause 0.5", "a"], ["pause 0.5"] + ["b"] * n
    assert measured == a + b + b + a + a + b


def test_a_turn_takes_long_enough_and_not_much_longer(log: list[str]) -> None:
    interleaved_rounds(calls, 1, 100.0)
    measured = log[log.index("pause 0.0") :]
    assert 100 <= measured.count("a") <= 120 and 400 <= measured.count("b") <= 480


def test_a_call_with_its_own_clock(log: list[str]) -> None:
    assert interleaved_rounds(calls, 2, 0.01, own_clock=True) == {"a": [0.25] * 2, "b": [0.0625] * 2}


def test_the_first_call_does_not_count(log: list[str]) -> None:
    first = [10.0]
    seconds = interleaved_rounds({"a": lambda: first.pop() if first else 1.0}, 1, 0.5, own_clock=True)
    assert seconds == {"a": [1.0]}


def test_ratios_are_of_the_same_round() -> None:
    assert median_of_ratios([1, 20, 300], [2, 10, 100]) == 2
    for numerators, denominators in (([1.0], [1.0, 2.0]), ([], [])):
        with pytest.raises(ValueError, match="make no pairs"):
            median_of_ratios(numerators, denominators)

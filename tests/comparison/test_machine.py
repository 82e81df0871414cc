"""The description of the machine names no one; its limits are measured with real work."""

import getpass
import json
import os
import platform
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from fastbp.comparison import limits, machine


def test_the_description_is_plain_and_names_neither_host_nor_user() -> None:
    described = machine.describe()
    assert {"processor", "architecture", "cores", "system", "python", "numpy", "numba", "blas"} <= set(described)
    text = json.dumps(described)
    names = {platform.node(), getpass.getuser(), str(Path.home()), os.getcwd()} - {"", "/"}
    assert not any(name in text for name in names if len(name) > 4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_multiply_adds_are_done(dtype: type) -> None:
    """Vector k starts with k in every lane, and each round adds ¼ to it. All numbers are exact in binary."""
    for n in (0, 1, 7, 1000):
        expected = limits.SUMS * n * 0.25 + sum(range(limits.SUMS))
        assert limits.multiply_adds(dtype(0.5), n) == expected


def test_the_triad_is_done() -> None:
    a, b, c = np.zeros(5, np.float32), np.arange(5, dtype=np.float32), np.full(5, 2, np.float32)
    limits.triad(a, b, c, 3)
    np.testing.assert_array_equal(a, b + 6)


@pytest.mark.parametrize("threads", [1, 2])
def test_limits_are_positive_and_finite(threads: int) -> None:
    for dtype in ("float32", "float64"):
        assert 0 < machine.gflops(dtype, threads, seconds=0.001) < 1e6
    for n_bytes in (1, 2**14):
        assert 0 < machine.bandwidth(n_bytes, threads, seconds=0.001) < 1e6


def test_the_last_working_set_is_in_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_last_cache", lambda: 2**30)
    assert machine.working_sets()[-1] == 2**32
    monkeypatch.setattr(machine, "_last_cache", lambda: 0)
    sets = machine.working_sets()
    assert sets == sorted(sets) and sets[-1] == machine.BEYOND_CACHES


def test_every_thread_has_work_and_it_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, done = [0.0], [0, 0]
    monkeypatch.setattr(machine.time, "perf_counter", lambda: clock[0])

    def work(worker: int, n: int) -> None:
        done[worker] += n
        clock[0] += 0.001 * n * (worker == 0)  # the workers run at once, so the second takes no extra time

    assert machine._most_a_second([partial(work, 0), partial(work, 1)], 1.0) == pytest.approx(1000)
    assert 0 < done[1] <= done[0]


def test_available_cores() -> None:
    assert machine.available_cores() and min(machine.available_cores()) >= 0

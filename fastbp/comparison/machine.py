"""The machine, and the two limits of the roofline, both measured: its multiply-adds and its memory.

Source of the roofline: S. Williams, A. Waterman, D. Patterson, *Roofline: an insightful visual performance model for
multicore architectures*, Communications of the ACM 52 (2009).
"""

import os
import platform
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numba
import numpy as np

from fastbp.comparison.limits import SUMS, multiply_adds, triad
from fastbp.formulations.tiles.registers import VECTOR_BYTES
from fastbp.model import CACHE_LINE, aligned_empty

TURN_S = 0.004  # of a try: short, so that some tries are undisturbed
BEYOND_CACHES = 256 * 2**20  # bytes
# Bytes of working sets that fit into a core's first cache, its second and the last one, on most machines.
CACHED = (16 * 2**10, 256 * 2**10, 4 * 2**20)


def describe() -> dict[str, Any]:
    """Describe the machine and its software, without names of hosts, users or folders.

    >>> sorted(describe())[:5]
    ['architecture', 'blas', 'cores', 'load_average', 'numba']
    """
    return {
        "processor": _processor(),
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": numba.__version__,
        "blas": _blas(),
        "load_average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def available_cores() -> list[int]:
    """Return the numbers of the cores that this process may use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def gflops(dtype: str, threads: int = 1, seconds: float = 0.1) -> float:
    """Return the measured peak of multiply-adds, two operations each, on `threads` threads, in GFLOP/s.

    It is the fastest of many short tries within `seconds`.

    >>> gflops("float64", seconds=0.001) > 0.1
    True
    """
    x = np.dtype(dtype).type(0.5)
    flops = 2.0 * SUMS * (VECTOR_BYTES // int(x.itemsize))
    rounds_a_second = _most_a_second([partial(multiply_adds, x)] * threads, seconds)
    return threads * flops * rounds_a_second * 1e-9


def bandwidth(n_bytes: int, threads: int = 1, seconds: float = 0.1) -> float:
    """Return the measured peak bandwidth between cores and arrays, on `threads` threads, in GB/s.

    The loop is a_i = b_i + r c_i. The three arrays have `n_bytes` together, the working set: it decides which cache, or
    the memory, is measured. Each thread has its part of them. As usual, what a cache reads before it writes a_i does
    not count. The result is the fastest of many short tries within `seconds`.

    >>> bandwidth(2**14, seconds=0.001) > 0.1
    True
    """
    n = max(1, n_bytes // (3 * CACHE_LINE * threads)) * CACHE_LINE // 4
    arrays = [aligned_empty(n, np.float32) for _ in range(3 * threads)]
    for array in arrays:
        array[:] = 1
    passes = [partial(triad, *arrays[3 * k : 3 * k + 3]) for k in range(threads)]
    return threads * 12 * n * _most_a_second(passes, seconds) * 1e-9


def working_sets() -> list[int]:
    """Return the working sets in bytes that are measured with `bandwidth`; the last one is in no cache."""
    return [*CACHED, max(BEYOND_CACHES, 4 * _last_cache())]


def _most_a_second(works: Sequence[Callable[[int], Any]], seconds: float) -> float:
    """Run all works at once, each on a thread; return how many units of work each of them does in a second."""
    for work in works:
        work(1)  # compiles
    n = _n_of_a_turn(works[0])
    fastest = float("inf")
    with ThreadPoolExecutor(len(works)) as pool:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or fastest == float("inf"):
            start = time.perf_counter()
            list(pool.map(lambda work: work(n), works))
            fastest = min(fastest, time.perf_counter() - start)
    return n / fastest


def _n_of_a_turn(work: Callable[[int], Any]) -> int:
    n = 1
    while True:
        start = time.perf_counter()
        work(n)
        if time.perf_counter() - start >= TURN_S / 2:
            return n
        n *= 2


def _last_cache() -> int:
    """Return the bytes of the largest cache that the system reports; 0 if it reports none."""
    found = [0]
    for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        try:
            found.append(int(path.read_text().strip().removesuffix("K")) * 1024)
        except (OSError, ValueError):
            continue
    return max(found)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _blas() -> str:
    try:
        found = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        return f"{found['name']} {found['version']}"
    except (KeyError, TypeError):
        return "unknown"

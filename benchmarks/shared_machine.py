"""Two threads against one, alone and beside other work: ``python benchmarks/shared_machine.py``.

Each figure is the time of a call with fastbp's default number of threads divided by the time of the same call on one
thread, the median of rounds in which both take turns: alone on the machine, beside a process that is always busy, and
for fits in a pool of two processes. 1 means that the second thread neither helps nor costs. ``--layer omp`` measures
another threading layer than the default one.
"""

import argparse
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

import fastbp
from fastbp.comparison.machine import describe
from fastbp.compiler.threads import launched_layer

SIZES = {"tiny": [8, 16, 16, 1], "small": [784, 30, 10], "middle": [64, 256, 256, 10], "large": [784, 512, 512, 10]}
CASES = [
    ("fit", "tiny", 32), ("fit", "tiny", 1024), ("fit", "small", 10), ("fit", "small", 100), ("fit", "middle", 16),
    ("fit", "middle", 64), ("fit", "middle", 512), ("fit", "large", 128),
    ("gradient", "middle", 32), ("gradient", "middle", 128), ("gradient", "middle", 1024), ("gradient", "large", 128),
    ("predict", "small", 256), ("predict", "middle", 128), ("predict", "middle", 1024), ("predict", "middle", 8192),
    ("predict", "large", 256),
]  # fmt: skip
FIT_SECONDS = 0.05  # of an epoch on one thread, about; it determines the number of samples


def call(kind: str, sizes: list[int], rows: int) -> Callable[[], object]:
    """Return the function that is timed. `rows` is the mini-batch of a fit, otherwise the number of samples."""
    rng = np.random.default_rng(0)
    net = fastbp.Network(sizes, cost="quadratic", seed=0)
    n = rows if kind != "fit" else rows * max(1, int(FIT_SECONDS * 1e11 / (6 * net.parameters.size * rows)))
    X = rng.random((n, sizes[0]), dtype=np.float32)
    Y = rng.random((n, sizes[-1]), dtype=np.float32)
    if kind == "fit":
        return lambda: net.fit(X, Y, epochs=1, batch_size=rows, optimizer=fastbp.SGD(1e-3), progress=False)
    return (lambda: net.gradient(X, Y)) if kind == "gradient" else lambda: net.predict(X)


def seconds(function: Callable[[], object], n_threads: int | None, calls: int) -> float:
    """Return the time of some calls on this number of threads."""
    with fastbp.threads(n_threads):
        start = time.perf_counter()
        for _ in range(calls):
            function()
        return time.perf_counter() - start


def ratio(function: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Return the medians of the time of a call on one thread, and of the ratio default / one thread."""
    for n_threads in (1, None):
        seconds(function, n_threads, 2)  # compiles
    calls = max(1, int(0.02 / seconds(function, 1, 1)))
    ones, ratios = [], []
    for turn in range(rounds):
        order = (1, None) if turn % 2 else (None, 1)
        spent = {n_threads: seconds(function, n_threads, calls) for n_threads in order}
        ones.append(spent[1] / calls)
        ratios.append(spent[None] / spent[1])
    return statistics.median(ones), statistics.median(ratios)


@contextmanager
def busy_process() -> Iterator[None]:
    """Keep another process busy."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        time.sleep(0.2)
        yield
    finally:
        process.kill()
        process.wait()


def fits(n_threads: int | None) -> float:
    """Return the time of a fit of some epochs in this process."""
    function = call("fit", SIZES["middle"], 64)
    seconds(function, n_threads, 1)
    return seconds(function, n_threads, 10)


def pool(n_threads: int | None, method: str) -> float:
    """Return the mean time of four fits in a pool of two processes."""
    with multiprocessing.get_context(method).Pool(2) as workers:
        return statistics.mean(workers.map(fits, [n_threads] * 4, chunksize=1))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layer", choices=("omp", "tbb", "workqueue"), help="Numba's threading layer")
    parser.add_argument("--rounds", type=int, default=25)
    options = parser.parse_args()
    if options.layer and os.environ.get("NUMBA_THREADING_LAYER") != options.layer:
        os.environ["NUMBA_THREADING_LAYER"] = options.layer
        os.execv(sys.executable, [sys.executable, *sys.argv])
    layer, n_threads = launched_layer(), fastbp.get_num_threads()
    print(f"{describe()['processor']}, {os.cpu_count()} cores, {n_threads} threads of the layer {layer}")
    print("seconds with the default number of threads / on one thread\n")
    print(f"{'':<28}{'one thread':>12}{'alone':>9}{'beside a busy process':>24}")
    for kind, name, rows in CASES:
        function = call(kind, SIZES[name], rows)
        one, alone = ratio(function, options.rounds)
        with busy_process():
            _, beside = ratio(function, options.rounds)
        label = f"{kind} {SIZES[name]}, {rows}"
        print(f"{label:<34}{one * 1e6:>9,.0f} µs{alone:>8.2f}{beside:>12.2f}", flush=True)
    for method in ("fork", "spawn"):
        ratios = [pool(None, method) / pool(1, method) for _ in range(3)]
        print(f"four fits in a pool of two processes, {method}: {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()

"""Calls on few samples beside the step inside an epoch: ``python benchmarks/single_steps.py``.

The step is one of Adam's on [4,64,64,2] with 32 samples in float32, as in an epoch of 3,200 samples; one thread. A
time is the least of many, so that other work on the machine counts little.
"""

import argparse
import os
import time
from collections.abc import Callable
from typing import Any


def least(call: Callable[[], Any], times: int, seconds: float) -> float:
    """Return the least time of one of so many calls, in microseconds."""
    end, best = time.perf_counter() + seconds, float("inf")
    while time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(times):
            call()
        best = min(best, (time.perf_counter() - start) / times)
    return 1e6 * best


def main() -> None:
    """Measure all calls and print the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1.0, help="for each call")
    seconds = parser.parse_args().seconds
    os.environ["OMP_NUM_THREADS"] = "1"
    import numpy as np

    import fastbp

    rng, adam = np.random.default_rng(0), fastbp.Adam()
    X, Y = (rng.standard_normal((3200, n)).astype("float32") for n in (4, 2))
    x, y = X[:32], Y[:32]
    net, small = fastbp.Network([4, 64, 64, 2], seed=0), fastbp.Network([10, 32, 32, 1], seed=0)
    g = net.gradient(x, y)
    calls: dict[str, Callable[[], Any]] = {
        "train_on_batch": lambda: net.train_on_batch(x, y, optimizer=adam),
        "gradient": lambda: net.gradient(x, y),
        "parameter_vjp": lambda: net.parameter_vjp(x, y),
        "apply_gradient": lambda: net.apply_gradient(g, optimizer=adam),
        "fit, one step": lambda: net.fit(x, y, epochs=1, optimizer=adam),
    }
    for n in (1, 32, 256):
        rows = rng.standard_normal((n, 10)).astype("float32")
        calls[f"predict, {n} of [10,32,32,1]"] = lambda rows=rows: small.predict(rows)
    net.fit(X, Y, epochs=1, optimizer=adam)
    step = least(lambda: net.fit(X, Y, epochs=5, optimizer=adam, shuffle=False), 1, 2 * seconds) / 500
    print(f"{'the step inside an epoch':32}{step:8.1f} µs")
    for name, call in calls.items():
        for _ in range(2):  # compiles: a second step goes on from the first
            call()
        took = least(call, 50, seconds)
        print(f"{name:32}{took:8.1f} µs{took / step:8.2f} ×")


if __name__ == "__main__":
    main()

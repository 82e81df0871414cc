"""Eight Python threads train their own networks and predict with one shared network, for two minutes.

    python tests/stress/many_threads.py --seconds 120

Every result must have the bits of the same job done alone. Exits with 1 if one has not.
"""

import argparse
import random
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import fastbp
from fastbp.compiler.threads import PARALLEL_FROM

SHARED = fastbp.Network([60, 40, 10], activation="tanh", output_activation="softmax", seed=1)


def samples(n: int, n_in: int, n_out: int, seed: int = 0) -> tuple[Any, Any]:
    """Return inputs and targets."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (n, n_in)), np.eye(n_out)[rng.integers(0, n_out, n)]


def training(formulation: str, dtype: str, batch_size: int, optimizer: Callable[[], Any], **options: Any) -> Any:
    """Return a job that trains its own network, with a layer wide enough for a parallel region."""

    def job() -> bytes:
        net = fastbp.Network(
            [60, 33, 10], activation="sigmoid", cost="cross_entropy", dtype=dtype, seed=2, formulation=formulation
        )
        X, Y = samples(90, 60, 10)
        net.fit(X, Y, epochs=2, batch_size=batch_size, optimizer=optimizer(), **options)
        return bytes(net.parameters.tobytes() + net.gradient(X, Y).vector.tobytes())

    return job


def predicting(n: int) -> Any:
    """Return a job that predicts and evaluates with the shared network."""
    X, Y = samples(n, 60, 10, seed=n)
    return lambda: SHARED.predict(X).tobytes() + repr(SHARED.evaluate(X, Y)).encode()


def derivatives() -> bytes:
    """Derivatives of the shared network."""
    X, Y = samples(7, 60, 10)
    return bytes(SHARED.gradient(X[:1], Y[:1]).vector.tobytes() + SHARED.jacobian(X).tobytes())


JOBS: list[Callable[[], bytes]] = [
    training("tiles", "float32", 16, lambda: fastbp.Adam(0.01)),
    training("tiles", "float64", 1, lambda: fastbp.SGD(0.1)),
    training("tiles", "float32", 90, lambda: fastbp.Rprop()),
    training("loops", "float64", 32, lambda: fastbp.Momentum(0.1), dropout=0.2, l2=0.1),
    training("vectorized", "float32", 16, lambda: fastbp.RMSProp(0.01), clip_norm=1.0),
    predicting(1),
    predicting(3),
    predicting(500),
    derivatives,
]


def stress(seconds: float, n_threads: int = 8, seed: int = 0) -> tuple[int, list[str]]:
    """Let threads do jobs, each in its own order. Return the number of jobs done, and what went wrong."""
    before = dict(PARALLEL_FROM)
    PARALLEL_FROM.update(dict.fromkeys(before, 0.0))  # every step gets a parallel region
    try:
        expected = [job() for job in JOBS]
        done, wrong, end = [0] * n_threads, [], time.monotonic() + seconds

        def work(number: int) -> None:
            chance = random.Random(seed + number)
            while time.monotonic() < end and not wrong:
                job = chance.randrange(len(JOBS))
                try:
                    if JOBS[job]() != expected[job]:
                        wrong.append(f"job {job} has other bits")
                except BaseException as error:  # so that the error of a thread is reported
                    wrong.append(f"job {job}: {error!r}")
                done[number] += 1

        running = [threading.Thread(target=work, args=(number,)) for number in range(n_threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        return sum(done), wrong
    finally:
        PARALLEL_FROM.update(before)


def main() -> int:
    """Print the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--threads", type=int, default=8)
    options = parser.parse_args()
    done, wrong = stress(options.seconds, options.threads)
    print(
        f"{options.threads} Python threads did {done:,} jobs in {options.seconds:g} s; {len(wrong)} went wrong", *wrong
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

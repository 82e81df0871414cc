"""Training on ranks of MPI, one thread each: ``python benchmarks/mpi_ranks.py`` (needs ``fastbp[mpi]``).

First figure: the time of a step of [784, 512, 512, 10] with mini-batches of 1,024 on one rank, divided by that on two
ranks of this machine; runs take turns, and the median of their ratios counts. The same step without a communicator is
beside it.

Then a model of weak scaling, where each of R ranks has 512 rows of every mini-batch. A step takes

    T(R) = T₁ + 3 α log₂ R + 2 (1 − 1/R) V / B + (1 − 1/R) V / A

with T₁, the measured step of one rank with 512 rows, which is one shard: its gradient and the update; 3 log₂ R messages
one after the other, log₂ R of which tell whether all ranks are well, with a latency of α = 2 µs; the volume of the
recursive halving and doubling, 2 (1 − 1/R) V for a gradient of V bytes, at B = 10 GB/s; and its additions, at the
measured rate A. The efficiency is T₁ / T(R). The model leaves out that ranks wait for the slowest of them.
"""

import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import fastbp
from fastbp.comparison.machine import describe

SIZES, BATCH, STEPS = [784, 512, 512, 10], 1024, 4  # steps an epoch
LATENCY, BANDWIDTH = 2e-6, 10e9  # seconds, bytes per second


def step_seconds(communicator: object, batch: int, shards: int, epochs: int) -> float:
    """Return the median time of a step on this rank."""
    rank, size = (communicator.Get_rank(), communicator.Get_size()) if communicator else (0, 1)
    rng, n = np.random.default_rng(rank), STEPS * batch // size
    X, y = rng.random((n, SIZES[0]), dtype=np.float32), rng.integers(0, SIZES[-1], n)
    net = fastbp.Network(SIZES, cost="cross_entropy", seed=0)
    options = {"communicator": communicator, "shards": shards} if communicator else {}
    with fastbp.threads(1):
        history = net.fit(X, y, epochs=1 + epochs, batch_size=batch, optimizer=fastbp.Adam(1e-4), **options)
    return statistics.median(history.seconds[1:]) / STEPS  # the first epoch may compile


def on_ranks(size: int, what: str, epochs: int) -> float:
    """Return what `measured` measures on so many ranks."""
    mpiexec = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or "mpiexec"
    command = [mpiexec, "-n", str(size), sys.executable, __file__, "--measure", what, "--epochs", str(epochs)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env=os.environ | {"NUMBA_NUM_THREADS": "1"}
    )
    return float(json.loads(done.stdout))


def measured(what: str, epochs: int) -> float:
    """Return the seconds of a step, of the kind that the model or the comparison needs."""
    from mpi4py import MPI

    if what == "alone":
        return step_seconds(None, BATCH, 1, epochs)
    return step_seconds(MPI.COMM_WORLD, *{"ranks": (BATCH, 8), "shard": (BATCH // 2, 1)}[what], epochs)


def bytes_added_per_second(n: int) -> float:
    """Return A: how fast a vector of n numbers is added to another."""
    a, b = np.ones(n, np.float32), np.ones(n, np.float32)
    times = []
    for _ in range(50):
        start = time.perf_counter()
        a += b
        times.append(time.perf_counter() - start)
    return a.nbytes / statistics.median(times)


def model(step: float, volume: int, adding: float, ranks: int) -> float:
    """Return T(R) of the docstring."""
    share = 1 - 1 / ranks
    return step + 3 * LATENCY * math.log2(ranks) + 2 * share * volume / BANDWIDTH + share * volume / adding


def main() -> None:
    """Measure, and print the ratio and the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often one and two ranks take turns")
    parser.add_argument("--epochs", type=int, default=5, help=f"of {STEPS} steps, in each run")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        seconds, rank = measured(options.measure, options.epochs), os.environ.get("PMI_RANK", "0")
        if rank == "0":
            print(json.dumps(seconds))
        return
    print(describe())
    kinds = {"alone": (1, "alone"), "one": (1, "ranks"), "two": (2, "ranks"), "shard": (1, "shard")}
    rounds = [
        {name: on_ranks(size, what, options.epochs) for name, (size, what) in kinds.items()}
        for _ in range(options.rounds)
    ]
    seconds = {name: statistics.median(each[name] for each in rounds) for name in kinds}
    print(f"\n{SIZES}, mini-batch {BATCH}, float32, Adam, one thread a rank: ms a step")
    print(f"  without a communicator  {1e3 * seconds['alone']:7.1f}")
    print(f"  one rank, 8 shards      {1e3 * seconds['one']:7.1f}")
    ratio = statistics.median(each["one"] / each["two"] for each in rounds)
    print(f"  two ranks, 8 shards     {1e3 * seconds['two']:7.1f}   {ratio:.2f} times as fast as one")
    n = fastbp.Network(SIZES, seed=0).parameters.size + 1
    adding = bytes_added_per_second(n)
    print(
        f"\nweak scaling, {BATCH // 2} rows a rank and step, modelled with 2 µs, 10 GB/s, additions at "
        f"{adding / 1e9:.1f} GB/s"
    )
    print("  ranks  ms a step  efficiency  rows/s")
    for level in range(11):
        ranks = 2**level
        step = model(seconds["shard"], 4 * n, adding, ranks)
        print(f"  {ranks:5}  {1e3 * step:9.2f}  {seconds['shard'] / step:10.1%}  {ranks * BATCH // 2 / step:,.0f}")


if __name__ == "__main__":
    main()

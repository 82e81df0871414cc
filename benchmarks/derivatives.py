"""Derivatives beside JAX's, compiled by its jit: ``python benchmarks/derivatives.py``.

Per-sample gradients, only their norms, the clipped mean, gradients by the inputs, and Jacobians of [784,100,10] for
256 samples in float32. There is one process for each number of threads; in it both libraries take turns on the same
cores, and the ratio is the median of the ratios within the rounds. JAX gets its weights as (n_in, n_out) and as
(n_out, n_in), and the faster form counts. "pages" is how many pages of memory the system provided during a call: a
result in new memory needs them, which JAX's always is and fastbp's is not with ``out=``.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sidebyside.process import THREAD_VARIABLES, Settings

SIZES, SAMPLES, CLIP = (784, 100, 10), 256, 1.0
GRADIENTS, NORMS, JACOBIANS = "per-sample gradients", "norms of them", "Jacobians"
JAX, ITS_GRADIENTS = "JAX", "JAX's gradients"
WANTED = {(GRADIENTS, JAX): 3, (NORMS, ITS_GRADIENTS): 20, (JACOBIANS, JAX): 2}  # at least so many times as fast
TOLERANCE = 1e-4  # relative to the largest number, in float32
PAUSE = 0.02  # seconds, in which the threads of the previous call end their busy waiting

Calls = dict[str, Callable[[], Any]]


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--threads", default="1,2", help="numbers of threads, one after the other (default 1,2)")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.04, help="minimum of each measurement (default 0.04)")
    parser.add_argument("--json", help="file for the figures of all rounds")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        print(json.dumps(measure(arguments.worker, arguments.rounds, arguments.seconds)))
        return
    results = [run(int(n), arguments.rounds, arguments.seconds) for n in arguments.threads.split(",")]
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def run(threads: int, rounds: int, seconds: float) -> dict[str, Any]:
    """Measure in a process whose environment tells the libraries this number of threads."""
    command = [sys.executable, __file__, "--worker", str(threads), "--rounds", str(rounds), "--seconds", str(seconds)]
    surroundings = Settings(threads, 0).environment(Path())
    names = (*THREAD_VARIABLES, "XLA_FLAGS", "JAX_PLATFORMS", "JAX_ENABLE_X64")
    environment = {**os.environ, **{name: surroundings[name] for name in names}}
    answer = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, Any] = json.loads(answer.stdout)
    print(report(result), flush=True)
    return result


def measure(threads: int, rounds: int, seconds: float) -> dict[str, Any]:
    """Return the seconds per call, a figure for each round, and the pages per call."""
    cores = Settings(threads, 0).cores
    if cores:
        os.sched_setaffinity(0, cores)
    import jax

    import fastbp
    from fastbp.comparison.timing import interleaved_rounds

    calls, pairs = everything()
    figures = {}
    for names in groups(pairs):
        figures |= interleaved_rounds({name: calls[name] for name in names}, rounds, seconds, pause_s=PAUSE)
    pages = {name: pages_of(call) for name, call in calls.items()}
    versions = {"fastbp": fastbp.__version__, "jax": jax.__version__}
    return {"threads": threads, "versions": versions, "pairs": pairs, "seconds": figures, "pages": pages}


def everything() -> tuple[Calls, list[tuple[str, str, list[str]]]]:
    """Return the calls by name, and the pairs of calls to compare. The results of all pairs have been checked."""
    import numpy as np
    from sidebyside import jax_derivatives

    import fastbp

    rng = np.random.default_rng(0)
    X = rng.random((SAMPLES, SIZES[0]), dtype=np.float32)
    Y = np.eye(SIZES[-1], dtype=np.float32)[rng.integers(0, SIZES[-1], SAMPLES)]
    net = fastbp.Network(SIZES, activation="sigmoid", cost="cross_entropy", seed=0)
    out = np.zeros((SAMPLES, net.parameters.size), np.float32)
    ours: Calls = {
        GRADIENTS: lambda: net.per_sample_gradients(X, Y),
        "the same, out=": lambda: net.per_sample_gradients(X, Y, out=out),
        NORMS: lambda: net.per_sample_gradient_norms(X, Y),
        "mean of clipped ones": lambda: net.clipped_gradient(X, Y, CLIP).vector,
        "gradients by the inputs": lambda: net.input_gradient(X, Y),
        JACOBIANS: lambda: net.jacobian(X),
    }
    theirs = jax_derivatives.calls(net.weights, net.biases, X, Y, CLIP)
    calls, pairs = dict(ours), []
    for name, call in ours.items():
        peers = theirs[GRADIENTS if "out=" in name else name]
        for peer, (their_call, read) in peers.items():
            difference = np.abs(call() - read(their_call())).max() / np.abs(call()).max()
            if not difference <= TOLERANCE:
                raise SystemExit(f"{name}: {peer} differs by {difference:.2g}, relative to the largest number")
            calls[peer] = their_call
        if name == NORMS:
            pairs.append((NORMS, ITS_GRADIENTS, list(theirs[GRADIENTS])))
        pairs.append((name, JAX, list(peers)))
    return calls, pairs


def groups(pairs: list[tuple[str, str, list[str]]]) -> list[list[str]]:
    """Return the groups of calls that take turns: only those that are compared, so that a round takes half a second.

    A virtual machine may return memory that has been free for two seconds to its host. To get it again takes 100 ms for
    a result of 80 MB.
    """
    found: list[list[str]] = []
    for name, _, peers in pairs:
        together = next((group for group in found if {name, *peers} & {*group}), None)
        if together is None:
            together = []
            found.append(together)
        together += [each for each in (name, *peers) if each not in together]
    return found


def pages_of(call: Callable[[], Any], n: int = 5) -> float:
    """Return how many pages of memory the system provided during a call."""
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(n):
        call()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / n


def report(result: dict[str, Any]) -> str:
    """Return a table: fastbp beside the faster form of JAX."""
    seconds, pages, n = result["seconds"], result["pages"], result["threads"]
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    lines = [
        f"\n{list(SIZES)}, {SAMPLES} samples, float32, {n} {'thread' if n == 1 else 'threads'}; {versions}",
        f"{'':<25}{'fastbp':>11}{'pages':>8}{'beside':>17}{'':>11}{'pages':>8}{'faster':>9}{'wanted':>8}",
    ]
    for name, beside, peers in result["pairs"]:
        peer = min(peers, key=lambda peer: statistics.median(seconds[peer]))
        ratio = statistics.median(b / a for a, b in zip(seconds[name], seconds[peer], strict=True))
        wanted = f"{WANTED[name, beside]} x" if (name, beside) in WANTED else ""
        ours, theirs = (statistics.median(seconds[which]) * 1e3 for which in (name, peer))
        lines.append(
            f"{name:<25}{ours:>8.2f} ms{pages[name]:>8.0f}{beside:>17}{theirs:>8.2f} ms{pages[peer]:>8.0f}"
            f"{ratio:>7.1f} x{wanted:>8}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()

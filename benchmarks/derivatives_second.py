"""The cost of products with second derivatives, in gradients: ``python benchmarks/derivatives_second.py``.

Gradient and products take turns in one run. A figure is the median of the ratios within the rounds; the ratio of
multiply-adds follows in brackets. A forward pass has F multiply-adds, its first layer f: a gradient then has 3 F − f
(the first layer propagates no errors), a Hessian product 8 F − 5 f (each sum twice, but the inputs have no tangent),
the other products 5 F − 2 f, and a tangent of the outputs, jvp, 2 F.

The process keeps freed memory (glibc). Otherwise a call that gets new pages from the system takes up to twice as long,
sometimes the gradient and sometimes the product. ``--system-memory`` leaves the default of the system.
"""

import argparse
import ctypes
import os
import statistics
from itertools import pairwise
from typing import Any

CASES = {"784,100,10": 256, "784,512,512,10": 256, "8,16,16,1": 256}
LIMIT = 3.5  # the most that a Hessian product may cost, in gradients


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--threads", default="1,2", help="numbers of threads, in turn (default %(default)s)")
    parser.add_argument("--samples", type=int, default=0, help="instead of 256")
    parser.add_argument("--dtype", default="float32", choices=["float32", "float64"])
    parser.add_argument("--activation", default="tanh")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.02, help="minimum of a turn (default %(default)s)")
    parser.add_argument("--system-memory", action="store_true", help="let freed memory return to the system")
    arguments = parser.parse_args()
    if not arguments.system_memory:
        keep_memory()
    for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ[variable] = "1"
    print(f"{'':<18}{'threads':>8}{'gradient':>12}{'hessian':>16}{'gauss_newton':>16}{'emp. fisher':>16}{'jvp':>14}")
    worst = 0.0
    for sizes, samples in CASES.items():
        for n_threads in map(int, arguments.threads.split(",")):
            worst = max(worst, measure(sizes, arguments.samples or samples, n_threads, arguments))
    print("\nthe time of a gradient, and of the others the multiple of it, in brackets that of the multiply-adds")
    print(f"the slowest Hessian product takes {worst:.2f} gradients, {'within' if worst <= LIMIT else 'above'} {LIMIT}")


def keep_memory() -> None:
    """Tell glibc's malloc not to trim its heap and not to map large arrays one by one; elsewhere do nothing."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    for parameter in (-1, -3):  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
        mallopt(parameter, 2**30)


def measure(sizes: str, n: int, n_threads: int, arguments: argparse.Namespace) -> float:
    import numpy as np

    import fastbp
    from fastbp.comparison.timing import interleaved_rounds, median_of_ratios

    rng, layers = np.random.default_rng(0), [int(size) for size in sizes.split(",")]
    cost = "cross_entropy" if layers[-1] > 1 else "quadratic"
    net = fastbp.Network(layers, activation=arguments.activation, cost=cost, dtype=arguments.dtype, seed=0)
    X = rng.random((n, layers[0])).astype(net.dtype)
    Y: Any = rng.integers(0, layers[-1], n) if layers[-1] > 1 else rng.random(n)
    v = rng.standard_normal(net.parameters.size).astype(net.dtype)
    calls = {
        "gradient": lambda: net.gradient(X, Y),
        "hessian": lambda: net.hessian_vector_product(X, Y, v),
        "gauss_newton": lambda: net.gauss_newton_vector_product(X, Y, v),
        "empirical": lambda: net.empirical_fisher_vector_product(X, Y, v),
        "jvp": lambda: net.jvp(X, X),
    }
    with fastbp.threads(n_threads):
        seconds = interleaved_rounds(calls, arguments.rounds, arguments.seconds)
    F, f = sum(n_in * n_out for n_in, n_out in pairwise(layers)), layers[0] * layers[1]
    sums = {"hessian": 8 * F - 5 * f, "gauss_newton": 5 * F - 2 * f, "empirical": 5 * F - 2 * f, "jvp": 2 * F}
    ratios = {name: median_of_ratios(seconds[name], seconds["gradient"]) for name in sums}
    figures = "".join(f"{ratios[name]:>9.2f} ({sums[name] / (3 * F - f):.2f})" for name in sums)
    print(f"{sizes:<18}{n_threads:>8}{statistics.median(seconds['gradient']) * 1e6:>9.0f} µs{figures}", flush=True)
    return ratios["hessian"]


if __name__ == "__main__":
    main()

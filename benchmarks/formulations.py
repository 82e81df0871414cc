"""How fast the formulations train, side by side: ``python benchmarks/formulations.py``.

Every round trains one epoch with each formulation in turn, the order reversed from round to round, all with the same
number of threads, BLAS included. What is compared is the median over the rounds, and its ratio.
"""

import argparse
import os
import statistics


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="784,30,10", help="neurons of each layer (default %(default)s)")
    parser.add_argument("--batch-size", type=int, default=10)
    parser.add_argument("--samples", type=int, default=10_000, help="samples an epoch (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dtypes", default="float32,float64")
    parser.add_argument("--formulations", default="textbook,vectorized,loops")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[variable] = str(arguments.threads)  # before NumPy is imported: BLAS looks once
    for dtype in arguments.dtypes.split(","):
        measure(arguments, dtype)


def measure(arguments: argparse.Namespace, dtype: str) -> None:
    import numpy as np

    import fastbp

    sizes = [int(n) for n in arguments.sizes.split(",")]
    names = arguments.formulations.split(",")
    rng = np.random.default_rng(0)
    X = rng.random((arguments.samples, sizes[0])).astype(dtype)
    Y = np.eye(sizes[-1], dtype=dtype)[rng.integers(0, sizes[-1], arguments.samples)]
    optimizer = fastbp.SGD(0.1)
    nets = {
        name: fastbp.Network(sizes, activation="sigmoid", cost="quadratic", dtype=dtype, seed=0, formulation=name)
        for name in names
    }
    for net in nets.values():
        net.fit(X[: arguments.batch_size], Y[: arguments.batch_size], epochs=1, optimizer=optimizer)  # compiles
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for round_ in range(arguments.rounds):
        for name in names if round_ % 2 else reversed(names):
            history = nets[name].fit(
                X, Y, epochs=1, batch_size=arguments.batch_size, optimizer=optimizer, progress=False
            )
            seconds[name] += history.seconds
    report(seconds, arguments, dtype, sizes)


def report(seconds: dict[str, list[float]], arguments: argparse.Namespace, dtype: str, sizes: list[int]) -> None:
    print(f"\n{sizes}, mini-batch {arguments.batch_size}, {dtype}, {arguments.threads} thread(s), one epoch:")
    print(f"{'formulation':<12}{'ms':>10}{'min…max':>20}{'µs a step':>12}{'time / loops':>14}")
    steps = -(-arguments.samples // arguments.batch_size)
    for name, rounds in seconds.items():
        median = statistics.median(rounds)
        spread = f"{min(rounds) * 1e3:.1f}…{max(rounds) * 1e3:.1f}"
        paired = [theirs / ours for theirs, ours in zip(rounds, seconds.get("loops", rounds), strict=True)]
        ratio = statistics.median(paired)
        print(f"{name:<12}{median * 1e3:>10.1f}{spread:>20}{median / steps * 1e6:>12.1f}{ratio:>14.2f}")


if __name__ == "__main__":
    main()

"""`fastbp.sklearn` beside scikit-learn's own MLP, in one run: ``python benchmarks/sklearn_mlp.py``.

Both take turns with the same fits on one thread: `MLPClassifier` and `MLPRegressor` with default parameters, and the
same number of epochs. At the end their weights are compared, and `predict` of one row is timed. "ratio" is the median
over the rounds of theirs/ours, "range" the smallest and the largest. "limit" is the ratio that fastbp would reach if it
spent time only on the multiply-adds of backpropagation, at the speed that `benchmarks/peak.py` measures: it cannot be
ten times faster where scikit-learn already runs at the speed of BLAS. (Most inputs of MNIST are 0. fastbp skips them,
so it needs fewer multiply-adds there.)
"""

import argparse
import os
import statistics
import sys
import time
import warnings
from typing import Any

import numpy as np
from sklearn import datasets, neural_network
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

import fastbp
import fastbp.sklearn
from fastbp.comparison import machine

CASES = {  # name: estimator, epochs of a fit
    "digits": ("MLPClassifier", 30),
    "breast cancer": ("MLPClassifier", 100),
    "diabetes": ("MLPRegressor", 150),
    "mnist": ("MLPClassifier", 4),
}
LOADERS = {"digits": "load_digits", "breast cancer": "load_breast_cancer", "diabetes": "load_diabetes"}
MODULES = {"theirs": neural_network, "ours": fastbp.sklearn}
HEAD = f"{'data':14}{'samples':>8}{'dtype':>9}{'theirs':>11}{'ours':>11}{'ratio':>7}{'range':>13}{'limit':>7}"


def load(name: str, dtype: str) -> tuple[Any, Any]:
    """Return inputs, every column with mean 0 and variance 1, and targets."""
    if name == "mnist":
        data = fastbp.load_mnist()
        return data.X_train.astype(dtype), data.y_train
    X, y = getattr(datasets, LOADERS[name])(return_X_y=True)
    return ((X - X.mean(axis=0)) / np.maximum(X.std(axis=0), 1e-9)).astype(dtype), y


def fit(whose: str, name: str, X: Any, y: Any, epochs: int) -> tuple[Any, float]:
    """Return a fitted estimator, and the seconds per epoch."""
    model = getattr(MODULES[whose], CASES[name][0])(max_iter=epochs, tol=0.0, n_iter_no_change=np.inf, random_state=0)
    start = time.perf_counter()
    model.fit(X, y)
    return model, (time.perf_counter() - start) / epochs


def difference(ours: Any, theirs: Any) -> float:
    """Return the largest difference of weights, relative to the largest weight of the layer."""
    pairs = zip(ours.coefs_, theirs.coefs_, strict=True)
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)


def measure(name: str, dtype: str, rounds: int, share: float, peak: float) -> dict[str, Any]:
    """Return the figures of a row of the table; both libraries run in each round, in alternating order."""
    (X, y), epochs = load(name, dtype), max(1, round(CASES[name][1] * share))
    fit("ours", name, X[:300], y[:300], 1)  # compiles
    seconds: dict[str, list[float]] = {"theirs": [], "ours": []}
    for i in range(rounds):
        models = {}
        for whose in sorted(seconds, reverse=i % 2 == 0):
            models[whose], each = fit(whose, name, X, y, epochs)
            seconds[whose].append(each)
    ours = models["ours"]
    first, rest = ours.coefs_[0].size, sum(w.size for w in ours.coefs_[1:])
    least = len(X) * (4 * first + 6 * rest) / (1e9 * peak)  # the first layer propagates no errors
    ratios = [a / b for a, b in zip(seconds["theirs"], seconds["ours"], strict=True)]
    return {
        "data": name, "samples": len(X), "dtype": dtype, "ratios": ratios, "ratio": statistics.median(ratios),
        "theirs": statistics.median(seconds["theirs"]), "ours": statistics.median(seconds["ours"]),
        "limit": statistics.median(seconds["theirs"]) / least, "difference": difference(ours, models["theirs"]),
        "models": models, "row": X[:1],
    }  # fmt: skip


def predict_one(models: dict[str, Any], row: Any, calls: int) -> dict[str, float]:
    """Return the seconds of `predict` of one row: the smallest of several means."""
    best = dict.fromkeys(models, float("inf"))
    for _ in range(7):
        for whose, model in models.items():
            start = time.perf_counter()
            for _ in range(calls):
                model.predict(row)
            best[whose] = min(best[whose], (time.perf_counter() - start) / calls)
    return best


def duration(seconds: float) -> str:
    """Return the seconds as text with a unit."""
    return f"{seconds:.3f} s " if seconds >= 1 else f"{seconds * 1e3:.3f} ms"


def main() -> int:
    """Measure all cases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", action="append", choices=CASES, help="only this case; can be given several times")
    parser.add_argument("--dtype", default="float64", choices=["float64", "float32"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="a few epochs, as a test")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    cases = arguments.case or [name for name in CASES if name != "mnist" or "FASTBP_DATA" in os.environ]
    fastbp.set_num_threads(1)
    with threadpool_limits(1):
        peak = machine.gflops(arguments.dtype, seconds=0.5)
        print(f"one thread, an epoch of the default net; the machine's peak is {peak:.0f} GFLOP/s")
        print(f"{HEAD}{'coefs_':>10}")
        rows = []
        for name in cases:
            row = measure(name, arguments.dtype, arguments.rounds, 0.05 if arguments.quick else 1.0, peak)
            rows.append(row)
            span = f"{min(row['ratios']):.1f} - {max(row['ratios']):.1f}"
            print(
                f"{row['data']:14}{row['samples']:8d}{row['dtype']:>9}{duration(row['theirs']):>11}"
                f"{duration(row['ours']):>11}{row['ratio']:7.1f}{span:>13}{row['limit']:7.1f}{row['difference']:10.0e}"
            )
        print("\npredict of one row")
        for row in rows:
            took = predict_one(row["models"], row["row"], 5 if arguments.quick else 200)
            print(f"{row['data']:14}theirs {took['theirs'] * 1e6:7.1f} µs   ours {took['ours'] * 1e6:6.1f} µs")
    if "mnist" not in cases:
        print("\nMNIST was left out: set FASTBP_DATA to the folder that has mnist/")
    return 0


if __name__ == "__main__":
    sys.exit(main())

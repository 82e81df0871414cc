"""`partial_fit` of `fastbp.sklearn` beside scikit-learn's: ``python benchmarks/sklearn_partial_fit.py``.

Each call has a few rows of standard normal inputs, with numbers or ten classes as targets; one thread, and default
parameters except for the layers. The turns of both are interleaved, and their order is reversed from round to round.
"ratio" is the median over the rounds of theirs/ours, "range" the smallest and the largest. "coefs_" is the largest
difference of weights after ten calls.
"""

import argparse
import statistics
import sys
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from sklearn_mlp import MODULES, difference
from threadpoolctl import threadpool_limits

import fastbp
from fastbp.comparison import machine, timing

KINDS = ("MLPRegressor", "MLPClassifier")
HIDDEN = {"100": (100,), "256x256": (256, 256)}
ROWS = (1, 32, 200)
DTYPES = ("float64", "float32")
HEAD = f"{'estimator':14}{'hidden':>9}{'dtype':>9}{'rows':>6}{'theirs':>10}{'ours':>10}{'ratio':>7}{'range':>13}"


def samples(kind: str, rows: int, features: int, dtype: str) -> tuple[Any, Any]:
    """Return inputs, and numbers or classes as targets."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, features)).astype(dtype)
    return X, np.arange(rows) % 10 if kind == "MLPClassifier" else rng.normal(size=rows).astype(dtype)


def new(whose: str, kind: str, hidden: tuple[int, ...], X: Any, y: Any) -> Any:
    """Return an estimator after its first call of `partial_fit`."""
    model = getattr(MODULES[whose], kind)(hidden_layer_sizes=hidden, random_state=0)
    return model.partial_fit(X, y, **({"classes": np.arange(10)} if kind == "MLPClassifier" else {}))


def measure(kind: str, hidden: tuple[int, ...], X: Any, y: Any, rounds: int, seconds: float) -> dict[str, Any]:
    """Return the figures of a row of the table."""
    models = {whose: new(whose, kind, hidden, X, y) for whose in MODULES}
    for model in models.values():
        for _ in range(9):
            model.partial_fit(X, y)
    differ = difference(models["ours"], models["theirs"])
    calls = {whose: partial(model.partial_fit, X, y) for whose, model in models.items()}
    took = timing.interleaved_rounds(calls, rounds, seconds)
    ratios = [theirs / ours for theirs, ours in zip(took["theirs"], took["ours"], strict=True)]
    return {"ratios": ratios, "difference": differ} | {whose: statistics.median(took[whose]) for whose in MODULES}


def main() -> int:
    """Measure all cases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="a few calls, as a test")
    arguments = parser.parse_args()
    fastbp.set_num_threads(1)
    print(f"{machine.describe()['processor']}; one thread, {arguments.features} features, µs per call")
    print(f"{HEAD}{'coefs_':>10}")
    with threadpool_limits(1):
        for kind, hidden, dtype, rows in product(KINDS, HIDDEN, DTYPES, ROWS):
            X, y = samples(kind, rows, arguments.features, dtype)
            turns = (2, 0.0) if arguments.quick else (arguments.rounds, 0.02)
            row = measure(kind, HIDDEN[hidden], X, y, *turns)
            span = f"{min(row['ratios']):.1f} - {max(row['ratios']):.1f}"
            print(
                f"{kind:14}{hidden:>9}{dtype:>9}{rows:6d}{row['theirs'] * 1e6:10.0f}{row['ours'] * 1e6:10.0f}"
                f"{statistics.median(row['ratios']):7.1f}{span:>13}{row['difference']:10.0e}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A search for hyperparameters beside scikit-learn's: ``python benchmarks/sklearn_search.py``.

Candidates for the digits are drawn once: widths, learning rates, penalties and sizes of mini-batches of an
MLPClassifier. GridSearchCV searches them with scikit-learn's own MLPClassifier in two processes, `MLPSearchCV` with
fastbp's on two threads, then with successive halving. Each gets the same candidates, folds and `random_state`. "ratio"
is theirs/ours of one run, without the training of the best on all samples. "scores" is the largest difference of a mean
score, in samples of a fold; "best" the mean score of the winner.
"""

import argparse
import os
import sys
import time
import warnings
from typing import Any

import numpy as np
from sklearn import datasets, neural_network
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, ParameterSampler, StratifiedKFold
from threadpoolctl import threadpool_limits

import fastbp
import fastbp.sklearn
from fastbp.comparison.machine import describe

SPACE = {
    "hidden_layer_sizes": [(16,), (32,), (64,), (100,), (32, 32)], "learning_rate_init": np.logspace(-4, -1.5, 26),
    "alpha": np.logspace(-6, 0, 13), "batch_size": [32, 64, 200],
}  # fmt: skip
HALVING = fastbp.Halving(factor=3, every=10)


def searches(candidates: list[dict[str, Any]], epochs: int, folds: int, n: int) -> dict[str, Any]:
    """Return the searches, by name."""
    spaces = [{name: [value] for name, value in candidate.items()} for candidate in candidates]
    of_mlp = {"max_iter": epochs, "random_state": 0}
    cv = {"cv": StratifiedKFold(folds, shuffle=True, random_state=0), "refit": False}
    theirs, ours = neural_network.MLPClassifier(**of_mlp), fastbp.sklearn.MLPClassifier(**of_mlp)
    return {
        "GridSearchCV": GridSearchCV(theirs, spaces, n_jobs=n, **cv),
        "MLPSearchCV": fastbp.sklearn.MLPSearchCV(ours, spaces, progress=True, **cv),
        "with halving": fastbp.sklearn.MLPSearchCV(ours, spaces, halving=HALVING, progress=True, **cv),
    }


def main() -> int:
    """Run all searches and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=200)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=100, help="the most of a fit")
    parser.add_argument("--jobs", type=int, default=2, help="processes of scikit-learn, threads of fastbp")
    options = parser.parse_args()
    os.environ["PYTHONWARNINGS"] = "ignore"  # of scikit-learn's processes
    warnings.simplefilter("ignore", ConvergenceWarning)
    X, y = datasets.load_digits(return_X_y=True)
    X = X / 16
    candidates = list(ParameterSampler(SPACE, options.candidates, random_state=0))
    found = searches(candidates, options.epochs, options.folds, options.jobs)
    print(f"{describe()['processor']}, {os.cpu_count()} cores")
    print(
        f"{len(candidates)} candidates, {options.folds} folds, at most {options.epochs} epochs, {options.jobs} threads"
    )
    print(f"{'':14}{'seconds':>10}{'ratio':>8}{'scores':>8}{'best':>9}")
    with fastbp.threads(options.jobs), threadpool_limits(1):
        short = fastbp.sklearn.MLPClassifier(max_iter=2)
        fastbp.sklearn.MLPSearchCV(short, {"alpha": [0, 1]}, cv=2).fit(X, y)  # compiles
        took, of_theirs = {}, None
        for name, search in found.items():
            start = time.perf_counter()
            search.fit(X, y)
            took[name] = time.perf_counter() - start
            scores = search.cv_results_["mean_test_score"]
            of_theirs = scores if of_theirs is None else of_theirs
            apart = np.abs(scores - of_theirs).max() * len(X) / options.folds
            differ = "" if name == "with halving" else f"{apart:.1f}"
            ratio = took["GridSearchCV"] / took[name]
            print(f"{name:14}{took[name]:10.2f}{ratio:8.1f}{differ:>8}{search.best_score_:9.4f}")
    print("the same winner without halving:", found["GridSearchCV"].best_index_ == found["MLPSearchCV"].best_index_)
    return 0


if __name__ == "__main__":
    sys.exit(main())

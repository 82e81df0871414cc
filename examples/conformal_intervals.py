"""Intervals with a guarantee: MAPIE's conformal prediction around networks of `fastbp.sklearn`.

    python examples/conformal_intervals.py [FOLDER] [--quick]

Intervals that a network gives itself are right if it has learned what it claims to know. Conformal prediction needs no
such trust: rows that were not trained on say how much wider, or narrower, the intervals must be, and then 90 % of them
hold the target, on average over such rows, whatever the network is. It cannot say where. So it is as good as what it
is put around: around a network that knows one number, all intervals are equally wide; around networks that know two
quantiles, they are wide where the targets scatter. Needs `pip install mapie`. Writes `conformal_intervals.png` to
FOLDER, by default the current folder.
"""

import argparse
from pathlib import Path

import numpy as np
from mapie.regression import ConformalizedQuantileRegressor, SplitConformalRegressor
from sklearn.base import BaseEstimator, RegressorMixin

from fastbp.sklearn import MLPRegressor

LEVEL = 0.9


class OneQuantile(RegressorMixin, BaseEstimator):
    """One of the quantiles of a fitted network, as the estimator of its own that MAPIE asks for."""

    is_fitted = True

    def __init__(self, model, place):
        self.model, self.place = model, place

    def fit(self, X, y):
        """Do nothing: the network is fitted."""
        return self

    def predict(self, X):
        """Return the quantile."""
        return self.model.predict_quantiles(X)[:, self.place]


def curve(x):
    """Return what y scatters around."""
    return np.sin(4 * x) + 0.5 * x


def data(n, rng):
    """Return x and y, which scatters more and more from left to right, and not as a normal distribution does."""
    x = rng.uniform(-1, 1, n)
    return x[:, None], curve(x) + (0.03 + 0.2 * (x + 1) ** 2) * (rng.exponential(size=n) - 1)


def bands(train, calibration, epochs):
    """Return a function of x for each kind of interval: its low and high ends."""
    options = {
        "hidden_layer_sizes": (20,), "activation": "tanh", "max_iter": epochs, "learning_rate_init": 0.01,
        "alpha": 0.001, "random_state": 1,
    }  # fmt: skip
    own = MLPRegressor(loss="gaussian_nll", **options).fit(*train)

    def by_itself(x):
        mean, deviation = own.predict(x, return_std=True)
        return mean - 1.645 * deviation, mean + 1.645 * deviation

    plain = SplitConformalRegressor(MLPRegressor(**options).fit(*train), confidence_level=LEVEL, prefit=True)
    three = MLPRegressor(loss="quantile", quantile=[0.05, 0.5, 0.95], **options).fit(*train)
    ends = [OneQuantile(three, place) for place in (0, 2, 1)]  # low, high, median
    of_quantiles = ConformalizedQuantileRegressor(ends, confidence_level=LEVEL, prefit=True)
    yield "gaussian_nll, as it is", by_itself
    for name, conformal in (("conformal, one number", plain), ("conformal, quantiles", of_quantiles)):
        conformal.conformalize(*calibration)
        yield name, lambda x, conformal=conformal: conformal.predict_interval(x)[1][:, :, 0].T


def main():
    """Print how many new targets are in the intervals, left and right, and draw them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", default=".", type=Path)
    parser.add_argument("--quick", action="store_true", help="shorter training")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    train, calibration, (X, y) = data(1000, rng), data(1000, rng), data(10_000, rng)
    found = list(bands(train, calibration, 100 if asked.quick else 400))

    left = X[:, 0] < 0
    print(f"{'new targets inside, mean width':<34}{'all':>14}{'left half':>14}{'right half':>14}")
    for name, ends in found:
        low, high = ends(X)
        parts = [
            (np.mean((low < y) & (y < high), where=of), np.mean(high - low, where=of)) for of in (True, left, ~left)
        ]
        print(f"{name:<34}" + "".join(f"{share:>8.1%}{width:>6.2f}" for share, width in parts))

    try:
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
    except ImportError:
        return
    Z = np.linspace(-1, 1, 201)[:, None]
    figure, axes = plt.subplots(1, 3, figsize=(10, 3.2), sharey=True, layout="constrained")
    for panel, (name, ends) in zip(axes, found, strict=True):
        low, high = ends(Z)
        panel.fill_between(Z[:, 0], low, high, color="#7fb2d9", alpha=0.6, linewidth=0)
        panel.plot(X[:500, 0], y[:500], ".", color="0.45", markersize=2)
        panel.plot(Z, curve(Z), "--", color="0.2", linewidth=1, label="mean")
        panel.set_title(name)
        panel.set_xlabel("x")
    axes[0].set_ylim(-2, 4)
    axes[0].set_ylabel("y, and 90 % of it")
    axes[0].legend(loc="upper left", frameon=False)
    path = asked.folder / "conformal_intervals.png"
    figure.savefig(path, dpi=150)
    print(f"\nwrote {path}")


if __name__ == "__main__":
    main()

"""Answers with error bars and from known derivatives: how well the intervals cover, how fast and exact the fits are.

    python benchmarks/answers.py intervals     90 % intervals of gaussian_nll, quantiles and Laplace, held-out rows
    python benchmarks/answers.py sinc          Levenberg–Marquardt on sin(4πx)/4πx, to a mean squared error of 1e-8
    python benchmarks/answers.py surrogate     a surrogate from values and derivatives against values only
    python benchmarks/answers.py step          a step with the derivatives of all inputs against a plain step
    python benchmarks/answers.py jenn          the same net to the same loss as jenn (pip install jenn)

`intervals` needs the tables of FASTBP_DATA and scikit-learn. Times are processor times of one thread.
"""

import os
import statistics
import sys
import time
import warnings
from pathlib import Path

import numpy as np

import fastbp


def seconds(run, *arguments, **options):
    """Return the processor time of a call."""
    start = time.process_time()
    run(*arguments, **options)
    return time.process_time() - start


def tables():
    """Yield five regression sets: name, inputs and targets."""
    import pandas
    from sklearn.datasets import load_diabetes

    folder = Path(os.environ["FASTBP_DATA"]) / "tables"
    for name, header, target in (
        ("abalone", None, -1), ("winequality-red", None, -1), ("mpg", 0, "mpg"), ("housing", 0, "median_house_value"),
    ):  # fmt: skip
        frame = pandas.read_csv(folder / f"{name}.csv", header=header).dropna()
        y = frame.pop(frame.columns[target] if isinstance(target, int) else target)
        frame = frame.drop(columns=[column for column in frame if frame[column].nunique() > 50 and
                                    not pandas.api.types.is_numeric_dtype(frame[column])])  # fmt: skip
        yield name, pandas.get_dummies(frame).to_numpy(float), y.to_numpy(float)
    yield "diabetes", *load_diabetes(return_X_y=True)


def interval(kind, X, y, Z, seed):
    """Return the 5 % and the 95 % quantile for inputs Z."""
    from fastbp.sklearn import MLPRegressor

    common = {"hidden_layer_sizes": (20 if len(X) >= 1000 else 5,), "activation": "tanh", "random_state": seed}
    if kind == "laplace":
        model = MLPRegressor(
            **common, uncertainty="laplace", max_iter=40,
            optimizer=fastbp.LevenbergMarquardt(regularization="evidence"),
        )  # fmt: skip
        model.fit(X, (y - y.mean()) / y.std())
        return model.predict_quantiles(Z, [0.05, 0.95]).T * y.std() + y.mean()
    loss = {"loss": "gaussian_nll"} if kind == "gaussian_nll" else {"loss": "quantile", "quantile": [0.05, 0.5, 0.95]}
    model = MLPRegressor(
        **common, **loss, early_stopping=True, scoring="loss", validation_fraction=0.25, max_iter=1000,
        batch_size=min(64, len(X) // 8), learning_rate_init=0.01, n_iter_no_change=50, alpha=1.0,
    )  # fmt: skip
    model.fit(X, y)
    return model.predict_quantiles(Z, [0.05, 0.95])[:, [0, -1]].T


def intervals():
    """Print how many held-out targets are in the 90 % intervals, the mean over folds and seeds.

    Sizes, penalty and stopping were chosen on other folds of these tables, those of random_state=0.
    """
    from sklearn.model_selection import KFold

    print(f"{'set':<18}{'rows':>7}{'gaussian_nll':>14}{'quantiles':>12}{'laplace':>10}")
    for name, X, y in tables():
        X = (X - X.mean(axis=0)) / np.maximum(X.std(axis=0), 1e-12)
        cells = []
        for kind in ("gaussian_nll", "quantiles", "laplace"):
            inside = []
            for fold, (train, test) in enumerate(KFold(5, shuffle=True, random_state=1).split(X)):
                low, high = interval(kind, X[train], y[train], X[test], 5 + fold)
                inside.append((low <= y[test]) & (y[test] <= high))
            cells.append(np.concatenate(inside).mean())
        print(
            f"{name:<18}{len(X):>7}" + "".join(f"{100 * c:>{w}.1f}" for c, w in zip(cells, (14, 12, 10), strict=True))
        )


def sinc():
    """Print iterations and times to 1e-8, for five seeds."""
    X = np.linspace(-1, 1, 2000)[:, None]
    times = []
    for seed in range(-1, 5):
        net = fastbp.Network(
            [1, 20, 1], activation="tanh", cost="squared_error", initializer="nguyen_widrow", dtype="float64",
            seed=max(seed, 0),
        )  # fmt: skip
        goal = fastbp.EarlyStopping(monitor="cost", goal=1e-8)
        start, wall = time.process_time(), time.perf_counter()
        history = net.fit(X, np.sinc(4 * X), epochs=1000, optimizer=fastbp.LevenbergMarquardt(), early_stopping=goal)
        took, wall = time.process_time() - start, time.perf_counter() - wall
        if seed >= 0:  # the first one compiles
            times.append(took)
            words = f"{len(history):4} iterations  {history.cost[-1]:.2e}  {took:.3f} s, {wall:.3f} s on the clock"
            print(f"seed {seed}  {words}")
    print(f"median {statistics.median(times):.3f} s")


def rastrigin(X):
    """Return Σ x² − cos 2πx and its derivatives."""
    return (X**2 - np.cos(2 * np.pi * X)).sum(axis=1), 2 * X + 2 * np.pi * np.sin(2 * np.pi * X)


def surrogate():
    """Print the errors on new points of fits to 100 points, for five seeds."""
    ratios, Z = [], np.random.default_rng(99).uniform(-1, 1, (2000, 2))
    for seed in range(5):
        X = np.random.default_rng(seed).uniform(-1, 1, (100, 2))
        y, dy = rastrigin(X)
        errors = []
        for known in ({}, {"dY": dy, "derivative_weight": 0.1}):
            net = fastbp.Network([2, 25, 1], activation="tanh", cost="quadratic", dtype="float64", seed=seed)
            net.fit(X, y, epochs=300, optimizer=fastbp.LevenbergMarquardt(), l2=1e-4, **known)
            errors.append(float(np.sqrt(((net.predict(Z)[:, 0] - rastrigin(Z)[0]) ** 2).mean())))
        ratios.append(errors[1] / errors[0])
        print(f"seed {seed}  values only {errors[0]:.4f}  with derivatives {errors[1]:.4f}  ratio {ratios[-1]:.3f}")
    print(f"median ratio {statistics.median(ratios):.3f}")


def step():
    """Print the time of a step with derivatives as a multiple of a plain one, which takes turns with it."""
    rng, steps = np.random.default_rng(0), 400
    print(f"{'net':<18}{'batch':>6}{'dtype':>9}{'plain':>10}{'derivatives':>13}{'ratio':>8}{'2 + n_in':>10}")
    for sizes in ([2, 20, 20, 1], [2, 64, 64, 1], [5, 64, 64, 1], [10, 100, 100, 1]):
        for batch_size in (32, 128):
            for dtype in ("float32", "float64"):
                n = batch_size * 40
                X, y, dy = (
                    rng.standard_normal((n, sizes[0])),
                    rng.standard_normal(n),
                    rng.standard_normal((n, sizes[0])),
                )
                net = fastbp.Network(sizes, activation="tanh", cost="quadratic", dtype=dtype, seed=0)
                options = {
                    "epochs": steps // 40,
                    "batch_size": batch_size,
                    "optimizer": fastbp.Adam(),
                    "progress": False,
                }
                rounds = [[seconds(net.fit, X, y, **options, **known) for known in ({}, {"dY": dy})]
                          for _ in range(8)][1:]  # fmt: skip
                plain, known = (min(times) / steps * 1e6 for times in zip(*rounds, strict=True))
                ratio = statistics.median(b / a for a, b in rounds)
                cells = f"{plain:>8.1f}µs{known:>11.1f}µs{ratio:>8.2f}{2 + sizes[0]:>10}"
                print(f"{sizes!s:<18}{batch_size:>6}{dtype:>9}{cells}")


def jenn():
    """Print the times of jenn and of fastbp to the loss that jenn reaches: same net and data, its Adam and others."""
    import jenn

    ratios = {}
    for seed in range(3):
        X = np.random.default_rng(seed).uniform(-1, 1, (100, 2))
        y, dy = rastrigin(X)
        theirs = jenn.NeuralNet([2, 12, 12, 1])
        given = {"is_normalize": False, "max_iter": 1000, "random_state": seed}
        took = seconds(theirs.fit, X.T, y[None], dy.T[None], **given)
        values, slopes = theirs.predict(X.T), theirs.predict_partials(X.T)
        loss = float(0.5 * ((values[0] - y) ** 2).mean() + 0.5 * ((slopes[0].T - dy) ** 2).sum(axis=1).mean())
        for optimizer in (fastbp.Adam(0.05, beta_2=0.99), fastbp.LBFGS(), fastbp.LevenbergMarquardt()):
            goal = fastbp.EarlyStopping(monitor="cost", goal=loss, patience=None)
            options = {"dY": dy, "batch_size": 100, "optimizer": optimizer, "early_stopping": goal, "progress": False}
            times = []
            for epochs in (1, 20_000):  # the first one compiles
                net = fastbp.Network([2, 12, 12, 1], activation="tanh", cost="quadratic", dtype="float64", seed=seed)
                times.append(seconds(net.fit, X, y, epochs=epochs, **options))
            name, reached = type(optimizer).__name__, net.history.cost[-1]
            ratios.setdefault(name, []).append(took / times[1])
            words = f"{name:<20}{times[1]:.4f} s, loss {reached:.4f}  {took / times[1]:.1f} times"
            print(f"seed {seed}  jenn {took:.2f} s, loss {loss:.4f}  fastbp with {words}")
    print("medians: " + ", ".join(f"{name} {statistics.median(found):.1f} times" for name, found in ratios.items()))


if __name__ == "__main__":
    asked = {"intervals": intervals, "sinc": sinc, "surrogate": surrogate, "step": step, "jenn": jenn}
    warnings.simplefilter("ignore")
    fastbp.set_num_threads(1)
    if len(sys.argv) != 2 or sys.argv[1] not in asked:
        sys.exit(__doc__)
    asked[sys.argv[1]]()

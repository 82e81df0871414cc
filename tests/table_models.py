"""Tables and fitted estimators that the tests of `fastbp.tabular` share."""

from functools import cache
from typing import Any

import numpy as np

from fastbp.tables import Table


def table(n: int = 120, seed: int = 0) -> Table:
    """Numbers with missing ones, a category, true and false, a date, a constant and an identifier."""
    rng = np.random.default_rng(seed)
    size = rng.normal(size=n) * 10 + 50
    size[::9] = np.nan
    return Table({
        "id": np.arange(n) + 100.0, "size": size, "weight": rng.exponential(size=n),
        "colour": rng.choice(["red", "green", "blue"], n).astype(object), "sold": rng.random(n) < 0.5,
        "day": np.datetime64("2020-01-01") + rng.integers(0, 300, n), "unit": np.full(n, "m", object),
    })  # fmt: skip


def numbers(given: Table) -> Any:
    """A target that depends on columns, not linearly."""
    return np.nan_to_num(given["size"], nan=50.0) / 10 + 2 * np.sin(3 * given["weight"]) + (given["colour"] == "red")


def classes(given: Table) -> Any:
    """Three classes of unequal size."""
    return np.array(["large", "middle", "small"])[np.digitize(numbers(given), [4.0, 5.5])]


@cache
def regressor() -> Any:
    """A small one, fitted."""
    from fastbp.tabular import TabularRegressor

    return TabularRegressor((8,), n_members=2, epochs=20, learning_rate=0.03, random_state=0).fit(
        table(), numbers(table())
    )


@cache
def linear_regressor() -> Any:
    """One with a linear start."""
    from fastbp.tabular import TabularRegressor

    given = table()
    y = 3 * np.nan_to_num(given["size"], nan=50.0) + 5 * given["weight"] + 0.1 * np.sin(9 * given["weight"])
    return TabularRegressor((8,), n_members=2, epochs=20, learning_rate=0.03, random_state=0).fit(given, y)


@cache
def classifier() -> Any:
    """A small one, fitted."""
    from fastbp.tabular import TabularClassifier

    return TabularClassifier((8,), n_members=2, epochs=20, learning_rate=0.03, random_state=0).fit(
        table(), classes(table())
    )


MODELS = {"regressor": regressor, "linear regressor": linear_regressor, "classifier": classifier}

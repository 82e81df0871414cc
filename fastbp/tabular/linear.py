"""The linear start of a regressor: where a linear model explains nearly everything, networks learn what it leaves.

Scaled numbers are clipped for the networks, so these cannot follow a sum of large numbers beyond the rows they have
seen; least squares can.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastbp.model import Array
from fastbp.tables import Preprocessor, Table, cells

ENOUGH = 0.9  # the share of the variance that a linear model must explain, by generalized cross-validation
RIDGE = 1e-3  # λ/n
MOST_FEATURES = 1000  # a step of n p² operations


class LinearFeatures:
    """The features of the linear model: numbers, scaled and not clipped, then those of `others`, which are no bins."""

    def __init__(self, preprocessor: Preprocessor):
        described = preprocessor.to_dict()
        numbers = {column.name for column in preprocessor.columns if column.kind == "number"}
        self.codes = [code for code in described["codes"] if code["column"] in numbers]
        self.others: list[int] = []  # places of features
        at = 0
        for code in described["codes"]:
            n = len(code["features"])
            last = at + n - 1  # whether a number is missing
            self.others += ([last] if code["missing"] else []) if code["column"] in numbers else range(at, at + n)
            at += n

    def of(self, table: Table, Z: Array) -> Array:
        """Return them, (n, n_linear), float64. Z are the features of the networks."""
        L = np.empty((len(table), len(self.codes) + len(self.others)))
        for j, code in enumerate(self.codes):
            x = cells.numbers(table[code["column"]], table.decimal)
            L[:, j] = np.where(np.isfinite(x), (x - code["center"][0]) * code["factor"][0], 0.0)
        L[:, len(self.codes) :] = Z[:, self.others]
        return L


def fitted(L: Array, y: Array) -> Array | None:
    """Return b and β of the ridge regression b + L β, (1 + n_linear,), if it explains `ENOUGH`, else None.

    (AᵀA + λ D) β = Aᵀ y with A = (1, L), D = diag(0, 1, …, 1). Of the error on other rows an estimate is
    (RSS / n) / (1 − p/n)², p = tr (AᵀA + λ D)⁻¹ AᵀA (Golub, Heath & Wahba, *Generalized cross-validation*, 1979).

    >>> x = np.linspace(-1, 1, 50)[:, None]
    >>> fitted(x, 3 * x[:, 0] + 2).round(1), fitted(x, x[:, 0] ** 2)
    (array([2., 3.]), None)
    """
    n, p = L.shape
    if p > MOST_FEATURES or 2 * p >= n:
        return None
    A = np.column_stack([np.ones(n), L])
    gram = A.T @ A
    ridge = np.full(p + 1, RIDGE * n)
    ridge[0] = 0
    with_ridge = gram + np.diag(ridge)
    try:
        beta: Any = np.linalg.solve(with_ridge, A.T @ y)
        degrees = float(np.trace(np.linalg.solve(with_ridge, gram)))
    except np.linalg.LinAlgError:
        return None
    error = float(np.mean((y - A @ beta) ** 2)) / (1 - degrees / n) ** 2
    return np.asarray(beta) if error <= (1 - ENOUGH) * float(np.var(y)) else None

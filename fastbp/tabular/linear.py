"""The linear start of a regressor: where a linear model explains nearly everything, networks learn what it leaves.

Scaled numbers are clipped for the networks, so these cannot follow a sum of large numbers beyond the rows they have
seen; least squares can.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastbp.model import Array
from fastbp.tables import Preprocessor, Table, cells
from fastbp.tables.codes import Code
from fastbp.tables.terms import Rows
from fastbp.tabular import stacked

ENOUGH = 0.9  # the share of the variance that a linear model must explain, by generalized cross-validation
RIDGE = 1e-3  # λ/n
MOST_FEATURES = 1000  # a step of n p² operations


class LinearFeatures:
    """The features of the linear model: numbers, scaled and not clipped, then those of `others`, which are no bins."""

    def __init__(self, preprocessor: Preprocessor):
        self._preprocessor = preprocessor
        self.codes: list[Code] = []  # of the numbers
        self.others: list[int] = []  # places of features
        self._places: list[int] = []  # of the numbers among the quantities
        at = place = 0
        for code in preprocessor.codes:
            n, is_number = len(code.features), code.column.kind == "number"
            if is_number:
                self.codes.append(code)
                self._places.append(place)
            last = at + n - 1  # whether a number is missing
            self.others += range(last if is_number else at, at + n) if not is_number or code.missing else []
            at += n
            place += len(code.center)

    def of(self, table: Table, Z: Array) -> Array:
        """Return them, (n, n_linear), float64. Z are the features of the networks."""
        L = np.empty((len(table), len(self.codes) + len(self.others)))
        for j, code in enumerate(self.codes):
            x = cells.numbers(table._column(code.column.name), table.decimal)
            L[:, j] = np.where(np.isfinite(x), (x - code.center[0]) * code.factor[0], 0.0)
        L[:, len(self.codes) :] = Z[:, self.others]
        return L

    def predicted(self, rows: Rows, intercept: float, coef: Array) -> Array:
        """Return b + L β for the rows of a table, (n,), without L. Each row has the bits that it has alone."""
        terms, n = self._preprocessor.terms, len(self.codes)
        w = np.zeros((1, len(self._preprocessor.feature_names_out)))
        w[0, self.others] = coef[n:]
        found = np.empty((1, len(rows.x), 1))
        stacked.sums(found, self._preprocessor, rows, terms.matrix(w, np.array([intercept])))
        x, center, factor = (of_quantities[..., self._places] for of_quantities in (rows.x, *terms.quantities[:2]))
        scaled = np.where(np.isfinite(x), (x - center) * factor, 0.0)
        return np.asarray(found[0, :, 0] + (scaled * coef[:n]).sum(axis=1))


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
    ridge = np.full(p + 1, RIDGE * n)
    ridge[0] = 0
    with np.errstate(over="ignore", invalid="ignore"):  # numbers like 1e300, beside which nothing can be explained
        gram = A.T @ A
        with_ridge = gram + np.diag(ridge)
        try:
            beta: Any = np.linalg.solve(with_ridge, A.T @ y)
            degrees = float(np.trace(np.linalg.solve(with_ridge, gram)))
        except np.linalg.LinAlgError:
            return None
        error = float(np.mean((y - A @ beta) ** 2)) / (1 - degrees / n) ** 2
    return np.asarray(beta) if error <= (1 - ENOUGH) * float(np.var(y)) else None

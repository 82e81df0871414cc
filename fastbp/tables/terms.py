"""Sums over the features of a table without the features, most of which are 0, or 1 one behind the other.

With the features z_k of a row, Σ_k w_jk z_k + b_j is the sum of few rows of a matrix: for a category the weights of its
value; for a number in bins, those of the bins before its own, summed beforehand, and a share of its own.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastbp.tables.arrays import Array
from fastbp.tables.codes import Code
from fastbp.tables.layout import Layout, is_sign
from fastbp.tables.table import Table


class Quantities(NamedTuple):
    """What each number, or part of a date, adds: rows of the matrix, −1 for none."""

    center: Array
    factor: Array
    scaled: Array  # the row that its scaled value is multiplied by
    missing: Array  # the row where it is missing
    first: Array  # of its edges, the place of the first in `edges`, and how many there are
    n_edges: Array
    bins: Array  # the row of the first edge; the rows of the others follow
    edges: Array


class Rows(NamedTuple):
    """What the rows of a table add: quantities (n, n_quantities), and rows of the matrix (n, n_others), −1 for none."""

    x: Array
    added: Array


class Terms:
    """Which rows of the matrix the rows of a table need: row 0 is b, row 1 is 0."""

    def __init__(self, layout: Layout, codes: list[Code]) -> None:
        self._layout = layout
        self._singles: list[int] = []  # features whose weights are a row of their own, and their signs
        self._signs: list[float] = []
        self._bins: list[slice] = []  # features whose weights are summed
        quantities: list[tuple[float, float, int, int, int, int]] = []
        edges: list[float] = []
        self._others: list[tuple[Code, int]] = []
        at = 0
        for code in codes:
            if code.column.kind in ("boolean", "category"):
                self._others.append((code, len(self._singles) + 2))
                for k in range(len(code.features)):
                    self._row_of(at + k)
                if is_sign(code):
                    self._row_of(at, -1.0)
            n_bins = code.n_bins
            n_scaled = len(code.features) - n_bins - code.missing
            last = self._row_of(at + len(code.features) - 1) if code.missing and code.center else -1
            for i, (center, factor) in enumerate(zip(code.center, code.factor, strict=True)):
                scaled = self._row_of(at + i) if i < n_scaled else -1
                quantities.append((center, factor, scaled, last if i == 0 else -1, len(edges), len(code.edges)))
            if n_bins:
                self._bins.append(slice(at + n_scaled, at + n_scaled + n_bins))
                edges += code.edges
            at += len(code.features)
        # In memory of their own, so that there is one machine code for a single quantity and for many.
        columns = np.ascontiguousarray(np.array(quantities, np.float64).reshape(-1, 6).T)
        scaled, missing, first, n_edges = columns[2:].astype(np.intp)
        bins = 2 + len(self._singles) + first
        self.quantities = Quantities(columns[0], columns[1], scaled, missing, first, n_edges, bins, np.array(edges))

    def _row_of(self, feature: int, sign: float = 1.0) -> int:
        self._singles.append(feature)
        self._signs.append(sign)
        return len(self._singles) + 1

    def matrix(self, w: Array, b: Array) -> Array:
        """Return the matrix for weights (n_out, n_features) and biases (n_out,)."""
        w = np.ascontiguousarray(w.T)
        singles = w[self._singles] * np.array(self._signs, w.dtype)[:, None]
        rows = [b[None], np.zeros_like(b)[None], singles]
        for features in self._bins:
            rows += [rows[1], np.cumsum(w[features], axis=0)]
        return np.concatenate(rows)

    def of(self, table: Table) -> Rows:
        """Return what each row of a table adds."""
        x = np.ascontiguousarray(self._layout.quantities(table).T)
        added = np.empty((len(table), len(self._others)), np.intp)
        for j, (code, row) in enumerate(self._others):
            if is_sign(code):
                added[:, j] = np.array([-1, row, row + 1])[self._layout.signs(code, table).astype(np.intp)]
            else:
                found = self._layout.places(code, table)
                added[:, j] = np.where(found < 0, -1, row + found)
        return Rows(x, added)

"""Fills in the features of a table: all numbers are scaled at once."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from fastbp.tables import cells
from fastbp.tables.arrays import Array, label_texts
from fastbp.tables.codes import LARGEST, Code, date_parts, piecewise_linear, smoothly_clipped
from fastbp.tables.table import Table


class Layout:
    """Where the features of each code are.

    Numbers and parts of dates are the *quantities*, (n_quantities, n_rows), of which some become scaled features, some
    bins, some a mark of what is missing.
    """

    def __init__(self, codes: list[Code]) -> None:
        scaled: list[int] = []
        scaled_from: list[int] = []
        marks, marked = [], []
        center: list[float] = []
        factor: list[float] = []
        self._piecewise: list[tuple[int, int, Array]] = []
        self._others: list[tuple[Code, int]] = []
        self._quantified = [code for code in codes if code.center]
        at = place = 0
        for code in codes:
            if code.column.kind in ("boolean", "category"):
                self._others.append((code, at))
            else:
                n_bins = code.n_bins
                n_scaled = len(code.features) - n_bins - code.missing
                scaled += range(at, at + n_scaled)
                scaled_from += range(place, place + n_scaled)
                center += code.center[:n_scaled]
                factor += code.factor[:n_scaled]
                if n_bins:
                    self._piecewise.append((place, at + n_scaled, np.array(code.edges)))
                if code.missing and code.center:
                    marks.append(at + len(code.features) - 1)
                    marked.append(place)
                place += len(code.center)
            at += len(code.features)
        self._n_quantities = place
        self._scaled, self._scaled_from = _runs_of(scaled), np.array(scaled_from, dtype=np.intp)
        self._center, self._factor = np.array(center, dtype=np.float64), np.array(factor, dtype=np.float64)
        self._marks = list(zip(marks, marked, strict=True))
        self._levels = {code.column.name: tuple(code.levels) for code, _ in self._others}

    def fill(self, out: Array, table: Table, smooth_clip: bool) -> None:
        """Write the features of all rows into `out`, (n, n_features), C-contiguous, which is 0."""
        quantities = self.quantities(table)
        for place, at, edges in self._piecewise:
            values = np.where(np.isinf(quantities[place]), np.nan, quantities[place])
            out[:, at : at + len(edges) - 1] = piecewise_linear(values, edges)
        known = np.isfinite(quantities)
        for at, place in self._marks:
            np.logical_not(known[place], out=out[:, at])
        if len(self._scaled_from):
            if len(self._scaled_from) < len(quantities):
                quantities, known = quantities[self._scaled_from], known[self._scaled_from]
            with np.errstate(over="ignore", invalid="ignore"):
                quantities -= self._center[:, None]
                quantities *= self._factor[:, None]
            for j in np.flatnonzero(~known.all(axis=1)):
                np.copyto(quantities[j], 0, where=~known[j])
            np.clip(quantities, -LARGEST, LARGEST, out=quantities)
            scaled = quantities.astype(out.dtype, copy=False)
            if smooth_clip:
                smoothly_clipped(scaled)
            for features, places in self._scaled:
                out[:, features] = scaled[places].T
        # The rows of `out` one behind the other, because NumPy finds one index of each 1 faster than two.
        ones, starts = out.reshape(-1), np.arange(len(out)) * out.shape[1]
        for code, at in self._others:
            if is_sign(code):
                out[:, at] = self.signs(code, table)
            else:
                found = self.places(code, table)
                at_ones = starts + (found + at)
                ones[at_ones if found.min() >= 0 else at_ones[found >= 0]] = 1

    def quantities(self, table: Table) -> Array:
        """Return the numbers and the parts of dates, (n_quantities, n); not finite where missing."""
        result = np.empty((self._n_quantities, len(table)))
        place = 0
        for code in self._quantified:
            column = table._column(code.column.name)
            if code.column.kind == "number":
                result[place] = cells.numbers(column, table.decimal)
            else:
                found = date_parts(column, code.column.day_first, tuple(code.parts))
                result[place : place + len(code.parts)] = found
            place += len(code.center)
        return result

    def signs(self, code: Code, table: Table) -> Array:
        """Return the feature of a boolean, or of a category of two values: +1, −1, or 0 for neither."""
        if code.column.kind == "boolean":
            found = cells.truths(table._column(code.column.name), *code.column.words)
            found[np.isnan(found)] = 0
            return found
        return np.array([-1.0, 1.0, 0.0])[self.places(code, table)]

    def places(self, code: Code, table: Table) -> Array:
        """Return which of the features of a category is 1 in each row, −1 for none."""
        levels, n = self._levels[code.column.name], len(code.levels)
        unseen, missing = n if code.other else -1, n + code.other if code.missing else -1

        def of_values(values: list[str]) -> Array:
            known = {level: i for i, level in enumerate(levels)}
            return np.array([known.get(value, unseen) for value in values], np.intp)

        return label_texts(table._column(code.column.name)).each((levels, unseen, missing), of_values, missing)


def is_sign(code: Code) -> bool:
    """Whether a boolean, or a category of two values, is one feature."""
    return code.column.kind == "boolean" or (len(code.features) == 1 and len(code.levels) == 2)


def _runs_of(features: list[int]) -> list[tuple[slice, slice]]:
    """Return features that follow one another as slices, which NumPy fills much faster, and their places in the list.

    >>> _runs_of([3, 4, 7])
    [(slice(3, 5, None), slice(0, 2, None)), (slice(7, 8, None), slice(2, 3, None))]
    """
    cuts = [0, *(np.flatnonzero(np.diff(features) != 1) + 1).tolist(), len(features)]
    runs = [(i, j) for i, j in pairwise(cuts) if j > i]
    return [(slice(features[i], features[i] + j - i), slice(i, j)) for i, j in runs]

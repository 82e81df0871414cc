"""Fills in the features of a table: all numbers are scaled at once."""

from __future__ import annotations

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
        self._scaled, self._scaled_from = _places_of(scaled), np.array(scaled_from, dtype=np.intp)
        self._center, self._factor = np.array(center, dtype=np.float64), np.array(factor, dtype=np.float64)
        self._marks, self._marked = np.array(marks, dtype=np.intp), np.array(marked, dtype=np.intp)
        self._levels = {code.column.name: tuple(code.levels) for code, _ in self._others}

    def fill(self, out: Array, table: Table, smooth_clip: bool) -> None:
        """Write the features of all rows into `out`, (n, n_features), which is 0."""
        quantities = self.quantities(table)
        for place, at, edges in self._piecewise:
            values = np.where(np.isinf(quantities[place]), np.nan, quantities[place])
            out[:, at : at + len(edges) - 1] = piecewise_linear(values, edges)
        unknown = ~np.isfinite(quantities)
        if len(self._marks):
            out[:, self._marks] = unknown[self._marked].T
        if len(self._scaled_from):
            if len(self._scaled_from) < len(quantities):
                quantities, unknown = quantities[self._scaled_from], unknown[self._scaled_from]
            with np.errstate(over="ignore", invalid="ignore"):
                quantities -= self._center[:, None]
                quantities *= self._factor[:, None]
            np.copyto(quantities, 0, where=unknown)
            np.clip(quantities, -LARGEST, LARGEST, out=quantities)
            scaled = quantities.astype(out.dtype, copy=False)
            out[:, self._scaled] = (smoothly_clipped(scaled) if smooth_clip else scaled).T
        rows = np.arange(len(table))
        for code, at in self._others:
            if is_sign(code):
                out[:, at] = self.signs(code, table)
            else:
                found = self.places(code, table)
                known = found >= 0
                out[rows[known], at + found[known]] = 1

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
            return np.nan_to_num(cells.truths(table._column(code.column.name), *code.column.words), copy=False)
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


def _places_of(listed: list[int]) -> slice | Array:
    """Return places as an index: a slice, which NumPy fills faster, if they follow one another."""
    if listed and listed[-1] - listed[0] == len(listed) - 1:
        return slice(listed[0], listed[-1] + 1)
    return np.array(listed, dtype=np.intp)

"""Tables as numbers for a network: learned from the training rows, applied to any table with these columns."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import DTypeLike

from fastbp import validation
from fastbp.tables import cells, codes
from fastbp.tables.codes import Code
from fastbp.tables.columns import Column, describe
from fastbp.tables.errors import DataFileError, shorten, unknown_name
from fastbp.tables.table import Array, Table, label_texts, missing_in

Numbers = Literal["scaled", "piecewise_linear", "both"]

BLOCK = 1 << 12  # rows that are transformed at once


class Preprocessor:
    """Columns of a table as features: (n, n_features) numbers near 0, without missing values.

    ========  ======================================================================================================
    number    (x − median) / (distance of the quartiles), then z / √(1 + (z/3)²); what is missing becomes the median,
              that is 0, and 1 in a feature of its own
    category  one-hot: 0 or 1 for each value; rare values share a feature with those that were not in the training
              rows, missing ones have their own; of two values, one feature, +1 or −1
    boolean   +1 or −1, missing 0
    date      days since 1970, year, month, day, weekday, hour, as numbers
    ========  ======================================================================================================

    Columns that are constant, empty, numbers of the rows, identifiers or free text do not enter; `columns` says why.
    `fit` learns from the table it is given, so give it training rows only. `transform` finds columns by name.

    Parameters
    ----------
    numbers : "scaled", "piecewise_linear" or "both", default "scaled"
        What a number becomes. Piecewise linear: a feature for each of `n_bins` bins, which goes from 0 to 1 within it
        (Gorishniy et al. 2022).
    n_bins : int, default 16
    smooth_clip : bool, default True
        Whether scaled numbers are clipped.
    missing_indicators : bool, default True
        Whether numbers and dates have a feature that is 1 where they are missing, if that was so in the training rows.
    max_categories, min_count : int, default 256 and 2
        Values of a category are rare if they are not among the `max_categories` most frequent ones, or have fewer rows
        than `min_count`.
    drop, categorical : collections of str
        Columns to leave out, and columns of numbers that stand for categories.
    dtype : float32 or float64, default float64
        The dtype of what `transform` returns.

    Attributes
    ----------
    columns : list of Column
        What every column of the training table was taken for, in its order.
    feature_names_out : list of str
    column_of_feature : list of str
        The column that each feature comes from.

    Examples
    --------
    >>> table = Table({"size": [1, 2, None, 4], "colour": ["red", "blue", "red", "green"], "unit": ["m"] * 4})
    >>> preprocessor = Preprocessor(min_count=1).fit(table)
    >>> preprocessor.feature_names_out
    ['size', 'size is missing', 'colour=blue', 'colour=green', 'colour=red']
    >>> preprocessor.transform(Table({"colour": ["red", "pink"], "size": [2, "?"]}))
    array([[0., 0., 0., 0., 1.],
           [0., 1., 0., 0., 0.]])
    """

    def __init__(
        self,
        *,
        numbers: Numbers = "scaled",
        n_bins: int = 16,
        smooth_clip: bool = True,
        missing_indicators: bool = True,
        max_categories: int = 256,
        min_count: int = 2,
        drop: Collection[str] = (),
        categorical: Collection[str] = (),
        dtype: DTypeLike = "float64",
    ) -> None:
        if numbers not in ("scaled", "piecewise_linear", "both"):
            raise ValueError(f"numbers is {numbers!r}; it must be 'scaled', 'piecewise_linear' or 'both'")
        self.numbers: Numbers = numbers
        self.n_bins = validation.whole_number("n_bins", n_bins, 2)
        self.smooth_clip = validation.truth("smooth_clip", smooth_clip)
        self.missing_indicators = validation.truth("missing_indicators", missing_indicators)
        self.max_categories = validation.whole_number("max_categories", max_categories, 1)
        self.min_count = validation.whole_number("min_count", min_count, 1)
        self.drop = _names("drop", drop)
        self.categorical = _names("categorical", categorical)
        self.dtype = validation.float_type(dtype)
        self.columns: list[Column] = []
        self._codes: list[Code] = []

    def fit(self, table: Any, target: str | Sequence[str] | None = None) -> Self:
        """Learn from the rows of a table. Returns self.

        Parameters
        ----------
        table : table-like
            Whatever `Table.of` takes: training rows only.
        target : str or sequence of str, optional
            Columns that do not enter, and are not described.

        Raises
        ------
        ValueError
            If the table has no rows, `target`, `drop` or `categorical` name columns that are not there, or no column
            can enter.
        """
        table = Table.of(table)
        if target is not None:
            table = table.drop([target] if isinstance(target, str) else target)
        if len(table) == 0:
            raise DataFileError("the table has no rows; at least one is required")
        columns = describe(table, drop=self.drop, categorical=self.categorical)
        if not any(column.used for column in columns):
            reasons = "; ".join(f"{shorten(c.name)}: {c.kind}, {c.why}" for c in columns[:10]) or "it has no columns"
            raise DataFileError(f"no column can be learned from ({reasons})")
        self.columns = columns
        self._codes = [self._learned(column, table[column.name], table.decimal) for column in columns if column.used]
        self._prepare()
        return self

    def transform(self, table: Any) -> Array:
        """Return the features of every row, (n, n_features).

        Columns are found by name, in any order; others are ignored. Values that were not in the training rows count as
        rare or as none, what cannot be read as missing (`unreadable` finds it).

        Raises
        ------
        ValueError
            If columns are missing from the table, or `fit` was not called.
        """
        table = self._checked(table)
        out = np.zeros((len(table), len(self.feature_names_out)), dtype=self.dtype)
        for start in range(0, len(table), BLOCK):
            rows = slice(start, start + BLOCK)
            self._transform(table if len(table) <= BLOCK else table.rows(rows), out[rows])
        return out

    def _transform(self, table: Table, out: Array) -> None:
        quantities = self._quantities(table)
        for place, at, edges in self._piecewise:
            values = np.where(np.isinf(quantities[place]), np.nan, quantities[place])
            out[:, at : at + len(edges) - 1] = codes.piecewise_linear(values, edges)
        unknown = ~np.isfinite(quantities)
        if len(self._indicators):
            out[:, self._indicators] = unknown[self._indicated].T
        if len(self._scaled_from):
            if len(self._scaled_from) < len(quantities):
                quantities, unknown = quantities[self._scaled_from], unknown[self._scaled_from]
            with np.errstate(over="ignore", invalid="ignore"):
                quantities -= self._center[:, None]
                quantities *= self._factor[:, None]
            np.copyto(quantities, 0, where=unknown)
            np.clip(quantities, -codes.LARGEST, codes.LARGEST, out=quantities)
            scaled = quantities.astype(self.dtype, copy=False)
            out[:, self._scaled] = (codes.smoothly_clipped(scaled) if self.smooth_clip else scaled).T
        rows = np.arange(len(table))
        for code, at in self._others:
            column = table[code.column.name]
            if code.column.kind == "boolean":
                out[:, at] = np.nan_to_num(cells.truths(column, *code.column.words), copy=False)
                continue
            found = self._levels_found(code, column)
            if len(code.features) == 1:
                out[:, at] = np.array([-1.0, 1.0, 0.0])[found]
            else:
                known = found >= 0
                out[rows[known], at + found[known]] = 1

    def fit_transform(self, table: Any, target: str | Sequence[str] | None = None) -> Array:
        """Return ``fit(table, target).transform(table)``."""
        table = Table.of(table)
        return self.fit(table, target).transform(table)

    def unreadable(self, table: Any) -> dict[int, str]:
        """Return the rows with a cell that cannot be read as its column is, and why: text in a column of numbers.

        >>> Preprocessor().fit({"a": [1, 2, 3]}).unreadable({"a": ["2", "?", "x"]})
        {2: "column 'a': 'x' is not a number"}
        """
        table = self._checked(table)
        found = dict(table.bad_rows)
        for code in self._codes:
            name, kind, column = code.column.name, code.column.kind, table[code.column.name]
            if kind == "category":
                continue
            if kind == "number":
                bad, what = ~np.isfinite(cells.numbers(column, table.decimal)), "a number"
            elif kind == "date":
                bad, what = np.isnat(cells.dates(column, code.column.day_first)), "a date"
            else:
                bad, what = np.isnan(cells.truths(column, *code.column.words)), " or ".join(code.column.words)
            for row in np.flatnonzero(bad & ~missing_in(column)).tolist():
                found.setdefault(row, f"column {shorten(name)}: {shorten(str(column[row]))} is not {what}")
        return dict(sorted(found.items()))

    def unseen(self, table: Any) -> dict[str, list[str]]:
        """Return the values of each category that were not in the training rows, or too rare in them.

        >>> Preprocessor(min_count=1).fit({"c": ["a", "b", "a"]}).unseen({"c": ["b", "z", None]})
        {'c': ['z']}
        """
        table = self._checked(table)
        result = {}
        for code, _ in self._others:
            if code.column.kind == "category":
                known = {*code.levels, None}
                texts = dict.fromkeys(label_texts(table[code.column.name]).tolist())
                new = [text for text in texts if text not in known]
                if new:
                    result[code.column.name] = new
        return result

    def features_of(self, column: str) -> list[int]:
        """Return which features come from a column, by their places in `feature_names_out`."""
        return [j for j, name in enumerate(self.column_of_feature) if name == column]

    def enters(self, column: str) -> str:
        """Return in words how a column enters, or why it does not."""
        found = next((c for c in self.columns if c.name == column), None)
        if found is None:
            raise unknown_name("column", column, [c.name for c in self.columns])
        code = next((code for code in self._codes if code.column.name == column), None)
        return found.why if code is None else code.in_words()

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON: dicts, lists, str and numbers. `from_dict` is the inverse."""
        options = {name: getattr(self, name) for name in _OPTIONS}
        return {
            "version": 1, **options, "drop": list(self.drop), "categorical": list(self.categorical),
            "dtype": self.dtype.name,
            "columns": [asdict(column) for column in self.columns],
            "codes": [{**asdict(code), "column": code.column.name} for code in self._codes],
        }  # fmt: skip

    @classmethod
    def from_dict(cls, given: Any) -> Preprocessor:
        """Return the preprocessor that `to_dict` described. Raises ValueError for anything else.

        >>> fitted = Preprocessor().fit({"a": [1, 2, 3]})
        >>> Preprocessor.from_dict(fitted.to_dict()).transform({"a": [3]})
        array([[0.9486833]])
        """
        try:
            if given["version"] != 1:
                raise ValueError(f"version {given['version']!r} is not known; a newer fastbp has written it")
            options = {name: given[name] for name in (*_OPTIONS, "drop", "categorical", "dtype")}
            result = cls(**options)
            result.columns = [_column(entry) for entry in given["columns"]]
            by_name = {column.name: column for column in result.columns}
            result._codes = [_code(entry, by_name[entry["column"]]) for entry in given["codes"]]
            result._prepare()
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise ValueError(f"this is no description of a preprocessing ({type(error).__name__}: {error})") from None
        return result

    def _learned(self, column: Column, values: Array, decimal: str) -> Code:
        name, missing = column.name, self.missing_indicators and column.n_missing + column.n_odd > 0
        if column.kind == "boolean":
            return Code(column, [name])
        if column.kind == "category":
            texts = label_texts(values)
            levels, other = codes.levels_of(texts, self.max_categories, self.min_count)
            code = Code(column, levels=levels, other=other)
            if len(levels) == 2 and not other:
                code.features = [name]
                return code
            code.missing = column.n_missing > 0
            code.features = [f"{name}={level}" for level in levels] + [f"{name}=(other)"] * other
            code.features += [f"{name} is missing"] * code.missing
            return code
        code = Code(column, missing=missing)
        if column.kind == "date":
            code.parts = list(codes.DATE_PARTS)
            parts = codes.parts_of(cells.dates(values, column.day_first), code.parts)
            scales = [codes.scale_of(part) for part in parts]
            kept = [j for j, (_, factor) in enumerate(scales) if factor > 0]
            code.parts = [code.parts[j] for j in kept]
            code.center, code.factor = [scales[j][0] for j in kept], [scales[j][1] for j in kept]
            code.features = [f"{name}.{part}" for part in code.parts]
        else:
            read = cells.numbers(values, decimal)
            center, factor = codes.scale_of(read)
            code.center, code.factor = [center], [factor]
            code.edges = [] if self.numbers == "scaled" else codes.piecewise_edges(read, self.n_bins)
            if self.numbers != "piecewise_linear" or not code.edges:
                code.features = [name]
            code.features += [f"{name}[{t}]" for t in range(len(code.edges) - 1)]
        code.features += [f"{name} is missing"] * missing
        return code

    def _prepare(self) -> None:
        """Lay out the features, so that all numbers are scaled at once."""
        self.feature_names_out = [feature for code in self._codes for feature in code.features]
        self.column_of_feature = [code.column.name for code in self._codes for _ in code.features]
        scaled: list[int] = []
        scaled_from: list[int] = []
        indicators, indicated = [], []
        center: list[float] = []
        factor: list[float] = []
        self._piecewise: list[tuple[int, int, Array]] = []
        self._others: list[tuple[Code, int]] = []
        at = place = 0
        for code in self._codes:
            if code.column.kind in ("boolean", "category"):
                self._others.append((code, at))
            else:
                n_bins = max(len(code.edges) - 1, 0)
                n_scaled = len(code.features) - n_bins - code.missing
                scaled += range(at, at + n_scaled)
                scaled_from += range(place, place + n_scaled)
                center += code.center[:n_scaled]
                factor += code.factor[:n_scaled]
                if n_bins:
                    self._piecewise.append((place, at + n_scaled, np.array(code.edges)))
                if code.missing:
                    indicators.append(at + len(code.features) - 1)
                    indicated.append(place)
                place += len(code.center)
            at += len(code.features)
        self._n_quantities = place
        self._scaled, self._scaled_from = _places_of(scaled), np.array(scaled_from, dtype=np.intp)
        self._center, self._factor = np.array(center, dtype=np.float64), np.array(factor, dtype=np.float64)
        self._indicators, self._indicated = np.array(indicators, dtype=np.intp), np.array(indicated, dtype=np.intp)
        self._places = {code.column.name: _places(code) for code, _ in self._others if code.column.kind == "category"}

    def _checked(self, given: Any) -> Table:
        if not self._codes:
            raise ValueError("the preprocessor has learned nothing yet; call fit first")
        if isinstance(given, Table):
            table = given
        else:
            names = [column.name for column in self.columns]
            bare = isinstance(given, np.ndarray | list | tuple) and np.shape(given)[1:] == (len(names),)
            table = Table.of(given, names if bare else None)
        absent = [code.column.name for code in self._codes if code.column.name not in table]
        if len(absent) == 1:
            raise unknown_name("column", absent[0], table.names)
        if absent:
            few = ", ".join(map(shorten, absent[:10])) + (", …" if len(absent) > 10 else "")
            raise DataFileError(f"{len(absent)} columns are not there: {few}; all columns of the training are required")
        return table

    def _quantities(self, table: Table) -> Array:
        """Return the numbers and the parts of dates, (n_quantities, n); not finite where missing."""
        result = np.empty((self._n_quantities, len(table)))
        place = 0
        for code in self._codes:
            column = table[code.column.name] if code.center else None
            if column is None:
                continue
            if code.column.kind == "number":
                result[place] = cells.numbers(column, table.decimal)
            else:
                moments = cells.dates(column, code.column.day_first)
                result[place : place + len(code.parts)] = codes.parts_of(moments, code.parts)
            place += len(code.center)
        return result

    def _levels_found(self, code: Code, column: Array) -> Array:
        places, n = self._places[code.column.name], len(code.levels)
        unseen = n if code.other else -1
        texts = label_texts(column).tolist()
        if not places.keys() >= (different := set(texts)):
            places = {text: places.get(text, unseen) for text in different}
        return np.fromiter(map(places.__getitem__, texts), np.intp, len(texts))


_OPTIONS = ("numbers", "n_bins", "smooth_clip", "missing_indicators", "max_categories", "min_count")


def _places_of(listed: list[int]) -> slice | Array:
    """Return places as an index: a slice, which NumPy fills faster, if they follow one another."""
    if listed and listed[-1] - listed[0] == len(listed) - 1:
        return slice(listed[0], listed[-1] + 1)
    return np.array(listed, dtype=np.intp)


def _names(what: str, names: Any) -> tuple[str, ...]:
    listed = validation.entries(what, names, "a list of the names of columns")
    if not all(isinstance(name, str) for name in listed):
        raise TypeError(f"{what} is {names!r}; it must be a list of the names of columns")
    return tuple(listed)


def _places(code: Code) -> dict[str | None, int]:
    places: dict[str | None, int] = {level: i for i, level in enumerate(code.levels)}
    places[None] = len(code.levels) + code.other if code.missing else -1
    return places


def _column(entry: dict[str, Any]) -> Column:
    return Column(**{**entry, "words": tuple(entry["words"])})


def _code(entry: dict[str, Any], column: Column) -> Code:
    code = Code(**{**entry, "column": column})
    numbers = [float(x) for x in (*code.center, *code.factor, *code.edges)]
    texts = all(isinstance(text, str) for text in (*code.features, *code.levels, *code.parts))
    if not np.isfinite(numbers).all() or not texts or len(code.center) != len(code.factor):
        raise ValueError(f"what is said of column {column.name!r} does not fit together")
    return code

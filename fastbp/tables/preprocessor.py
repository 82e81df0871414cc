"""Tables as numbers for a network: learned from the training rows, applied to any table with these columns."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import DTypeLike

from fastbp import validation
from fastbp.tables import cells, codes
from fastbp.tables.arrays import Array, Values, label_texts, missing_in
from fastbp.tables.codes import Code
from fastbp.tables.columns import Column, describe
from fastbp.tables.errors import DataFileError, shorten, unknown_name
from fastbp.tables.layout import Layout
from fastbp.tables.table import Table
from fastbp.tables.terms import Terms

Numbers = Literal["scaled", "piecewise_linear", "both"]

BLOCK = 4000  # rows that are transformed at once: of a power of two, all columns would share few places of a cache


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
        if not isinstance(numbers, str) or numbers not in ("scaled", "piecewise_linear", "both"):
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
        self.codes: list[Code] = []

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
            table = table.drop([target] if isinstance(target, str) else _names("target", target))
        if len(table) == 0:
            raise DataFileError("the table has no rows; at least one is required")
        columns = describe(table, drop=self.drop, categorical=self.categorical)
        if not any(column.used for column in columns):
            reasons = "; ".join(f"{shorten(c.name)}: {c.kind}, {c.why}" for c in columns[:10]) or "it has no columns"
            raise DataFileError(f"no column can be learned from ({reasons})")
        self.columns = columns
        self._hold(
            [self._learned(column, table._column(column.name), table.decimal) for column in columns if column.used]
        )
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
        table = self.checked(table)
        out = np.zeros((len(table), len(self.feature_names_out)), dtype=self.dtype)
        for start in range(0, len(table), BLOCK):
            rows = slice(start, start + BLOCK)
            self._layout.fill(out[rows], table if len(table) <= BLOCK else table.rows(rows), self.smooth_clip)
        return out

    def fit_transform(self, table: Any, target: str | Sequence[str] | None = None) -> Array:
        """Return ``fit(table, target).transform(table)``."""
        table = Table.of(table)
        return self.fit(table, target).transform(table)

    def unreadable(self, table: Any) -> dict[int, str]:
        """Return the rows with a cell that cannot be read as its column is, and why: text in a column of numbers.

        >>> Preprocessor().fit({"a": [1, 2, 3]}).unreadable({"a": ["2", "?", "x"]})
        {2: "column 'a': 'x' is not a number"}
        """
        table = self.checked(table)
        found = dict(table.bad_rows)
        for code in self.codes:
            name, kind, column = code.column.name, code.column.kind, table._column(code.column.name)
            if kind == "category":
                continue
            if kind == "number":
                bad, what = ~np.isfinite(cells.numbers(column, table.decimal)), "a number"
            elif kind == "date":
                bad, what = np.isnat(cells.dates(column, code.column.day_first)), "a date"
            else:
                bad, what = np.isnan(cells.truths(column, *code.column.words)), " or ".join(code.column.words)
            for row in np.flatnonzero(bad & ~missing_in(column)).tolist():
                cell = shorten(str(column[row : row + 1].tolist()[0]))
                found.setdefault(row, f"column {shorten(name)}: {cell} is not {what}")
        return dict(sorted(found.items()))

    def unseen(self, table: Any) -> dict[str, list[str]]:
        """Return the values of each category that were not in the training rows, or too rare in them.

        >>> Preprocessor(min_count=1).fit({"c": ["a", "b", "a"]}).unseen({"c": ["b", "z", None]})
        {'c': ['z']}
        """
        table = self.checked(table)
        result = {}
        for code in self.codes:
            if code.column.kind == "category":
                known = {*code.levels}
                texts = label_texts(table._column(code.column.name)).counts()
                new = [text for text in texts if text not in known]
                if new:
                    result[code.column.name] = new
        return result

    def features_of(self, column: str) -> list[int]:
        """Return which features come from a column, by their places in `feature_names_out`."""
        self._known(column)
        return [j for j, name in enumerate(self.column_of_feature) if name == column]

    def enters(self, column: str) -> str:
        """Return in words how a column enters, or why it does not."""
        found = self._known(column)
        code = next((code for code in self.codes if code.column.name == column), None)
        return found.why if code is None else code.in_words()

    def _known(self, name: str) -> Column:
        by_name = {column.name: column for column in self.columns}
        if not isinstance(name, str) or name not in by_name:
            raise unknown_name("column", str(name), list(by_name))
        return by_name[name]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON: dicts, lists, str and numbers. `from_dict` is the inverse."""
        options = {name: getattr(self, name) for name in _OPTIONS}
        return {
            "version": 1, **options, "drop": list(self.drop), "categorical": list(self.categorical),
            "dtype": self.dtype.name,
            "columns": [asdict(column) for column in self.columns],
            "codes": [{**asdict(code), "column": code.column.name} for code in self.codes],
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
            result._hold([_code(entry, by_name[entry["column"]]) for entry in given["codes"]])
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise ValueError(f"this is no description of a preprocessing ({type(error).__name__}: {error})") from None
        return result

    def _learned(self, column: Column, values: Values, decimal: str) -> Code:
        missing = self.missing_indicators and column.n_missing + column.n_odd > 0
        if column.kind == "boolean":
            return Code(column, [column.name])
        if column.kind == "category":
            return codes.of_category(column, label_texts(values), self.max_categories, self.min_count)
        if column.kind == "date":
            return codes.of_date(column, values, missing)
        n_bins, scaled = 0 if self.numbers == "scaled" else self.n_bins, self.numbers != "piecewise_linear"
        return codes.of_number(column, cells.numbers(values, decimal), n_bins, scaled, missing)

    def _hold(self, learned: list[Code]) -> None:
        self.codes, self._layout = learned, Layout(learned)
        self.terms = Terms(self._layout, learned)

        self.feature_names_out = [feature for code in learned for feature in code.features]
        self.column_of_feature = [code.column.name for code in learned for _ in code.features]

    def checked(self, given: Any) -> Table:
        """Return a table that has the columns of the training. Raises ValueError as `transform`."""
        if not self.codes:
            raise ValueError("the preprocessor has learned nothing yet; call fit first")
        table, names = Table.of(given), [column.name for column in self.columns]
        if isinstance(given, np.ndarray | list | tuple) and len(table.names) == len(names):
            table = Table.of(given, names)  # rows without names have the columns of the training, in order
        absent = [code.column.name for code in self.codes if code.column.name not in table]
        if len(absent) == 1:
            raise unknown_name("column", absent[0], table.names)
        if absent:
            few = ", ".join(map(shorten, absent[:10])) + (", …" if len(absent) > 10 else "")
            raise DataFileError(f"{len(absent)} columns are not there: {few}; all columns of the training are required")
        return table


_OPTIONS = ("numbers", "n_bins", "smooth_clip", "missing_indicators", "max_categories", "min_count")


def _names(what: str, names: Any) -> tuple[str, ...]:
    listed = validation.entries(what, names, "a list of the names of columns")
    if not all(isinstance(name, str) for name in listed):
        raise TypeError(f"{what} is {names!r}; it must be a list of the names of columns")
    return tuple(listed)


def _column(entry: dict[str, Any]) -> Column:
    return Column(**{**entry, "words": tuple(entry["words"])})


def _code(entry: dict[str, Any], column: Column) -> Code:
    """Return a code from a file. Raises ValueError if its parts do not fit together: anyone may have written it."""
    code = Code(**{**entry, "column": column})
    numbers = np.array([*code.center, *code.factor, *code.edges], dtype=np.float64)
    texts = (*code.features, *code.levels, *code.parts, *column.words)
    if not np.isfinite(numbers).all() or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"what is said of column {column.name!r} is not numbers and texts")
    if not isinstance(code.missing, bool) or not isinstance(code.other, bool) or not code.fits():
        raise ValueError(f"what is said of column {column.name!r} does not fit together")
    return code

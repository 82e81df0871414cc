"""A table: named columns of numbers, text, true and false, or dates, each with what is missing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from fastbp import validation
from fastbp.tables.arrays import Array, Values, as_column, missing_in
from fastbp.tables.errors import unknown_name
from fastbp.tables.texts import Texts


class Table:
    """Columns of equal length, found by their names.

    A column is one of four kinds of array: float64 (missing values are NaN), bool, datetime64 (missing: NaT), or
    object, which holds str (missing: None). `Table.of` makes them of anything; whole numbers too large for a float64
    become text, so that different ones stay different.

    Parameters
    ----------
    columns : mapping
        From the names (str) to sequences or arrays, all of the same length.

    Attributes
    ----------
    names : tuple of str
        The columns, in order.
    n_rows : int
    notes : tuple of str
        What reading the file decided or left out, in words.
    bad_rows : dict
        For rows that could not be read, their index and why; their cells are missing.
    lines : ndarray of int or None
        The line of the file that each row began in.
    decimal : str
        The decimal mark of numbers within text, "." or ",".

    Raises
    ------
    TypeError, ValueError
        If names are not str, or columns have not one axis and the same length.

    Examples
    --------
    >>> table = Table({"width": [1.5, None], "species": ["setosa", "?"]})
    >>> table.names, table.n_rows
    (('width', 'species'), 2)
    >>> table["width"], table["species"]
    (array([1.5, nan]), array(['setosa', None], dtype=object))
    >>> table.missing("species")
    array([False,  True])
    """

    def __init__(self, columns: Mapping[str, Any]) -> None:
        if not isinstance(columns, Mapping):
            raise TypeError(f"columns is a {type(columns).__name__}; it must be a dict of columns: Table.of takes more")
        self._columns: dict[str, Values] = {}
        for name, values in columns.items():
            if not isinstance(name, str):
                raise TypeError(f"the column name {name!r} is a {type(name).__name__}; names must be str")
            self._columns[name] = as_column(values, name)
        lengths = {name: len(column) for name, column in self._columns.items()}
        if len(set(lengths.values())) > 1:
            (first, n), (other, m) = _different(lengths)
            raise ValueError(f"column {first!r} has {n} rows, but {other!r} has {m}; all must have the same number")
        self.n_rows = next(iter(lengths.values()), 0)
        self.notes: tuple[str, ...] = ()
        self.bad_rows: dict[int, str] = {}
        self.lines: Array | None = None
        self.decimal = "."

    @classmethod
    def of(cls, data: Any, names: Sequence[str] | None = None) -> Table:
        """Return a table of what a user has.

        Parameters
        ----------
        data : table-like
            A `Table`; the path of a file that `fastbp.data.read_table` reads; a pandas, polars or pyarrow table (needs
            narwhals: the extra ``tabular``); a dict of columns; an array or list of rows.
        names : sequence of str, optional
            Names for the columns of an array; by default ``x0``, ``x1``, ….

        Examples
        --------
        >>> Table.of([[1, 2], [3, 4]], ["a", "b"])["b"]
        array([2., 4.])
        >>> Table.of(np.eye(2)).names
        ('x0', 'x1')
        """
        if isinstance(data, Table):
            return data
        if isinstance(data, Mapping):
            return cls(data)
        if isinstance(data, str | os.PathLike):
            from fastbp.tables.read import read_table

            table: Table = read_table(data)
            return table
        if hasattr(data, "columns") or hasattr(data, "column_names") or hasattr(data, "__narwhals_dataframe__"):
            from fastbp.tables.frames import columns_of

            return cls(columns_of(data))
        return cls._of_rows(data, names)

    @classmethod
    def _of_rows(cls, data: Any, names: Sequence[str] | None) -> Table:
        try:
            array = np.asarray(data)
            if array.dtype.kind in "US" and not isinstance(data, np.ndarray):
                array = np.asarray(data, dtype=object)  # numbers beside text stay numbers
        except (ValueError, TypeError) as error:
            raise ValueError(f"the data cannot be read as a table: {error}") from None
        if array.ndim != 2:
            raise ValueError(f"the data have shape {array.shape}, but a table is (n_rows, n_columns)")
        n = array.shape[1]
        names = [f"x{j}" for j in range(n)] if names is None else validation.entries("names", names, "a list of names")
        if len(names) != n or not all(isinstance(name, str) for name in names) or len(set(names)) < n:
            raise ValueError(f"names is {names!r:.80}; it must have a different text for each of the {n} columns")
        result = cls(dict(zip(names, array.T, strict=True)))
        result.n_rows = len(array)
        return result

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self._columns)

    def __len__(self) -> int:
        return self.n_rows

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __getitem__(self, name: str) -> Array:
        """Return a column. Raises DataFileError, a ValueError, with the most similar name if there is none."""
        column = self._column(name)
        return column.expanded() if isinstance(column, Texts) else column

    def _column(self, name: str) -> Values:
        """Return a column as it is kept: text as `Texts`."""
        try:
            return self._columns[name]
        except (KeyError, TypeError):
            raise unknown_name("column", str(name), self.names) from None

    def __repr__(self) -> str:
        return f"Table({self.n_rows} rows: {', '.join(self.names[:8])}{', …' if len(self.names) > 8 else ''})"

    def missing(self, name: str) -> Array:
        """Return a mask of the rows in which the column has no value."""
        return missing_in(self._column(name))

    def select(self, names: Iterable[str]) -> Table:
        """Return the table with these columns only, in this order. Nothing is copied."""
        return self._like({name: self._column(name) for name in names})

    def drop(self, names: Iterable[str]) -> Table:
        """Return the table without these columns. Nothing is copied."""
        gone = set(names)
        for name in gone - self._columns.keys():
            self._column(name)
        return self._like({name: column for name, column in self._columns.items() if name not in gone})

    def rows(self, index: Any) -> Table:
        """Return some rows: `index` is an array of row numbers, a mask, or a slice."""
        result = self._like({name: column[index] for name, column in self._columns.items()})
        if isinstance(index, slice):
            result.n_rows = len(range(*index.indices(self.n_rows)))
        else:
            result.n_rows = len(np.arange(self.n_rows)[index])
        result.lines = None if self.lines is None else self.lines[index]
        if self.bad_rows:
            numbers = np.arange(self.n_rows)[index].tolist()
            result.bad_rows = {i: self.bad_rows[n] for i, n in enumerate(numbers) if n in self.bad_rows}
        return result

    @classmethod
    def _of_columns(cls, columns: dict[str, Values]) -> Table:
        """Return a table of columns that have one of the four kinds already."""
        result = cls({})
        result._columns, result.n_rows = columns, len(next(iter(columns.values())))
        return result

    def renamed(self, names: Iterable[str]) -> Table:
        """Return the table with other names for its columns, in their order. Nothing is copied.

        >>> Table({"a": [1]}).renamed(["b"])["b"]
        array([1.])
        """
        return self._like(dict(zip(names, self._columns.values(), strict=True)))

    def where(self, row: int) -> str:
        """Return where a row is, for a message: its line in the file, otherwise its number.

        >>> Table({"a": [1]}).where(0)
        'row 1'
        """
        return f"row {row + 1}" if self.lines is None else f"line {self.lines[row]}"

    def _like(self, columns: dict[str, Values]) -> Table:
        result = object.__new__(Table)
        result._columns = columns
        result.n_rows, result.notes, result.bad_rows = self.n_rows, self.notes, dict(self.bad_rows)
        result.lines, result.decimal = self.lines, self.decimal
        return result


def _different(lengths: dict[str, int]) -> tuple[tuple[str, int], tuple[str, int]]:
    first = next(iter(lengths.items()))
    return first, next(item for item in lengths.items() if item[1] != first[1])

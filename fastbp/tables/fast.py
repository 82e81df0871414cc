"""Reads large CSV files with polars, where it is installed: several times as fast as the csv module of Python."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from fastbp.tables.arrays import LARGEST_EXACT, Array, Values, cleaned
from fastbp.tables.dialect import SAMPLE, Dialect
from fastbp.tables.table import Table
from fastbp.tables.text_file import as_numbers, places_of

ROWS_TO_INFER = 1000  # rows that decide on the dtypes; if a later one does not fit, all rows do
ROWS_AT_ONCE = 1 << 16  # rows of text that are coded at once


def read_fast(path: Path, dialect: Dialect, marks: frozenset[str], as_text: Collection[str | int]) -> Table | None:
    """Return the table, or None where polars is missing or cannot read the file: the slow reader then says why."""
    try:
        import polars as pl
    except ImportError:
        return None
    names = list(dialect.names)
    if dialect.delimiter == " " or dialect.start > 1:
        return None
    spellings = {s for mark in marks for s in (mark, mark.upper(), mark.title())} | {"NaN", "NaT"}
    text = {names[j] for j in places_of(as_text, names)}
    read = None
    # Each spelling of a missing value costs polars time, so at first only those that are seen at the beginning.
    for rows, missing in ((ROWS_TO_INFER, set(dialect.missing)), (None, spellings - {""})):
        try:
            read = _read(pl, path, dialect, sorted(missing), text, rows)
            break
        except (pl.exceptions.PolarsError, OSError, ValueError):
            continue
    if read is None or read.n_rows == 0:
        return None
    if read.last_is_missing and not _has_whole_lines(path, dialect.delimiter.encode(), len(names)):
        return None
    columns: dict[str, Values] = {}
    for name in names:
        columns[name] = read.columns.pop(name).finished(marks, "" if name in text else dialect.decimal)
    table = Table._of_columns(columns)
    table.notes, table.decimal = dialect.notes, dialect.decimal
    return table


def _has_whole_lines(path: Path, delimiter: bytes, n_columns: int) -> bool:
    """Whether no line has too few fields: polars takes them for missing values."""
    with open(path, "rb") as file:
        return all(line.count(delimiter) >= n_columns - 1 or not line.strip() for line in file)


def _rows_of(path: Path) -> int:
    """Return about how many rows a file has, by the length of its first lines."""
    with open(path, "rb") as file:
        sample = file.read(SAMPLE)
    return int(1.02 * os.path.getsize(path) * (sample.count(b"\n") + 1) / len(sample))


def _read(
    pl: Any, path: Path, dialect: Dialect, missing: list[str], text: Collection[str], rows: int | None
) -> _Read | None:
    """Return what polars reads, None if the columns are not as many as the names. `rows` decide on the dtypes.

    Raises an error of polars where a later cell does not fit the dtype of its column.
    """
    options: dict[str, Any] = {
        "separator": dialect.delimiter, "has_header": dialect.header, "new_columns": list(dialect.names),
        "decimal_comma": dialect.decimal == ",", "null_values": missing,
    }  # fmt: skip
    asked = dict.fromkeys(text, pl.String)
    found = pl.scan_csv(path, infer_schema_length=rows, schema_overrides=asked, **options).collect_schema()
    if len(found) != len(dialect.names):
        return None
    whole = {name for name, dtype in found.items() if dtype.is_integer()}
    dtypes = {name: pl.Float64 if dtype.is_numeric() else dtype for name, dtype in found.items()}
    while True:
        scan = pl.scan_csv(path, infer_schema_length=0, schema_overrides=dtypes, **options)
        rows = _rows_of(path)
        read = _Read(
            {
                name: _Numbers(rows, name in whole) if dtype == pl.Float64 else _Words(pl, rows, dtype)
                for name, dtype in dtypes.items()
            }
        )
        # Of older polars there is one batch.
        for batch in scan.collect_batches() if hasattr(scan, "collect_batches") else [scan.collect()]:
            if too_long := read.add(batch.get_columns()):
                break
        else:
            return read
        whole -= too_long
        dtypes |= dict.fromkeys(too_long, pl.String)


class _Read:
    """What was read. Values leave a batch of rows while a cache holds it, and its memory serves the next batch."""

    def __init__(self, columns: dict[str, _Numbers | _Words]) -> None:
        self.columns, self.n_rows, self.last_is_missing = columns, 0, False

    def add(self, batch: list[Any]) -> set[str]:
        """Add rows. Return columns of whole numbers for which float64 is too short: they are names, and stay text."""
        for column, series in zip(self.columns.values(), batch, strict=True):
            column.add(series)
        self.n_rows += len(batch[0])
        self.last_is_missing |= batch[-1].null_count() > 0
        return {name for name, column in self.columns.items() if isinstance(column, _Numbers) and column.too_long}


class _Numbers:
    """A column of numbers in the making, for about `n_rows`."""

    def __init__(self, n_rows: int, whole: bool) -> None:
        self.values, self.n, self.whole, self.too_long = np.empty(n_rows), 0, whole, False

    def add(self, series: Any) -> None:
        numbers = series.to_numpy()
        _append(self.values, self.n, numbers)
        self.n += len(numbers)
        if self.whole:
            self.too_long |= bool(((numbers >= LARGEST_EXACT) | (numbers <= -LARGEST_EXACT)).any())

    def finished(self, marks: frozenset[str], decimal: str) -> Values:
        self.values.resize(self.n, refcheck=False)
        return self.values


class _Words:
    """A column of anything else in the making: different texts, of which each is made into a str of Python once."""

    def __init__(self, pl: Any, n_rows: int, dtype: Any) -> None:
        self.pl, self.truths = pl, dtype == pl.Boolean
        self.codes, self.n = np.empty(n_rows, np.int32), 0
        self.different = pl.Series([], dtype=pl.String)
        self.waiting: list[Any] = []
        self.n_waiting = 0

    def add(self, series: Any) -> None:
        self.waiting.append(series)
        self.n_waiting += len(series)
        if self.n_waiting >= max(ROWS_AT_ONCE, len(self.different)):
            self._code()

    def _code(self) -> None:
        pl, texts = self.pl, self.pl.concat(self.waiting).cast(self.pl.String)
        coded = texts.cast(pl.Enum(self.different), strict=False)
        if coded.null_count() > texts.null_count():
            new = texts.filter(coded.is_null()).drop_nulls().unique(maintain_order=True)
            self.different = pl.concat([self.different, new])
            coded = texts.cast(pl.Enum(self.different))
        _append(self.codes, self.n, coded.to_physical().cast(pl.Int32).fill_null(-1).to_numpy())
        self.n += len(texts)
        self.waiting, self.n_waiting = [], 0

    def finished(self, marks: frozenset[str], decimal: str) -> Values:
        """Return the column; without a decimal mark it stays text."""
        if self.waiting:
            self._code()
        self.codes.resize(self.n, refcheck=False)
        listed = self.different.to_list()
        if self.truths and self.codes.min() >= 0:
            return np.array([text == "true" for text in listed])[self.codes]
        if decimal and (numbers := as_numbers([*listed, ""], marks, decimal)) is not None:
            return np.asarray(numbers[self.codes])  # polars did not take it for numbers because of a mark
        return cleaned(self.codes, listed, marks)


def _append(values: Array, n: int, more: Array) -> None:
    """Write more values behind the first n. Writes: values, which may grow."""
    if n + len(more) > len(values):
        values.resize((n + len(more)) * 9 // 8, refcheck=False)
    values[n : n + len(more)] = more

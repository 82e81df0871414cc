"""Reads large CSV files with polars, where it is installed: several times as fast as the csv module of Python."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from fastbp.tables.arrays import LARGEST_EXACT, Values, cleaned
from fastbp.tables.dialect import Dialect
from fastbp.tables.table import Table
from fastbp.tables.text_file import as_numbers, places_of

ROWS_TO_INFER = 1000  # rows that decide on the dtypes; if a later one does not fit, all rows do


def read_fast(path: Path, dialect: Dialect, marks: frozenset[str], as_text: Collection[str | int]) -> Table | None:
    """Return the table, or None where polars is missing or cannot read the file: the slow reader then says why."""
    try:
        import polars as pl
    except ImportError:
        return None
    names, n = list(dialect.names), len(dialect.names)
    if dialect.delimiter == " " or dialect.start > 1:
        return None
    spellings = {s for mark in marks for s in (mark, mark.upper(), mark.title())} | {"NaN", "NaT"}
    options: dict[str, Any] = {
        "separator": dialect.delimiter, "has_header": dialect.header, "new_columns": names,
        "decimal_comma": dialect.decimal == ",",
    }  # fmt: skip
    text = {names[j]: pl.String for j in places_of(as_text, names)}
    frame = None
    # Each spelling of a missing value costs polars time, so at first only those that are seen at the beginning.
    for rows, missing in ((ROWS_TO_INFER, set(dialect.missing)), (None, spellings - {""})):
        try:
            frame = pl.read_csv(
                path, infer_schema_length=rows, schema_overrides=text, null_values=sorted(missing), **options
            )
            break
        except (pl.exceptions.PolarsError, OSError, ValueError):
            continue
    if frame is None or frame.width != n or frame.height == 0:
        return None
    if frame.to_series(n - 1).null_count() and not _has_whole_lines(path, dialect.delimiter.encode(), n):
        return None
    columns = {}
    for name in names:
        columns[name] = _column(pl, frame.to_series(0), marks, "" if name in text else dialect.decimal)
        frame.drop_in_place(frame.columns[0])  # so that no column is there twice
    table = Table._of_columns(columns)
    table.notes, table.decimal = dialect.notes, dialect.decimal
    return table


def _has_whole_lines(path: Path, delimiter: bytes, n_columns: int) -> bool:
    """Whether no line has too few fields: polars takes them for missing values."""
    with open(path, "rb") as file:
        return all(line.count(delimiter) >= n_columns - 1 or not line.strip() for line in file)


def _column(pl: Any, series: Any, marks: frozenset[str], decimal: str) -> Values:
    """Return a series as a column; without a decimal mark it stays text."""
    dtype = series.dtype
    if dtype.is_float():
        return np.asarray(series.to_numpy(), dtype=np.float64)
    if dtype.is_integer():
        low, high = series.min() or 0, series.max() or 0
        if max(-low, high) <= LARGEST_EXACT:
            return np.asarray(series.cast(pl.Float64).to_numpy())
    elif dtype == pl.Boolean and not series.null_count():
        return np.asarray(series.to_numpy())
    # Each different text is made into a str of Python once.
    texts = series.cast(pl.String)
    different = texts.drop_nulls().unique(maintain_order=True)
    listed = different.to_list()
    codes = texts.cast(pl.Enum(different)).to_physical().cast(pl.Int32).fill_null(-1).to_numpy()
    if decimal and (numbers := as_numbers([*listed, ""], marks, decimal)) is not None:
        return np.asarray(numbers[codes])  # polars did not take it for numbers because of a mark
    return cleaned(codes, listed, marks)

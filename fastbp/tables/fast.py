"""Reads large CSV files with polars, where it is installed: several times as fast as the csv module of Python."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from fastbp.tables.dialect import Dialect
from fastbp.tables.frames import columns_of
from fastbp.tables.table import Table
from fastbp.tables.text_file import places_of

ROWS_TO_INFER = 10_000  # rows that decide on the dtypes; if a later one does not fit, all rows do


def read_fast(path: Path, dialect: Dialect, marks: frozenset[str], as_text: Collection[str | int]) -> Table | None:
    """Return the table, or None where polars is missing or cannot read the file: the slow reader then says why."""
    try:
        import narwhals  # noqa: F401
        import polars as pl
    except ImportError:
        return None
    if dialect.delimiter == " " or dialect.start > 1:
        return None
    names = list(dialect.names)
    spellings = {s for mark in marks for s in (mark, mark.upper(), mark.title())} | {"NaN", "NaT", "N/a"}
    options: dict[str, Any] = {
        "separator": dialect.delimiter, "has_header": dialect.header, "new_columns": names,
        "null_values": sorted(spellings - {""}), "decimal_comma": dialect.decimal == ",", "rechunk": True,
    }  # fmt: skip
    text = {f"column_{j + 1}": pl.String for j in places_of(as_text, names)}
    if dialect.header:
        text = {name: pl.String for j, name in enumerate(names) if f"column_{j + 1}" in text}
    frame = None
    for rows in (ROWS_TO_INFER, None):
        try:
            frame = pl.read_csv(path, infer_schema_length=rows, schema_overrides=text, **options)
            break
        except (pl.exceptions.PolarsError, OSError, ValueError):
            continue
    if frame is None or frame.width != len(names) or frame.height == 0:
        return None
    frame = frame.rename(dict(zip(frame.columns, names, strict=True)))
    table = Table(columns_of(frame))
    table.notes, table.decimal = dialect.notes, dialect.decimal
    return table

"""Reads tables from Parquet, Excel and JSON."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from fastbp.tables.errors import DataFileError
from fastbp.tables.table import Table


def read_parquet(path: Path) -> Table:
    """Return the table of a Parquet file. Raises ImportError without polars or pyarrow, DataFileError if damaged."""
    frame: Any
    try:
        import polars

        try:
            frame = polars.read_parquet(path)
        except (polars.exceptions.PolarsError, OSError) as error:
            raise DataFileError(f"it is no intact Parquet file ({str(error).splitlines()[0]})") from None
    except ImportError:
        try:
            from pyarrow import ArrowException, parquet
        except ImportError:
            raise ImportError(f"{path}: Parquet needs polars: pip install 'fastbp[tabular]'") from None
        try:
            frame = parquet.read_table(path)
        except (ArrowException, OSError) as error:
            raise DataFileError(f"it is no intact Parquet file ({str(error).splitlines()[0]})") from None
    return _whole(Table.of(frame))


def read_excel(path: Path, header: bool | None) -> Table:
    """Return the first sheet of an Excel file. Raises ImportError without openpyxl, DataFileError if damaged."""
    try:
        import openpyxl
    except ImportError:
        raise ImportError(f"{path}: Excel files need openpyxl: pip install 'fastbp[tabular]'") from None
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        sheet = book.worksheets[0]
        rows = [list(row) for row in sheet.iter_rows(values_only=True)]
    except Exception as error:  # openpyxl raises KeyError, BadZipFile, ValueError, ParseError and more
        raise DataFileError(f"it is no intact Excel file ({type(error).__name__}: {error})") from None
    rows = [row for row in rows if any(cell is not None for cell in row)]
    width = max(map(len, rows), default=0)
    rows = [row + [None] * (width - len(row)) for row in rows]
    if not rows:
        raise DataFileError(f"its first sheet, {sheet.title!r}, is empty; put the table there")
    notes = [f"the first of {len(book.worksheets)} sheets, {sheet.title!r}"] if len(book.worksheets) > 1 else []
    if header is None:
        header = all(cell is None or isinstance(cell, str) for cell in rows[0])
        if not header:
            notes.append("line 1 holds values, not names: the columns are column_1, column_2, …")
    names = [f"column_{j + 1}" for j in range(width)]
    if header:
        from fastbp.tables.dialect import unique_names

        names = list(unique_names(["" if cell is None else str(cell) for cell in rows.pop(0)])[0])
    table = Table(dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else {})
    table.notes = tuple(notes)
    return _whole(table)


def read_json(path: Path) -> Table:
    """Return the table of a JSON file: a list of records, a dict of columns, or one record a line."""
    with open(path, "rb") as file:
        content = file.read()
    try:
        if content.startswith(b"\x1f\x8b"):
            content = gzip.decompress(content)
        text = content.decode("utf-8-sig")
        try:
            data = json.loads(text)
        except json.JSONDecodeError:
            data = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError, OSError, EOFError) as error:
        raise DataFileError(f"it is no intact JSON file ({error})") from None
    if isinstance(data, dict):
        lists = [value for value in data.values() if isinstance(value, list)]
        inner = [value for value in data.values() if isinstance(value, dict)]
        if len(inner) == len(data) > 0:  # pandas writes {column: {row: value}}
            rows = dict.fromkeys(row for column in inner for row in column)
            return _whole(Table({str(name): [column.get(row) for row in rows] for name, column in data.items()}))
        if len(lists) == len(data) > 0:
            try:
                return _whole(Table(data))
            except (ValueError, TypeError) as error:
                raise DataFileError(str(error)) from None
        data = [data]
    if not isinstance(data, list) or not data or not all(isinstance(record, dict) for record in data):
        raise DataFileError("its JSON is neither a list of records, {name: value}, nor a dict of columns")
    names = dict.fromkeys(name for record in data for name in record)
    return _whole(Table({name: [record.get(name) for record in data] for name in names}))


def _whole(table: Table) -> Table:
    if len(table) == 0 or not table.names:
        raise DataFileError("it has no rows; add one per sample")
    return table

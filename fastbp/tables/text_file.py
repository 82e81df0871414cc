"""Reads tables from text files: CSV and its relatives, compressed or not. Errors name the line."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from array import array
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from itertools import dropwhile, islice
from pathlib import Path
from typing import IO, cast

import numpy as np

from fastbp.tables import dialect as dialects
from fastbp.tables.arrays import LARGEST_EXACT, Array, Values, text_column
from fastbp.tables.dialect import Dialect
from fastbp.tables.errors import DataFileError
from fastbp.tables.table import Table
from fastbp.tables.texts import Texts

CHUNK = 1 << 14  # rows that are converted at once
LARGE = 1 << 23  # bytes from which on polars reads a file, if it is there
GZIP = b"\x1f\x8b"


def read_text(
    path: Path,
    given: Dialect,
    asked: frozenset[str],
    marks: frozenset[str],
    as_text: Collection[str | int],
    keep_bad: bool,
) -> Table:
    """Return the table in a text file; see `read_table`. Raises DataFileError without the file's name."""
    with open(path, "rb") as file:
        compressed = file.read(2) == GZIP
    with _open(path, compressed) as file:
        try:
            sample = file.read(dialects.SAMPLE)
            whole = not file.read(1)
        except (EOFError, OSError, ValueError, zlib.error) as error:
            raise DataFileError(f"it is no intact gzip file ({error}); compress it again") from None
    if "encoding" not in asked:
        given = replace(given, encoding=dialects.encoding_of(sample, whole))
    for _ in range(2):
        dialect = _sniffed(sample, whole, given, asked, path)
        if not compressed and not keep_bad and dialect.encoding.startswith("utf-8") and os.path.getsize(path) >= LARGE:
            from fastbp.tables.fast import read_fast

            if (table := read_fast(path, dialect, marks, as_text)) is not None:
                return table
        try:
            return _read(lambda: _open(path, compressed), dialect, marks, as_text, keep_bad)
        except UnicodeDecodeError as error:
            if "encoding" in asked or given.encoding == "cp1252":
                raise DataFileError(_undecodable(error, given.encoding)) from None
            given = replace(given, encoding="cp1252")
    raise AssertionError("the second encoding reads or refuses every file")


def places_of(columns: Collection[str | int], names: Sequence[str]) -> set[int]:
    """Return the places of columns that are given by name, or by place from 0 on or from −1 back."""
    n = len(names)
    return {j for j, name in enumerate(names) if name in columns} | {
        column % n for column in columns if isinstance(column, int) and -n <= column < n
    }


def _open(path: Path, compressed: bool) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path)) if compressed else open(path, "rb")


def _sniffed(sample: bytes, whole: bool, given: Dialect, asked: frozenset[str], path: Path) -> Dialect:
    try:
        text = sample.decode(given.encoding, errors="strict" if whole else "ignore")
    except UnicodeDecodeError as error:
        raise DataFileError(_undecodable(error, given.encoding)) from None
    if not whole and "\n" in text:
        text = text[: text.rindex("\n") + 1]
    dialect = dialects.sniffed(text, given, asked, "".join(path.suffixes[-2:]).removesuffix(".gz").lower())
    if "encoding" not in asked and dialect.encoding in ("cp1252", "latin-1"):
        dialect = replace(dialect, notes=("not UTF-8: read as Western European (Windows-1252)", *dialect.notes))
    if "delimiter" not in asked and dialect.delimiter not in ",\t":
        dialect = replace(dialect, notes=(*dialect.notes, f"delimiter {dialects.DELIMITERS[dialect.delimiter]}"))
    return dialect


def _undecodable(error: UnicodeDecodeError, encoding: str) -> str:
    byte = error.object[error.start]
    return f"the byte 0x{byte:02x} is not {encoding} text; name the right encoding, such as latin-1"


def _read(
    opened: Callable[[], IO[bytes]],
    dialect: Dialect,
    marks: frozenset[str],
    as_text: Collection[str | int],
    keep_bad: bool,
) -> Table:
    """Read the whole file; once more if columns that began with numbers turn out to be text."""
    names = dialect.names
    text = places_of(as_text, names)
    while True:
        with opened() as file:
            lines = io.TextIOWrapper(file, encoding=dialect.encoding, newline="")
            reader = _Columns(names, marks, dialect.decimal, text, keep_bad)
            every = dialects.records(lines, dialect.delimiter)
            reader.read(dropwhile(lambda record: record[0] < dialect.start, every), dialect.header)
        if not reader.failed:
            break
        text |= reader.failed
    if not reader.lines:
        raise DataFileError("it has a header line but no data; add one line per sample below it")
    table = Table(dict(zip(names, reader.columns(), strict=True)))
    table.lines, table.decimal, table.notes = np.array(reader.lines), dialect.decimal, dialect.notes
    table.bad_rows = reader.bad_rows
    return table


def _is_long(value: str) -> bool:
    """Whether a cell is a whole number that float64 cannot hold."""
    digits = value.strip().lstrip("+-")
    return digits.isdigit() and float(digits) > LARGEST_EXACT


def as_numbers(values: Sequence[str], marks: frozenset[str], decimal: str) -> Array | None:
    """Return numbers, NaN where missing; None if a cell is neither."""
    if decimal == ",":
        if any("." in value for value in values):
            return None
        values = [value.replace(",", ".") for value in values]
    try:
        numbers = np.fromiter(map(float, values), np.float64, len(values))
    except ValueError:
        try:
            numbers = np.array([np.nan if v.strip().lower() in marks else float(v) for v in values])
        except ValueError:
            return None
    # float() reads 1_000, as Python source does, and rounds long numbers, which are names.
    if "_" in "".join(values):
        return None
    if np.nanmax(np.abs(numbers), initial=0) > LARGEST_EXACT and any(map(_is_long, values)):
        return None
    return numbers


class _Columns:
    """Columns in the making: float64 as long as all cells are numbers, those of `text` as text."""

    def __init__(
        self, names: Sequence[str], marks: frozenset[str], decimal: str, text: set[int], keep_bad: bool
    ) -> None:
        self.names, self.marks, self.decimal, self.text, self.keep_bad = names, marks, decimal, set(text), keep_bad
        self.chunks: list[list[Values]] = [[] for _ in names]
        self.lines = array("q")
        self.failed: set[int] = set()
        self.bad_rows: dict[int, str] = {}

    def read(self, records: Iterator[tuple[int, list[str]]], header: bool) -> None:
        if header:
            next(records, None)
        while chunk := list(islice(records, CHUNK)):
            width = len(self.names)
            if any(len(fields) != width for _, fields in chunk):
                chunk = [(line, self._of_width(line, fields, len(self.lines) + i)) for i, (line, fields) in
                         enumerate(chunk)]  # fmt: skip
            self.lines.extend(line for line, _ in chunk)
            for j, values in enumerate(zip(*(fields for _, fields in chunk), strict=True)):
                self._add(j, values)

    def _of_width(self, line: int, fields: list[str], row: int) -> list[str]:
        width = len(self.names)
        if len(fields) == width or (len(fields) > width and not any(field.strip() for field in fields[width:])):
            return fields[:width]
        found = f"it has {len(fields)} fields instead of {width}"
        if not self.keep_bad:
            raise DataFileError(f"line {line} has {len(fields)} fields, but {width} columns are there; give every line "
                                "one value per column")  # fmt: skip
        self.bad_rows[row] = found
        return [""] * width

    def _add(self, j: int, values: Sequence[str]) -> None:
        if j in self.failed:
            return
        if j not in self.text:
            numbers = as_numbers(values, self.marks, self.decimal)
            if numbers is not None:
                self.chunks[j].append(numbers)
                return
            if self.chunks[j]:
                self.failed.add(j)
                return
            self.text.add(j)
        self.chunks[j].append(text_column(list(values), self.marks))

    def columns(self) -> Iterator[Values]:
        for chunks in self.chunks:
            texts = [chunk for chunk in chunks if isinstance(chunk, Texts)]
            arrays = [chunk for chunk in chunks if not isinstance(chunk, Texts)]  # all, or none
            yield Texts.joined(texts) if texts else np.concatenate(arrays)
            chunks.clear()

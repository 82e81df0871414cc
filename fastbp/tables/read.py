"""Reads a table from a file, whichever of the usual formats it has."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

from fastbp import disk, validation
from fastbp.tables.arrays import MISSING
from fastbp.tables.dialect import DELIMITERS, Dialect
from fastbp.tables.errors import DataFileError
from fastbp.tables.formats import read_excel, read_json, read_parquet
from fastbp.tables.npz import read_npz
from fastbp.tables.table import Table
from fastbp.tables.text_file import read_text

ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")
SPREADSHEETS = (".xlsx", ".xlsm")


def read_table(
    path: str | os.PathLike[str],
    *,
    header: bool | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    na: Sequence[str] = (),
    text: Sequence[str | int] = (),
    target: str | None = None,
    keep_bad_rows: bool = False,
) -> Table:
    r"""Read a table from a file.

    **Text**, such as CSV, compressed by gzip or not: the first rows decide whether the delimiter is comma, semicolon,
    tab, bar or whitespace, whether numbers have a decimal comma, and whether the first line holds names; `Table.notes`
    says what was not plain. Text is UTF-8 or UTF-16 with a mark, or else Western European. Blank lines are left out. An
    empty cell, ``?``, ``-``, ``.``, ``NA``, ``N/A``, ``NaN``, ``null``, ``None`` in any case are missing values. With
    the extra ``tabular``, polars reads files from 8 MB on.

    **Parquet**, **Excel** (.xlsx, the first sheet), with the extra ``tabular``; **JSON** (records, columns, or a record
    a line); **NPZ** as `numpy.savez` writes it, without Python objects: ``X`` becomes the columns ``x0``, ``x1``, …,
    ``Y`` or ``y`` or the array named by `target` further ones.

    Parameters
    ----------
    path : str or path-like
        The file. Its content decides which format it has.
    header : bool, optional
        Whether the first line holds names. Without names, columns are ``column_1``, ``column_2``, ….
    delimiter, decimal, encoding : str, optional
        Instead of what the file looks like: a character (" " is any whitespace); "." or ","; a codec of Python.
    na : sequence of str
        Further spellings of a missing value, in any case.
    text : sequence of str or int
        Columns of a text file, by name or place, that stay text even if all their cells are numbers.
    target : str, optional
        The array of the target in an NPZ file.
    keep_bad_rows : bool, default False
        Whether a line with too few or too many fields becomes a row of missing values, named in `Table.bad_rows`,
        instead of an error.

    Raises
    ------
    DataFileError
        If the file is no such table: empty or damaged, lines that differ in length, quotes that are not closed. The
        message names the file, and the line.
    ImportError
        If Parquet or Excel need a package that is not installed.
    TypeError, ValueError
        If an argument has a wrong type or value.
    OSError
        If the file cannot be opened or read, for one FileNotFoundError.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "iris.csv"
    ...     _ = path.write_text("length;width;species\n5,1;3,5;setosa\n6,3;?;virginica\n")
    ...     table = read_table(path)
    >>> table["length"], table["width"], table["species"]
    (array([5.1, 6.3]), array([3.5, nan]), array(['setosa', 'virginica'], dtype=object))
    >>> table.notes
    ('decimal comma', 'delimiter semicolon')
    """
    path = disk.checked_path(path)
    given, asked = _given(header, delimiter, decimal, encoding)
    marks = MISSING | {mark.strip().lower() for mark in _texts("na", na)}
    columns = validation.entries("text", text, "a list of the names of columns")
    if not all(isinstance(column, str | int) for column in columns):
        raise TypeError(f"text is {text!r}; it must be a list of names or places of columns")
    if target is not None and not isinstance(target, str):
        raise TypeError(f"target is {target!r}; it must be the name of an array of an NPZ file")
    validation.truth("keep_bad_rows", keep_bad_rows)
    try:
        return _read(path, given, asked, marks, columns, target, keep_bad_rows, header)
    except DataFileError as error:
        raise DataFileError(f"{path}: {error}") from error


def _read(
    path: Path, given: Dialect, asked: frozenset[str], marks: frozenset[str], text: Sequence[str | int],
    target: str | None, keep_bad: bool, header: bool | None,
) -> Table:  # fmt: skip
    with open(path, "rb") as file:
        start = file.read(16)
        if start[:4] in ZIP_MAGICS or path.suffix.lower() == ".npz":
            if path.suffix.lower() in SPREADSHEETS or _is_spreadsheet(path):
                return read_excel(path, header)
            file.seek(0)
            return Table(read_npz(file, target))
    if start.startswith(b"PAR1"):
        return read_parquet(path)
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if {".json", ".jsonl", ".ndjson"} & set(suffixes[-2:]) or start.lstrip()[:2] in (b'{"', b"[{"):
        return read_json(path)
    if start[:4] == b"\xd0\xcf\x11\xe0":
        raise DataFileError("it is an old Excel file (.xls); save it as .xlsx or CSV")
    return read_text(path, given, asked, marks, text, keep_bad)


def _is_spreadsheet(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except (zipfile.BadZipFile, OSError, NotImplementedError):
        return False


def _given(
    header: bool | None, delimiter: str | None, decimal: str | None, encoding: str | None
) -> tuple[Dialect, frozenset[str]]:
    """Return what the caller decided, and which of it."""
    options: dict[str, str | bool] = {}
    if header is not None:
        options["header"] = validation.truth("header", header)
    if delimiter is not None:
        named = {name: mark for mark, name in DELIMITERS.items()}
        delimiter = named.get(delimiter, delimiter) if isinstance(delimiter, str) else delimiter
        if not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '"\n\r':
            raise ValueError(f"delimiter is {delimiter!r}; it must be one character, or one of {', '.join(named)}")
        options["delimiter"] = delimiter
    if decimal is not None:
        if not isinstance(decimal, str) or decimal not in (".", ","):
            raise ValueError(f"decimal is {decimal!r}; it must be '.' or ','")
        options["decimal"] = decimal
    if encoding is not None:
        try:
            "".encode(encoding)
        except (LookupError, TypeError, ValueError):
            raise ValueError(
                f"encoding is {encoding!r}, which Python does not know; give 'utf-8' or 'latin-1'"
            ) from None
        options["encoding"] = encoding
    return Dialect(**options), frozenset(options)  # type: ignore[arg-type]


def _texts(what: str, given: Sequence[str]) -> list[str]:
    listed = validation.entries(what, given, "a list of texts")
    if not all(isinstance(entry, str) for entry in listed):
        raise TypeError(f"{what} is {given!r}; it must be a list of texts")
    return listed

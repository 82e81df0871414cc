"""Reads a CSV file with a header line. Its errors name the line and the column."""

import csv
import io
import math
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.tables.errors import DataFileError, shorten, unknown_name

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}
MISSING = frozenset({"", "?", "na", "n/a", "nan", "null", "none"})  # lower-case spellings of a missing value

MAX_LABEL = 200  # characters of a class label: NumPy reserves the width of the longest label for every row


def read_csv(
    data: bytes, target: str | None, features: Sequence[str] | None = None
) -> tuple[NDArray[np.float64], NDArray[Any] | None, tuple[str, ...], str | None]:
    r"""Return the fields of a `fastbp.data.Table` from the content of a CSV file.

    `fastbp.data.read_table` says what is accepted. Raises DataFileError without the file's name, which the caller adds.

    >>> read_csv(b"width,species\n1.5,setosa\n", "species")
    (array([[1.5]]), array(['setosa'], dtype='<U6'), ('width',), 'species')
    """
    text = _decoded(data)
    records = _records(text, _delimiter(text))
    first = next(records, None)
    if first is None:
        raise DataFileError("it is empty; a header line with the column names and one line per sample are required")
    names = _checked_header(first[1])
    for name in [*([] if target is None else [target]), *(features or ())]:
        if name not in names:
            raise unknown_name("column", name, names)
    if target is not None and len(names) == 1:
        raise DataFileError(f"its only column is the target {shorten(target)}; at least one feature column is required")
    column = None if target is None else names.index(target)
    read = [name for name in names if name != target] if features is None else features
    positions = [names.index(name) for name in read]
    numbers, labels, lines = _parsed_rows(records, names, column, positions)
    if not lines:
        raise DataFileError("it has a header line but no data; add one line per sample below it")
    X = np.frombuffer(numbers, dtype=np.float64).reshape(len(lines), len(positions))
    y = None if target is None else _target_values(labels, lines, target)
    return X, y, tuple(names[p] for p in positions), target


def _decoded(data: bytes) -> str:
    # UTF-16 and binary files contain NUL bytes, which the csv module accepts.
    position = data.find(b"\0")
    if position < 0:
        try:
            # Not utf-8-sig: the position in its errors would not count the byte order mark.
            return data.decode("utf-8").removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            position = error.start
    line = data.count(b"\n", 0, position) + 1
    raise DataFileError(
        f"line {line}: the byte 0x{data[position]:02x} is not UTF-8 text; save the table as CSV with UTF-8 encoding"
    )


def _records(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each record after the number of its first line. Blank lines are allowed at the end only."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    blank = None
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader, None)
        except csv.Error as error:
            raise DataFileError(f"line {line}: not valid CSV ({error}); check the quotes from there on") from error
        if fields is None:
            return
        if not fields:
            blank = blank or line
        elif blank is not None:
            raise DataFileError(f"line {blank} is empty, but more lines follow; delete it")
        else:
            yield line, fields


def _widths(text: str, delimiter: str) -> list[int]:
    """Count the fields of the header and of the first data line, as far as they can be read."""
    widths: list[int] = []
    with suppress(DataFileError):
        widths.extend(len(fields) for _, fields in islice(_records(text, delimiter), 2))
    return widths


def _delimiter(text: str) -> str:
    """Choose the delimiter that the first two lines agree on. Raises DataFileError if two fit equally well."""
    split = {mark: widths for mark in DELIMITERS if (widths := _widths(text, mark)) and widths[0] > 1}
    if not split:
        return ","
    agreed = {mark: widths for mark, widths in split.items() if len(set(widths)) == 1} or split
    most = max(widths[0] for widths in agreed.values())
    best = [mark for mark, widths in agreed.items() if widths[0] == most]
    if len(best) > 1:
        found = " or ".join(DELIMITERS[mark] for mark in best)
        raise DataFileError(f"line 1: the delimiter may be {found} ({most} columns each); quote the column names")
    return best[0]


def _checked_header(fields: list[str]) -> list[str]:
    names = [field.strip() for field in fields]
    seen = set()
    for position, name in enumerate(names, start=1):
        if not name:
            raise DataFileError(f"line 1: column {position} has no name; name it, or delete the column")
        if name in seen:
            raise DataFileError(f"line 1: the column name {shorten(name)} is there twice; every column needs its own")
        seen.add(name)
    # pandas numbers the columns of a bare array. A header of other numbers is a sample; the names are missing.
    counted = any(names == [str(start + i) for i in range(len(names))] for start in (0, 1))
    if not counted and all(_number(name) is not None for name in names):
        raise DataFileError(
            f"line 1 holds numbers (the first is {shorten(names[0])}), but column names are required; "
            "put a header line above the data"
        )
    return names


def _parsed_rows(
    records: Iterator[tuple[int, list[str]]], names: list[str], column: int | None, positions: list[int]
) -> tuple["array[float]", list[str], list[int]]:
    numbers, labels, lines = array("d"), [], []
    for line, fields in records:
        if len(fields) != len(names):
            raise DataFileError(
                f"line {line} has {len(fields)} fields, but the header has {len(names)}; "
                "give every line one value per column"
            )
        if column is not None:
            labels.append(fields[column].strip())
        values = [fields[p] for p in positions]
        try:
            row = list(map(float, values))
        except ValueError:
            row = [math.nan]
        # float() reads 1_000, as Python source does. In a table it is a mistake.
        if not all(map(math.isfinite, row)) or "_" in "".join(values):
            raise _bad_value(line, [names[p] for p in positions], values)
        numbers.extend(row)
        lines.append(line)
    return numbers, labels, lines


def _number(value: str) -> float | None:
    try:
        return None if "_" in value else float(value)
    except ValueError:
        return None


def _fault(value: str) -> str | None:
    """Return what is wrong with a value that must be a finite number; None if nothing is."""
    if value.strip().lower() in MISSING:
        return f"the value is missing ({shorten(value.strip())}); fill it in or delete the line"
    # The value itself: strip() removes characters that float() does not.
    number = _number(value)
    if number is None:
        decimal_comma = _number(value.replace(",", ".")) is not None
        remedy = "write a decimal point" if decimal_comma else "encode it as a number, or name its column as the target"
        return f"{shorten(value)} is not a number; {remedy}"
    return None if math.isfinite(number) else f"{shorten(value)} is not finite; finite numbers are required"


def _bad_value(line: int, names: list[str], fields: list[str]) -> DataFileError:
    """Return the error for the first faulty value of a row that has one."""
    name, fault = next((name, fault) for name, value in zip(names, fields, strict=True) if (fault := _fault(value)))
    return DataFileError(f"line {line}, column {shorten(name)}: {fault}")


def _target_values(labels: list[str], lines: list[int], name: str) -> NDArray[Any]:
    """Return float64 if every label that is not missing is a number, else str."""
    present = [label for label in labels if label.lower() not in MISSING]
    numeric = all(_number(label) is not None for label in present)
    for line, label in zip(lines, labels, strict=True):
        where = f"line {line}, column {shorten(name)} (the target)"
        # A class may be called NA or none, but not "".
        if numeric and (fault := _fault(label)):
            raise DataFileError(f"{where}: {fault}")
        if not label:
            raise DataFileError(f"{where}: the value is missing (''); fill it in or delete the line")
        if len(label) > MAX_LABEL:
            raise DataFileError(
                f"{where}: {shorten(label)} has {len(label)} characters; class labels have at most {MAX_LABEL}"
            )
    return np.array([float(label) for label in labels]) if numeric else np.array(labels)

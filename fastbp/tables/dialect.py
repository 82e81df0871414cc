"""How a text file writes a table: encoding, delimiter, header line, decimal mark."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from math import isnan

import numpy as np

from fastbp.tables import cells
from fastbp.tables.arrays import MISSING
from fastbp.tables.errors import DataFileError, shorten

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar", " ": "whitespace"}
SAMPLE = 1 << 18  # bytes at the beginning that decide
SAMPLE_ROWS = 200
EMPTY = "it is empty; a line with the column names and one line per sample are required"
MOST_TITLES = 30  # lines above a table
FIELD_LIMIT = 1 << 20  # characters of a cell
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?")
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+")
_DECIMAL_POINT = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:,\d{3})+)\.\d+(?:[eE][+-]?\d+)?")


@dataclass(frozen=True)
class Dialect:
    """How a file is read. `notes` say in words what was not plain."""

    encoding: str = "utf-8"
    delimiter: str = ","
    header: bool = True
    decimal: str = "."
    names: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()  # spellings of a missing value that are seen
    start: int = 1  # the line in which the table begins; titles may stand above it
    notes: tuple[str, ...] = ()


def encoding_of(sample: bytes, whole: bool) -> str:
    """Return the encoding of a file that begins like this: a byte order mark tells, otherwise UTF-8 or Windows-1252.

    `whole` says that the sample is the whole file, so that a character cut off at the end is an error.

    >>> encoding_of("größe".encode(), True), encoding_of("größe".encode("latin-1"), True)
    ('utf-8', 'cp1252')
    """
    for mark, name in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if sample.startswith(mark):
            return name
    if (nul := sample.find(b"\0")) >= 0:
        even, odd = sample[::2].count(0), sample[1::2].count(0)
        if max(even, odd) > len(sample) // 4 and min(even, odd) == 0:
            return "utf-16-le" if odd else "utf-16-be"
        line = sample.count(b"\n", 0, nul) + 1
        raise DataFileError(f"line {line}: the byte 0x00 is not text; save the table as CSV with UTF-8 encoding")
    try:
        sample.decode("utf-8")
    except UnicodeDecodeError as error:
        if whole or error.start < len(sample) - 3:
            return "cp1252" if not set(sample) & _NOT_IN_CP1252 else "latin-1"
    return "utf-8"


_NOT_IN_CP1252 = frozenset({0x81, 0x8D, 0x8F, 0x90, 0x9D})


def records(lines: Iterable[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the fields of each record after the number of its first line. Blank lines are left out.

    Raises DataFileError with the line for a quote that is not closed, and for NUL characters.
    """
    if delimiter == " ":
        for number, text in enumerate(_checked(lines), start=1):
            if words := text.split():
                yield number, [word.strip('"') for word in words]
        return
    csv.field_size_limit(FIELD_LIMIT)
    reader = csv.reader(_checked(lines), delimiter=delimiter, skipinitialspace=delimiter != "\t", strict=True)
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataFileError(f"line {line}: not valid CSV ({error}); check the quotes from there on") from None
        if fields and not (len(fields) == 1 and not fields[0].strip()):
            yield line, fields


def _checked(lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        if "\0" in line:
            raise DataFileError(f"line {number}: the byte 0x00 is not text; save the table as CSV with UTF-8 encoding")
        yield line


def sniffed(text: str, given: Dialect, asked: frozenset[str], suffix: str = "") -> Dialect:
    r"""Return the dialect of a file that begins with `text`; fields of `given` that are in `asked` stay as they are.

    Raises DataFileError if the file is empty, or if two delimiters fit equally well.

    >>> dialect = sniffed("a;b\n1,5;2\n", Dialect(), frozenset())
    >>> dialect.delimiter, dialect.decimal, dialect.names
    (';', ',', ('a', 'b'))
    """
    lines = text.splitlines(keepends=True)
    if not any(line.strip() for line in lines):
        raise DataFileError(EMPTY)
    delimiter = given.delimiter if "delimiter" in asked else _delimiter(lines, suffix)
    start, found = _table_in(_some_records(lines, delimiter))
    if not found:  # the first record is broken or longer than the sample: reading it says why
        found = [fields for _, fields in islice(records(lines, delimiter), 1)]
    if not found:
        raise DataFileError(EMPTY)
    missing = sorted({cell for fields in found for cell in fields if cell and cell.lower() in MISSING})
    dialect = replace(given, delimiter=delimiter, missing=tuple(missing))
    if start > 1 and any(line.strip() for line in lines[: start - 1]):
        dialect = replace(dialect, start=start, notes=(*given.notes, f"the table begins in line {start}"))
    if "decimal" not in asked:
        dialect = _with_decimal(dialect, found[1:] or found)
    return _with_header(dialect, found, asked)


def _some_records(lines: Sequence[str], delimiter: str) -> list[tuple[int, list[str]]]:
    """Return the first records after the numbers of their lines, as far as they can be read."""
    found = []
    try:
        for line, fields in records(lines, delimiter):
            found.append((line, [field.strip() for field in fields]))
            if len(found) == SAMPLE_ROWS:
                break
    except DataFileError:
        pass
    return found


def _table_in(found: list[tuple[int, list[str]]]) -> tuple[int, list[list[str]]]:
    """Return the line in which the table begins, and its records: all but titles, which have fewer fields, above it."""
    if not found:
        return 1, []
    widths = [len(fields) for _, fields in found]
    width, n = Counter(widths).most_common(1)[0]
    first = 0
    if width > 1 and n > 2 and widths[0] < width - 1:
        fits = (i for i, w in enumerate(widths[:MOST_TITLES]) if w > 1 and width - 1 <= w <= width + 1)
        first = next(fits, 0)
    return found[first][0], [fields for _, fields in found[first:]]


def _delimiter(lines: Sequence[str], suffix: str) -> str:
    scores: dict[str, tuple[bool, float, bool, int]] = {}
    for mark in DELIMITERS:
        _, found = _table_in(_some_records(lines, mark))
        widths = Counter(map(len, found[1:] or found))
        width, n = widths.most_common(1)[0] if widths else (1, 0)
        agree = n / max(len(found[1:] or found), 1) if found and abs(len(found[0]) - width) <= 1 else 0.0
        if (
            width < 2
            or agree < (0.6 if len(found[0]) == width else 0.9)
            or (mark == " " and (len(found) < 2 or len(found[0]) < 2))
        ):
            continue
        cell_list = [cell for fields in found[1:] or found for cell in fields]
        numeric = sum(_looks_like_number(cell, mark) for cell in cell_list) / len(cell_list)
        if mark == " " and (scores or (numeric < 0.5 and suffix not in (".txt", ".dat", ".data", ".tab", ".prn"))):
            continue
        scores[mark] = (agree == 1, round(numeric, 3), len(found[0]) == width, width)
    if not scores:
        return ","
    best = max(scores.values())
    marks = [mark for mark, score in scores.items() if score == best]
    if len(marks) > 1:
        found_marks = " or ".join(DELIMITERS[mark] for mark in marks)
        raise DataFileError(f"the delimiter may be {found_marks} ({best[3]} columns each); give the delimiter")
    return marks[0]


def _looks_like_number(cell: str, mark: str) -> bool:
    return cell.lower() in MISSING or not isnan(cells.number(cell, "," if mark != "," and "," in cell else "."))


def _with_decimal(dialect: Dialect, body: list[list[str]]) -> Dialect:
    """Find out whether numbers are written with a decimal comma."""
    all_cells = [cell for fields in body for cell in fields if "," in cell or "." in cell]
    commas = [cell for cell in all_cells if _DECIMAL_COMMA.fullmatch(cell)]
    points = any(_DECIMAL_POINT.fullmatch(cell) for cell in all_cells)
    certain = any(not _GROUPED.fullmatch(cell) for cell in commas)
    if not commas or points or not (certain or dialect.delimiter == ";"):
        return dialect
    note = "decimal comma" if certain else f"{shorten(commas[0])} is read with a decimal comma: the file does not tell"
    return replace(dialect, decimal=",", notes=(*dialect.notes, note))


def _with_header(dialect: Dialect, found: list[list[str]], asked: frozenset[str]) -> Dialect:
    first, body = found[0], found[1:]
    width = Counter(map(len, body)).most_common(1)[0][0] if body else len(first)
    notes = list(dialect.notes)
    header = dialect.header if "header" in asked else _is_header(first, body, width, dialect.decimal)
    if not header:
        if "header" not in asked:
            notes.append("line 1 holds values, not names: the columns are column_1, column_2, …")
        names = tuple(f"column_{i}" for i in range(1, max(width, len(first)) + 1))
        return replace(dialect, header=False, names=names, notes=tuple(notes))
    if len(first) == width + 1 and not first[-1]:
        first = first[:-1]
    if len(first) == width - 1 and body:
        # R writes row names without a name for their column; other programs end every line with a delimiter.
        ends_empty = all(not fields[-1] for fields in body if len(fields) == width)
        first = [*first, ""] if ends_empty else ["", *first]
    if "header" not in asked and all(_is_number(cell, dialect.decimal) for cell in first):
        notes.append("line 1 counts up, so it is taken for names")
    names, renamed = unique_names(first)
    if renamed:
        notes.append(f"names that were there twice got a number: {', '.join(renamed[:5])}")
    return replace(dialect, header=True, names=names, notes=tuple(notes))


def _is_header(first: list[str], body: list[list[str]], width: int, decimal: str) -> bool:
    if not body or abs(len(first) - width) == 1:
        return bool(body) or not any(_is_number(cell, decimal) for cell in first)
    rows = [fields for fields in body if len(fields) == len(first)]
    if first[0] == "" and all(first[1:]) and len(first) > 1 and _names_rows([fields[0] for fields in rows]):
        return True  # as R writes the names of its rows
    for_header = against = 0
    for j, cell in enumerate(first):
        column = [fields[j] for fields in rows if fields[j].lower() not in MISSING]
        if not column:
            continue
        if sum(_is_number(value, decimal) for value in column) > 0.8 * len(column):
            numeric = _is_number(cell, decimal) or (cell.lower() in MISSING and cell != "")
            against, for_header = against + numeric, for_header + (not numeric and cell != "")
    if for_header or against:
        return for_header > against or _counts_up(first, decimal)
    if any(_is_number(cell, decimal) for cell in first) or len(set(first)) < len(first):
        return False
    # All is text: names are not among the values below them.
    repeated = sum(cell in {fields[j] for fields in rows} for j, cell in enumerate(first) if cell)
    return repeated < max(1, len(first) / 3)


def _names_rows(values: list[str]) -> bool:
    return len(values) > 1 and all(values) and len(set(values)) == len(values)


def _is_number(cell: str, decimal: str) -> bool:
    return not isnan(cells.number(cell, decimal))


def _counts_up(first: list[str], decimal: str) -> bool:
    """Whether numbers in a first line are names: all are 0, 1, 2, …, or some are years one after the other."""
    numbers = [cells.number(cell, decimal) for cell in first]
    found = [number for number in numbers if not isnan(number)]
    if len(found) < 2 or not bool((np.diff(found) == 1).all()):
        return False
    return found[0] > 1500 or (found[0] in (0, 1) and len(found) == len(first))


def _unquoted(name: str) -> str:
    return name[1:-1].strip() if len(name) > 2 and name[0] == name[-1] and name[0] in "'\"" else name


def unique_names(first: list[str]) -> tuple[tuple[str, ...], list[str]]:
    """Return a name for each column, and those that had to be changed because they were there twice.

    >>> unique_names(["", "a", "a", ""])
    (('', 'a', 'a_2', 'column_4'), ['a_2'])
    """
    names: list[str] = []
    renamed = []
    for place, cell in enumerate(first):
        name = _unquoted(cell.strip()) or ("" if place == 0 else f"column_{place + 1}")
        number, base = 2, name
        while name in names:
            name, number = f"{base}_{number}", number + 1
        if name != base:
            renamed.append(name)
        names.append(name)
    return tuple(names), renamed

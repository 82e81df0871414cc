"""The four kinds of column that a table has: arrays of float64, bool and datetime64, and `Texts`."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from numbers import Real
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from fastbp.tables.errors import DataFileError
from fastbp.tables.texts import Texts

Array = npt.NDArray[Any]
Values: TypeAlias = Array | Texts  # of a column

# Lower-case spellings of a missing value.
MISSING = frozenset({"", "?", "-", "--", ".", "na", "n/a", "#n/a", "nan", "null", "none", "nil", "<na>", "nat"})
LARGEST_EXACT = 2.0**53  # whole numbers up to here have a float64 of their own


def as_column(given: Any, name: str = "column") -> Values:
    """Return values as one of the four kinds of column that `Table` has.

    >>> as_column([1, 2.5, None]), as_column(["1", "NA"]).tolist(), as_column([True, False])
    (array([1. , 2.5, nan]), ['1', None], array([ True, False]))
    """
    if isinstance(given, Texts):
        return given
    values: Array
    if isinstance(given, np.ndarray):
        values = given
    else:
        if isinstance(given, str | bytes) or not isinstance(given, Iterable):
            raise TypeError(f"column {name!r} is {given!r:.40}; it must be a sequence of values")
        listed = list(given)
        values = np.empty(len(listed), dtype=object)
        values[:] = listed
    if values.ndim != 1:
        raise ValueError(f"column {name!r} has shape {values.shape}; it must have one axis")
    if isinstance(given, np.ma.MaskedArray):
        values = given.astype(object)
        values = np.array(values.tolist(), dtype=object)  # None where masked
    kind = values.dtype.kind
    if kind == "f":
        return values.astype(np.float64, copy=False)
    if kind in "iu":
        if values.size and max(-int(values.min()), int(values.max())) > LARGEST_EXACT:
            return Texts.of(values.astype(str).tolist())
        return values.astype(np.float64)
    if kind == "b":
        return values
    if kind == "M":
        return values.astype("datetime64[us]")
    if kind == "m":
        days: Array = values / np.timedelta64(1, "D")  # NaT becomes NaN
        return days
    if kind in "USTO":
        return _of_objects(values.astype(object), name)
    raise TypeError(f"column {name!r} is of type {values.dtype}; numbers, text, true and false, or dates are required")


def text_column(values: Iterable[str | None], marks: frozenset[str] = MISSING) -> Texts:
    """Return texts as a column, without spaces around them; a mark of a missing value is none.

    >>> text_column([" a", "NA"]).tolist()
    ['a', None]
    """
    rows = values if isinstance(values, list) else list(values)
    different = [value for value in dict.fromkeys(rows) if value is not None]
    numbers: dict[str | None, int] = {value: i for i, value in enumerate(different)} | {None: -1}
    return cleaned(np.fromiter(map(numbers.__getitem__, rows), np.int32, len(rows)), different, marks)


def cleaned(codes: Array, different: list[str], marks: frozenset[str] = MISSING) -> Texts:
    """Return the column of codes of different texts, without spaces around these, and without marks."""
    if list(map(str.strip, different)) == different and marks.isdisjoint(map(str.lower, different)):
        return Texts(codes.astype(np.int32, copy=False), different)
    return Texts.coded(codes, [_clean(text, marks) for text in different])


def _clean(text: str, marks: frozenset[str]) -> str | None:
    stripped = text.strip()
    return None if stripped.lower() in marks else stripped


def missing_in(column: Values) -> Array:
    """Return a mask of what is missing in a column.

    >>> missing_in(np.array([1, np.nan]))
    array([False,  True])
    """
    if isinstance(column, Texts):
        return column.missing
    if column.dtype.kind == "f":
        return np.isnan(column)
    if column.dtype.kind == "M":
        return np.isnat(column)
    return np.zeros(len(column), dtype=bool)


def label_texts(column: Values) -> Texts:
    """Return a column as text, as a person would write it: whole numbers without a decimal point.

    >>> label_texts(np.array([1.0, 2.5, np.nan])).tolist(), label_texts(np.array([True])).tolist()
    (['1', '2.5', None], ['True'])
    """
    if isinstance(column, Texts):
        return column
    codes = np.full(len(column), -1, np.int32)
    present = ~missing_in(column)
    values, codes[present] = np.unique(column[present], return_inverse=True)
    return Texts.coded(codes, map(label_of, values.tolist()))


def counts_of(column: Values) -> dict[Any, int]:
    """Return how many rows each value has, without those that have none.

    >>> counts_of(np.array([2, np.nan, 1, 2]))
    {1.0: 1, 2.0: 2}
    """
    if isinstance(column, Texts):
        return column.counts()
    values, counts = np.unique(column[~missing_in(column)], return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def label_of(value: Any) -> str:
    """Return a value as a person would write it."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _of_objects(values: Array, name: str) -> Values:
    """Return a column of Python objects: all numbers, all dates, or text."""
    listed = values.tolist()
    try:
        different = set(listed)
        if all(value is None or type(value) is str for value in different):
            return text_column(listed)
    except TypeError:
        pass  # lists cannot be hashed
    listed = [value if type(value) is str or not _is_missing(value) else None for value in listed]
    kinds = {type(value) for value in listed if value is not None}
    if all(issubclass(kind, str) for kind in kinds):
        return text_column(listed)
    if all(issubclass(kind, bool | np.bool_) for kind in kinds) and None not in listed:
        return np.array(listed, dtype=bool)
    if all(issubclass(kind, Real | Decimal) and not issubclass(kind, bool) for kind in kinds):
        try:
            numbers = np.array([np.nan if value is None else float(value) for value in listed])
            if not any(issubclass(kind, int) for kind in kinds) or not (np.abs(numbers) > LARGEST_EXACT).any():
                return numbers
        except OverflowError:
            pass
    elif all(hasattr(kind, "isoformat") for kind in kinds):
        try:
            return np.array(["NaT" if v is None else v for v in listed], dtype="datetime64[us]")
        except (ValueError, TypeError):
            pass  # times without a date, or with a time zone
    if any(issubclass(kind, list | dict | tuple | set | np.ndarray) for kind in kinds):
        raise DataFileError(f"column {name!r} holds lists or objects; a cell must be one number or text")
    return text_column([None if value is None else label_of(value) for value in listed])


def _is_missing(value: Any) -> bool:
    if isinstance(value, float):
        return value != value
    return value is None or type(value).__name__ in ("NAType", "NaTType")

"""The four kinds of array that a column of a table has: float64, bool, datetime64, and str as objects."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from itertools import repeat
from numbers import Real
from operator import is_
from typing import Any

import numpy as np
import numpy.typing as npt

from fastbp.tables.errors import DataFileError

Array = npt.NDArray[Any]

# Lower-case spellings of a missing value.
MISSING = frozenset({"", "?", "-", "--", ".", "na", "n/a", "#n/a", "nan", "null", "none", "nil", "<na>", "nat"})
LARGEST_EXACT = 2.0**53  # whole numbers up to here have a float64 of their own


def as_column(given: Any, name: str = "column") -> Array:
    """Return values as one of the four kinds of column that `Table` has.

    >>> as_column([1, 2.5, None]), as_column(["1", "NA"]), as_column([True, False])
    (array([1. , 2.5, nan]), array(['1', None], dtype=object), array([ True, False]))
    """
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
            return values.astype(str).astype(object)
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


def text_column(values: Iterable[str | None], marks: frozenset[str] = MISSING) -> Array:
    """Return texts as a column; None where one is a mark of a missing value.

    >>> text_column([" a", "NA"])
    array(['a', None], dtype=object)
    """
    given = values if isinstance(values, list) else list(values)
    known: dict[str | None, str | None] = {}
    for value in set(given):
        stripped = None if value is None else value.strip()
        known[value] = None if stripped is None or stripped.lower() in marks else stripped
    listed = list(map(known.__getitem__, given))
    result = np.empty(len(listed), dtype=object)
    result[:] = listed
    return result


def missing_in(column: Array) -> Array:
    """Return a mask of what is missing in a column.

    >>> missing_in(np.array([1, np.nan]))
    array([False,  True])
    """
    if column.dtype.kind == "f":
        return np.isnan(column)
    if column.dtype.kind == "M":
        return np.isnat(column)
    if column.dtype.kind == "O":
        return np.fromiter(map(is_, column.tolist(), repeat(None)), bool, len(column))
    return np.zeros(len(column), dtype=bool)


def label_texts(column: Array) -> Array:
    """Return a column as text, as a person would write it: whole numbers without a decimal point.

    >>> label_texts(np.array([1.0, 2.5, np.nan])).tolist(), label_texts(np.array([True])).tolist()
    (['1', '2.5', None], ['True'])
    """
    if column.dtype.kind == "O":
        return column
    result = np.full(len(column), None, dtype=object)
    present = ~missing_in(column)
    values, index = np.unique(column[present], return_inverse=True)
    texts = np.empty(len(values), dtype=object)
    texts[:] = [_label(value) for value in values.tolist()]
    result[present] = texts[index]
    return result


def _label(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _of_objects(values: Array, name: str) -> Array:
    """Return a column of Python objects: all numbers, all dates, or text."""
    listed = values.tolist()
    try:
        different = set(listed)
        if all(value is None or type(value) is str for value in different):
            return values if _are_clean(different) else text_column(listed)
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
    return text_column([None if value is None else _label(value) for value in listed])


def _are_clean(texts: set[str | None]) -> bool:
    return all(text is None or (text == text.strip() and text.lower() not in MISSING) for text in texts)


def _is_missing(value: Any) -> bool:
    if isinstance(value, float):
        return value != value
    return value is None or type(value).__name__ in ("NAType", "NaTType")

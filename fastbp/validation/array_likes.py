"""Anything that can be read as an array of numbers: NumPy's, pandas', PyTorch's and others', lists, objects."""

from collections.abc import Iterable
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np

from fastbp.model import Array


def is_sparse(data: Any) -> bool:
    """Whether it is one of SciPy's sparse matrices or arrays, which NumPy would take for a single object."""
    return hasattr(data, "toarray") and hasattr(data, "nnz") and hasattr(data, "shape")


def as_array(what: str, data: Any) -> Array:
    """Return `data` as an array of whatever dtype; of objects that are all real numbers, as float64.

    pandas has such objects in nullable columns. Raises ValueError if it is ragged, sparse, or some of it is masked.
    """
    if isinstance(data, np.ma.MaskedArray) and np.ma.is_masked(data):
        raise ValueError(f"{what} is a masked array with masked entries; fill or remove them")
    if is_sparse(data):
        megabytes = 4 * float(np.prod(data.shape, dtype=np.float64)) / 1e6
        raise ValueError(
            f"{what} is sparse, a {type(data).__name__} of shape {data.shape}; give {what}.toarray(), which takes "
            f"{megabytes:,.1f} MB in float32 (the estimators of fastbp.sklearn take it as it is)"
        )
    try:
        array = np.asarray(data)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ValueError(f"{what} cannot be read as an array: {error}") from None
    if array.dtype == object and array.size > 0 and not any(map(_is_no_number, set(map(type, array.flat)))):
        try:
            return array.astype(np.float64)
        except OverflowError:
            raise ValueError(f"{what} has whole numbers that are larger than any float; scale it") from None
    return array


def _is_no_number(kind: type) -> bool:
    return not issubclass(kind, Real | Decimal | np.bool_)


def why_no_numbers(what: str, array: Array, data: Any) -> str:
    """Return the first entry of an array of objects that is no number, and which columns of a table have such."""
    wrong = np.array([_is_no_number(type(entry)) for entry in array.flat], bool).reshape(array.shape)
    if not wrong.any():
        return ""
    index = tuple(int(i) for i in np.argwhere(wrong)[0])
    place = f"[{', '.join(map(str, index))}]" if index else ""
    words = f"{what}{place} is {array[index]!r:.40}, which is no real number"
    columns = getattr(data, "columns", None)
    if array.ndim == 2 and isinstance(columns, Iterable):
        bad = set(np.flatnonzero(wrong.any(axis=0)).tolist())
        names = [str(name) for k, name in enumerate(columns) if k in bad]
        words += f" (columns with such: {', '.join(names[:5])}{', …' if len(names) > 5 else ''})"
    return words + ". Fill in what is missing, and encode words as numbers"

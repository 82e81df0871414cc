"""Data that can be read as an array of numbers: NumPy's, pandas', PyTorch's and others', lists, objects."""

from collections.abc import Iterable
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np

from fastbp.model import Array


def is_sparse(data: Any) -> bool:
    """Whether it is a sparse matrix or array of SciPy, which NumPy would read as a single object."""
    return hasattr(data, "toarray") and hasattr(data, "nnz") and hasattr(data, "shape")


def as_array(what: str, data: Any) -> Array:
    """Return `data` as an array of any dtype, or of float64 if it has objects that are all real numbers.

    pandas' nullable columns have such objects. Raises ValueError if it is ragged, sparse, or has masked entries.
    """
    if isinstance(data, np.ma.MaskedArray) and np.ma.is_masked(data):
        raise ValueError(f"{what} is a masked array with masked entries; fill or remove them")
    if is_sparse(data):
        megabytes = 4 * float(np.prod(data.shape, dtype=np.float64)) / 1e6
        raise ValueError(
            f"{what} is sparse, a {type(data).__name__} of shape {data.shape}; give {what}.toarray(), which takes "
            f"{megabytes:,.1f} MB in float32 (the estimators of fastbp.sklearn accept sparse data)"
        )
    try:
        array = np.asarray(data)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ValueError(f"{what} cannot be read as an array: {error}") from None
    if array.dtype == object and array.size > 0 and not any(map(_is_no_number, set(map(type, array.flat)))):
        try:
            return array.astype(np.float64)
        except OverflowError:
            raise ValueError(f"{what} has whole numbers that are too large for a float; scale it") from None
    return array


def _is_no_number(kind: type) -> bool:
    return not issubclass(kind, Real | Decimal | np.bool_)


def why_no_numbers(what: str, array: Array, data: Any) -> str:
    """Return words about the first entry that is not a number, and the columns of a table with such entries."""
    wrong = np.array([_is_no_number(type(entry)) for entry in array.flat], bool).reshape(array.shape)
    if not wrong.any():
        return ""
    index = tuple(int(i) for i in np.argwhere(wrong)[0])
    place = f"[{', '.join(map(str, index))}]" if index else ""
    words = f"{what}{place} is {array[index]!r:.40}, which is not a real number"
    columns = getattr(data, "columns", None)
    if array.ndim == 2 and isinstance(columns, Iterable):
        bad = set(np.flatnonzero(wrong.any(axis=0)).tolist())
        names = [str(name) for k, name in enumerate(columns) if k in bad]
        words += f" (columns with such: {', '.join(names[:5])}{', …' if len(names) > 5 else ''})"
    return words + ". Fill in what is missing, and encode words as numbers"

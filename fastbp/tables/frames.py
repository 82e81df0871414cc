"""Columns of pandas, polars and pyarrow tables."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from fastbp.tables.arrays import Array, Values, cleaned


def columns_of(frame: Any) -> dict[str, Values]:
    """Return the columns of a frame by name, as `Table` takes them; all but pandas' through narwhals.

    Raises ImportError without narwhals, TypeError for what is no frame, ValueError if names are there twice.
    """
    names = names_of(frame)
    if len(set(names)) < len(names):
        double = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the column name {double!r} is there twice; every column needs its own")
    if hasattr(frame, "items") and hasattr(frame, "dtypes"):  # pandas itself takes a tenth of narwhals' time
        return {name: _of_pandas(array) for name, array in zip(names, _arrays_of_pandas(frame), strict=True)}
    try:
        import narwhals.stable.v1 as nw
    except ImportError:
        raise ImportError(
            f"a {type(frame).__name__} is read through narwhals: pip install 'fastbp[tabular]'; or give a dict"
        ) from None
    try:
        data = nw.from_native(frame, eager_only=True)
    except TypeError:
        raise TypeError(
            f"the data are a {type(frame).__name__}; give a pandas, polars or pyarrow table, a dict of columns, or an "
            "array (for a lazy frame, call its collect())"
        ) from None
    if isinstance(data, nw.Series):
        raise TypeError("the data are a single series; give a table, for one column a table of one column")
    return {name: _values(nw, data.get_column(own)) for name, own in zip(names, data.columns, strict=True)}


def names_of(frame: Any) -> list[str]:
    """Return the names of the columns of a frame."""
    names = getattr(frame, "column_names", getattr(frame, "columns", ()))
    return [str(name) for name in (names.tolist() if hasattr(names, "tolist") else names)]


def _arrays_of_pandas(frame: Any) -> Iterable[Any]:
    """Return the arrays of all columns. A Series of each takes as long as reading it: pandas has a way around that."""
    if hasattr(frame, "_iter_column_arrays"):
        return frame._iter_column_arrays()  # type: ignore[no-any-return]
    return (series.array for _, series in frame.items())


def _of_pandas(array: Any) -> Values:
    dtype = array.dtype
    if isinstance(dtype, np.dtype):
        return np.asarray(array)
    if hasattr(dtype, "tz"):
        return np.asarray(array.tz_localize(None))
    if hasattr(dtype, "categories") and dtype.categories.dtype.type is str:
        return cleaned(np.asarray(array.codes), dtype.categories.tolist())
    if dtype.type is str:
        codes, different = array.factorize()
        return cleaned(codes, different.tolist())
    return np.asarray(array.to_numpy(dtype=object, na_value=None))


def _values(nw: Any, series: Any) -> Array:
    dtype = series.dtype
    if dtype == nw.Boolean and series.null_count():
        return _objects(series)
    if dtype == nw.Decimal:
        series, dtype = series.cast(nw.Float64), nw.Float64
    if dtype.is_numeric():
        if not dtype.is_integer():
            return np.asarray(series.to_numpy(), dtype=np.float64)
        return _objects(series) if series.null_count() else np.asarray(series.to_numpy())
    if dtype in (nw.Categorical, nw.Enum):
        series = series.cast(nw.String)
    if isinstance(dtype, nw.Datetime) and dtype.time_zone:
        series = series.dt.replace_time_zone(None)
    if isinstance(dtype, nw.Date | nw.Datetime | nw.Duration):
        return np.asarray(series.to_numpy())
    return _objects(series)


def _objects(series: Any) -> Array:
    result = np.empty(len(series), dtype=object)
    result[:] = series.to_list()
    return result

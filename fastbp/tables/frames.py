"""Columns of pandas, polars and pyarrow tables."""

from typing import Any

import numpy as np

from fastbp.tables.arrays import Array


def columns_of(frame: Any) -> dict[str, Array]:
    """Return the columns of a frame by name, as arrays that `Table` takes; all but pandas' through narwhals.

    Raises ImportError without narwhals, TypeError for what is no frame, ValueError if names are there twice.
    """
    names = [str(name) for name in getattr(frame, "column_names", getattr(frame, "columns", ()))]
    if len(set(names)) < len(names):
        double = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the column name {double!r} is there twice; every column needs its own")
    if hasattr(frame, "items") and hasattr(frame, "dtypes"):  # pandas itself takes a tenth of narwhals' time
        return {name: _of_pandas(series) for name, (_, series) in zip(names, frame.items(), strict=True)}
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


def _of_pandas(series: Any) -> Array:
    if isinstance(series.dtype, np.dtype):
        return np.asarray(series.to_numpy())
    if hasattr(series.dtype, "tz"):
        series = series.dt.tz_localize(None)
        return np.asarray(series.to_numpy())
    return np.asarray(series.to_numpy(dtype=object, na_value=None))


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

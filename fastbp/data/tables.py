"""Reads tables from CSV and NPZ files, for the command line."""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastbp import disk, validation
from fastbp.tables.errors import DataFileError

from .csv_table import read_csv
from .npz_table import read_npz

ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")


class Table(NamedTuple):
    """Features, and the target that a network learns from them.

    Attributes
    ----------
    X : ndarray of float64, shape (n_samples, n_features)
        Finite numbers, C-contiguous.
    y : ndarray or None
        The target, one row per row of `X`: float64 from a CSV column of numbers, str from one with text; from an NPZ
        file any type of numbers or str, of shape (n_samples,) or (n_samples, n_outputs). None without a target.
    feature_names : tuple of str
        One per column of `X`.
    target_name : str or None
        The name of the column or array that `y` was read from.

    Examples
    --------
    >>> Table(np.zeros((3, 2)), None, ("width", "height"), None).X.shape
    (3, 2)
    """

    X: NDArray[np.float64]
    y: NDArray[Any] | None
    feature_names: tuple[str, ...]
    target_name: str | None


def read_table(
    path: str | os.PathLike[str], *, target: str | None = None, features: Sequence[str] | None = None
) -> Table:
    r"""Read a table from a CSV or an NPZ file.

    **CSV**: UTF-8 text, with or without a byte order mark. The first line names the columns. The first two lines decide
    whether the delimiter is comma, semicolon or tab. Feature columns hold finite numbers with a decimal point. A target
    column of numbers only is numeric; any other is text, without surrounding blanks.

    **NPZ**: as `numpy.savez` and `numpy.savez_compressed` write it, without Python objects. The array ``X`` holds the
    features, ``Y`` or ``y`` (or the array named by `target`) the target, if there is one.

    Parameters
    ----------
    path : str or path-like
        The file. Its content decides which format it has.
    target : str, optional
        The column (CSV) or array (NPZ) of the target.
    features : sequence of str, optional
        The columns of a CSV file to read, in this order; the others may hold anything. By default all but the target.
        The columns of an NPZ file's ``X`` have no names, so it is read whole.

    Returns
    -------
    Table
        ``X`` (n_samples, n_features) in float64, ``y``, ``feature_names`` and ``target_name``.

    Raises
    ------
    DataFileError
        If the file is not such a table: it is empty, or neither CSV nor NPZ; there are no data below the header; column
        names are empty, double or numbers; values are missing or not finite numbers; lines differ in length; there is
        no such target. The message names the file, and the line and column.
    TypeError, ValueError
        If `path`, `target` or `features` has a wrong type; if `features` is empty.
    OSError
        If the file cannot be opened or read, for one FileNotFoundError.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "iris.csv"
    ...     _ = path.write_text("length;width;species\n5.1;3.5;setosa\n6.3;3.3;virginica\n")
    ...     table = read_table(path, target="species")
    >>> table.X
    array([[5.1, 3.5],
           [6.3, 3.3]])
    >>> table.y
    array(['setosa', 'virginica'], dtype='<U9')
    >>> table.feature_names, table.target_name
    (('length', 'width'), 'species')
    """
    path = disk.checked_path(path)
    if target is not None and not isinstance(target, str):
        raise TypeError(f"target is {target!r}; it must be the name of a column, or of an array of an NPZ file")
    if features is not None:
        needed = "a list of the names of columns"
        features = validation.entries("features", features, needed)
        if not all(isinstance(name, str) for name in features):
            raise TypeError(f"features is {features!r}; it must be {needed}")
        if not features:
            raise ValueError("features is empty; name one column at least, or leave it out for all")
    try:
        with open(path, "rb") as file:
            start = file.read(4)
            file.seek(0)
            if start in ZIP_MAGICS or path.suffix.lower() == ".npz":
                return Table(*read_npz(file, target))
            return Table(*read_csv(file.read(), target, features))
    except DataFileError as error:
        raise DataFileError(f"{path}: {error}") from error

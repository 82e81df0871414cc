"""Reads X and its target from an NPZ file, and checks what its headers claim before it allocates memory."""

import math
import zipfile
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from fastbp.tables.errors import DataFileError, shorten, unknown_name
from fastbp.tables.target import MAX_LABEL

DEFLATE_MAX_RATIO = 1032  # no deflate stream expands more, so the file's size limits what a header may claim


def read_npz(file: IO[bytes], target: str | None) -> dict[str, NDArray[Any]]:
    """Return columns from an open, seekable NPZ file: ``x0``, ``x1``, … of its X, and its target.

    A target of several columns becomes ``y_0``, ``y_1``, …. Raises DataFileError without the file's name, which the
    caller adds.

    >>> import io
    >>> file = io.BytesIO()
    >>> np.savez(file, X=[[1.5, 2.0]], y=["setosa"])
    >>> read_npz(file, None)
    {'x0': array([1.5]), 'x1': array([2.]), 'y': array(['setosa'], dtype='<U6')}
    """
    try:
        with zipfile.ZipFile(file) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            name = _target_name(list(members), target)
            X = _checked_features(_read_array(archive, members["X"], "X"))
            y = None if name is None else _checked_target(_read_array(archive, members[name], name), name, len(X))
    except DataFileError:
        raise
    # For damaged archives zipfile raises BadZipFile, zlib.error, EOFError, struct.error, RuntimeError (encrypted),
    # NotImplementedError, OverflowError and more.
    except Exception as error:
        raise DataFileError(
            f"it is no intact NPZ file ({type(error).__name__}: {error}); write it again with numpy.savez"
        ) from error
    columns: dict[str, NDArray[Any]] = {f"x{i}": column for i, column in enumerate(X.T)}
    if y is not None and y.ndim == 2 and y.shape[1] > 1:
        columns |= {f"{name}_{j}": column for j, column in enumerate(y.T)}
    elif y is not None:
        columns[str(name)] = y.ravel()
    return columns


def _target_name(names: list[str], target: str | None) -> str | None:
    if "X" not in names:
        found = ", ".join(shorten(name) for name in names[:10]) or "none"
        raise DataFileError(
            f"it has no array 'X' for the features (its arrays: {found}); write it with numpy.savez(path, X=X, y=y)"
        )
    if target == "X":
        raise DataFileError("the target is 'X', the array of the features; name another array")
    if target is not None:
        if target not in names:
            raise unknown_name("array", target, names)
        return target
    usual = [name for name in ("Y", "y") if name in names]
    if len(usual) > 1:
        raise DataFileError("it has both an array 'Y' and an array 'y'; name one of them as the target")
    return usual[0] if usual else None


def _read_array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> NDArray[Any]:
    """Read one array. Unlike `numpy.load`, check that its size fits that of the file before allocating it."""
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataFileError(f"array {shorten(name)} is compressed with another method than numpy.savez_compressed uses")
    with archive.open(info) as member:
        shape, column_major, dtype = _read_header(member, name)
        n_bytes = math.prod(shape) * dtype.itemsize
        if n_bytes != info.file_size - member.tell() or info.file_size > (info.compress_size + 1) * DEFLATE_MAX_RATIO:
            raise DataFileError(
                f"array {shorten(name)} announces {n_bytes} bytes ({dtype}, shape {shape}), which does not agree with "
                "the file's size; write it again with numpy.savez"
            )
        content = member.read()
    flat: NDArray[Any] = np.frombuffer(content, dtype=dtype) if content else np.empty(0, dtype=dtype)
    return flat.reshape(shape, order="F" if column_major else "C")


def _read_header(member: IO[bytes], name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = npy.read_magic(member)
    # Version 3 is for structured arrays with names outside Latin-1; they are not tables of numbers.
    if version not in ((1, 0), (2, 0)):
        raise DataFileError(f"array {shorten(name)} is in npy format {version}; versions 1 and 2 are read")
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, column_major, dtype = read(member)
    if dtype.kind not in "biufU":
        raise DataFileError(
            f"array {shorten(name)} is of type {dtype}; numbers are required (or for a target text, by y.astype(str))"
        )
    if min(shape, default=0) < 0 or (dtype.kind == "U" and dtype.itemsize > 4 * MAX_LABEL):
        raise DataFileError(
            f"array {shorten(name)} is of type {dtype} and shape {shape}; sizes of 0 or more and class labels of "
            f"at most {MAX_LABEL} characters are required"
        )
    return shape, column_major, dtype


def _checked_features(X: NDArray[Any]) -> NDArray[np.float64]:
    if X.dtype.kind == "U":
        raise DataFileError(f"array 'X' holds text ({X.dtype}); encode it as numbers")
    if X.ndim != 2 or 0 in X.shape:
        raise DataFileError(
            f"array 'X' has shape {X.shape}, but (n_samples, n_features) is required, each at least 1; "
            "save X.reshape(len(X), -1)"
        )
    with np.errstate(over="ignore"):
        numbers = np.ascontiguousarray(X, dtype=np.float64)
    _check_finite(numbers, "X")
    # np.frombuffer returns read-only arrays.
    return numbers if numbers.flags.writeable else numbers.copy()


def _checked_target(y: NDArray[Any], name: str, n_samples: int) -> NDArray[Any]:
    if y.ndim not in (1, 2) or len(y) != n_samples or y.size == 0:
        raise DataFileError(
            f"array {shorten(name)} has shape {y.shape}, but ({n_samples},) or ({n_samples}, n_outputs) is required: "
            "one row per row of X"
        )
    if y.dtype.kind != "U":
        _check_finite(y, name)
    elif y.ndim != 1 or "" in y.tolist():
        raise DataFileError(
            f"array {shorten(name)} is text of shape {y.shape}, maybe with empty labels; "
            f"({n_samples},) labels are required, none of them empty"
        )
    return y.astype(y.dtype.newbyteorder("="), order="C")


def _check_finite(values: NDArray[Any], name: str) -> None:
    faulty = np.argwhere(~np.isfinite(values))
    if len(faulty):
        where = tuple(int(i) for i in faulty[0])
        raise DataFileError(
            f"array {shorten(name)} has the value {values[where]} at index {where}; finite numbers are required, "
            "so fill it in or delete the row"
        )

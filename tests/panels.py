"""Matrices in panels, as `tiles` has them, for tests."""

import numpy as np

from fastbp.formulations.tiles.registers import VECTOR_BYTES
from fastbp.formulations.tiles.tiled import panel_columns


def panels_of(n, dtype):
    """The first column and the width of every panel of n columns."""
    wide, padded = 2 * VECTOR_BYTES // np.dtype(dtype).itemsize, panel_columns(n, np.dtype(dtype))
    return [(j, min(wide, padded - j)) for j in range(0, n, wide)]


def to_panels(A, rows):
    """A matrix in panels of so many rows, with NaN for padding."""
    padded = np.full((rows, panel_columns(A.shape[1], A.dtype)), np.nan, A.dtype)
    padded[: len(A), : A.shape[1]] = A
    return np.concatenate([padded[:, j : j + width].reshape(-1) for j, width in panels_of(A.shape[1], A.dtype)])


def from_panels(numbers, rows, n):
    """And back."""
    padded = [numbers[rows * j : rows * (j + w)].reshape(rows, w) for j, w in panels_of(n, numbers.dtype)]
    return np.concatenate(padded, axis=1)[:, :n]

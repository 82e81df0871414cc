"""The last tile of a matrix in lanes: with fewer rows."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from fastbp.compiler.options import njit
from fastbp.formulations.lanes.register_tile import store_rows
from fastbp.formulations.tiles.registers import VECTOR_BYTES
from fastbp.formulations.tiles.tile import load, zeros


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", range(5))
def test_only_the_first_rows_are_written(rows, dtype):
    width = VECTOR_BYTES // np.dtype(dtype).itemsize
    A, C = np.random.default_rng(0).random((2, 6, 3 * width)).astype(dtype)
    expected = C.copy()
    expected[1 : 1 + rows, width : 2 * width] = A[2 : 2 + rows, width : 2 * width]
    store_some(A, C, width, rows)
    assert_array_equal(C, expected)


@njit
def store_some(A, C, j, rows):
    store_rows(load(zeros(A, 4, 1), A, 2, j), C, 1, j, rows)

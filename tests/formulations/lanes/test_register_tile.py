"""Tiles whose numbers are registers."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from fastbp.compiler.options import njit
from fastbp.formulations.lanes.register_tile import lanes_add, lanes_add_row, load_lanes, store_lanes
from fastbp.formulations.tiles.registers import VECTOR_BYTES
from fastbp.formulations.tiles.tile import lanes, zeros

both = pytest.mark.parametrize("dtype", ["float32", "float64"])


@both
@pytest.mark.parametrize("pair", [0, 1])
def test_outer_products_of_registers(pair, dtype):
    """The columns j and, with a pair, j + 1 of C_ij += b_j + a_i b_j, of two rows i; then the first row of it alone."""
    width, rng = VECTOR_BYTES // np.dtype(dtype).itemsize, np.random.default_rng(pair)
    a, b, C = (rng.integers(-9, 10, shape).astype(dtype) for shape in ((4, width), (3, width), (6, 4 * width)))
    first_row, expected = np.zeros_like(C), C.copy().reshape(6, 4, width)
    for j in range(1, 2 + pair):
        expected[1:3, j + 1] += b[j] + a[1:3] * b[j]
    add_outer_products(C, first_row, a, b, pair)
    assert_array_equal(C, expected.reshape(C.shape))
    assert_array_equal(first_row[1, 2 * width : (3 + pair) * width], C[1, 2 * width : (3 + pair) * width])
    assert not np.delete(first_row, 1, axis=0).any()


@njit
def add_outer_products(C, first_row, a, b, pair):
    j, step = 2 * lanes(C), pair * lanes(C)
    tile = load_lanes(zeros(C, 2, 2), C, 1, j, 0, step)
    tile = lanes_add(lanes_add_row(tile, b, 1, pair), a, 1, 0, b, 1, pair)
    store_lanes(tile, first_row, 1, j, 0, step, 1)
    store_lanes(tile, C, 1, j, 0, step)

"""Every operation of a tile against NumPy, also compiled for other machines."""

import numpy as np
import pytest
from numba import config, njit
from numpy.testing import assert_array_equal

from fastbp.compiler import options
from fastbp.compiler.levels import PREFETCHW, level
from fastbp.formulations.tiles import tile as t
from fastbp.formulations.tiles.registers import VECTOR_BYTES

both = pytest.mark.parametrize("dtype", ["float32", "float64"])


def whole_numbers(rng, shape, dtype):
    """Small whole numbers: their sums of products are exact in any order."""
    return rng.integers(-8, 9, shape).astype(dtype)


@njit
def part_of_each(C, A, B, b, columns):
    """Run each operation that takes `columns` on a 3 x 2 tile."""
    tile = t.load(t.zeros(C, 3, 2), C, 1, 2, columns)
    for p in range(A.shape[1]):
        tile = t.outer_add(tile, A, 1, p, B, p, 2, columns)
    tile = t.add(t.add_row(tile, b, 2, columns), tile)
    tile = t.inner_add(tile, C, 1, 2, B, 0, 2, columns)
    t.add_to(tile, b[0], C, 1, 2, columns)
    t.store(tile, B, 1, 2, columns)


@both
@pytest.mark.parametrize("order", ["C", "F"])
def test_columns_limit_what_is_touched(dtype, order):
    rng = np.random.default_rng(1)
    lanes = VECTOR_BYTES // np.dtype(dtype).itemsize
    for columns in range(lanes + 1, 2 * lanes + 1):
        inside = slice(1, 4), slice(2, 2 + columns)
        C, B = (whole_numbers(rng, (5, columns + 4), dtype) for _ in range(2))
        A = np.asarray(whole_numbers(rng, (4, 5), dtype), order=order)
        b = whole_numbers(rng, columns + 4, dtype)
        tile = C[inside] + A[1:4] @ B[:, inside[1]]
        tile += tile + b[inside[1]]
        tile += C[inside] * B[0, inside[1]]
        expected_C, expected_B = C.copy(), B.copy()
        expected_C[inside] += b[0] * tile
        expected_B[inside] = tile
        part_of_each(C, A, B, b, columns)
        assert_array_equal(C, expected_C)
        assert_array_equal(B, expected_B)


@njit
def column(C, b, columns):
    t.add_to_column(t.add_row(t.zeros(C, 1, 2), b, 1), b[0], C, 2, 1, columns)


@both
def test_a_row_is_added_to_a_column(dtype):
    rng = np.random.default_rng(2)
    lanes = VECTOR_BYTES // np.dtype(dtype).itemsize
    for columns in range(lanes + 1, 2 * lanes + 1):
        C, b = whole_numbers(rng, (columns + 4, 3), dtype), whole_numbers(rng, 2 * lanes + 1, dtype)
        expected = C.copy()
        expected[2 : 2 + columns, 1] += b[0] * b[1 : 1 + columns]
        column(C, b, columns)
        assert_array_equal(C, expected)


@njit
def sum_rows(sums, A):
    t.store_row_sums(t.load(t.zeros(A, 2, 2), A, 0, 0), sums, 0, 0)
    t.store_row_sums(t.load(t.zeros(A, 4, 2), A, 0, 0), sums, 1, 0)
    t.store_row_sums(t.load(t.zeros(A, 4, 1), A, 0, 0), sums, 2, 0)


@both
def test_sums_of_fewer_or_more_rows_than_lanes(dtype):
    lanes = VECTOR_BYTES // np.dtype(dtype).itemsize
    A, sums = whole_numbers(np.random.default_rng(3), (4, 2 * lanes), dtype), np.full((3, 5), 99, dtype)
    sum_rows(sums, A)
    whole, half = A.sum(axis=1), A[:, :lanes].sum(axis=1)
    assert_array_equal(sums, [[*whole[:2], 99, 99, 99], [*whole, 99], [*half, 99]])


@both
@pytest.mark.parametrize("n", [1, 3, 20])
def test_transposed_store_and_row_sums(n, dtype):
    lanes = VECTOR_BYTES // np.dtype(dtype).itemsize
    rng = np.random.default_rng(n)
    A, B, sums = whole_numbers(rng, (lanes, lanes), dtype), np.zeros((lanes, lanes), dtype), np.zeros((1, lanes), dtype)
    transpose_and_sum(B, sums, A, n)
    assert_array_equal(B, n * A.T)
    assert_array_equal(sums[0], n * A.sum(axis=1))


@njit
def transpose_and_sum(B, sums, A, n):
    tile = t.zeros(A, t.lanes(A), 1)
    for _ in range(n):
        tile = t.add(tile, t.load(t.zeros(A, t.lanes(A), 1), A, 0, 0))
    t.store_transposed(tile, B, 0, 0)
    t.store_row_sums(tile, sums, 0, 0)


@njit
def prefetch_all(A, addresses):
    t.prefetch(A, 1, 2)
    t.prefetch(A, -(2**40), 2**40)
    for i in range(addresses.size):
        t.prefetch_at(addresses, i, 64)
        t.prefetch_to_write_at(addresses, i, 64)


def test_what_is_prefetched_need_not_exist():
    """It changes nothing, and asking for it does no harm."""
    A, addresses = np.arange(12.0).reshape(3, 4), np.array([0, 1, -64, 2**62])
    expected = A.copy(), addresses.copy()
    prefetch_all(A, addresses)
    assert_array_equal(A, expected[0])
    assert_array_equal(addresses, expected[1])


@pytest.mark.skipif(config.DISABLE_JIT, reason="nothing is compiled")
def test_prefetching_is_an_instruction():
    prefetch_all(np.zeros((2, 2)), np.zeros(1, np.int64))
    assert all(code.count("call void @llvm.prefetch") >= 3 for code in prefetch_all.inspect_llvm().values())


@pytest.mark.skipif(config.DISABLE_JIT, reason="nothing is compiled")
@pytest.mark.skipif(not level().features.endswith(PREFETCHW), reason="no such instruction at this level")
def test_what_is_to_be_written_is_taken_from_other_cores():
    loop = options.njit(prefetch_all.py_func, on_disk=False)
    loop(np.zeros((2, 2)), np.zeros(1, np.int64))
    assert all(code.count("prefetchw") >= 1 for code in loop.inspect_asm().values())


@njit
def claim_all(A, addresses):
    for i in range(A.size):
        addresses[0] = t.address_of(A, 0)
        t.claim_at(addresses, 0, i * A.itemsize)


@both
def test_what_is_claimed_stays_what_it_is(dtype):
    A = np.array([1.5, -0.0, np.nan, 3e-40, np.inf], dtype)
    expected = A.tobytes()
    claim_all(A, np.zeros(1, np.int64))
    assert A.tobytes() == expected


@pytest.mark.skipif(config.DISABLE_JIT, reason="nothing is compiled")
def test_what_is_claimed_is_written():
    claim_all(np.zeros(3), np.zeros(1, np.int64))
    assert all("store atomic" in code for code in claim_all.inspect_llvm().values())


@njit
def addresses_of(A, at):
    return t.address_of(A, at[0]), t.address_of(A, at[1])


@both
@pytest.mark.parametrize("shape", [5, (2, 3)])
def test_addresses_of_elements_that_exist_or_not(shape, dtype):
    A, at = np.zeros(shape, dtype), np.array([2, 100])
    expected = [0, 0] if config.DISABLE_JIT else list(A.ctypes.data + at * A.itemsize)
    assert list(addresses_of(A, at)) == expected

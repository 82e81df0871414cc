"""The products of matrices in panels against NumPy, with every size around a register.

The numbers are small and whole, so sums are exact in any order. Padding is NaN wherever a product only reads.
"""

import numpy as np
import pytest
from numba import config
from numpy.testing import assert_array_equal
from panels import from_panels, panels_of, to_panels

import fastbp
from fastbp.compiler.options import LEAN, njit
from fastbp.formulations.tiles import products
from fastbp.formulations.tiles.gradient import PATCH
from fastbp.formulations.tiles.panel_functions import add_functions
from fastbp.formulations.tiles.panel_sums import CACHED, LEAST
from fastbp.formulations.tiles.panels import Block, Panels
from fastbp.formulations.tiles.products import BIASES, SUM, ZERO, Into, Patch
from fastbp.formulations.tiles.registers import VECTOR_BYTES
from fastbp.formulations.tiles.tiled import panel_columns, tiled_network

both = pytest.mark.parametrize("dtype", ["float32", "float64"])
SIZES = [1, 3, 17] if config.DISABLE_JIT else [1, 15, 16, 17, 31, 33, 70]
SAMPLES = [(1, 0, 1), (8, 0, 5), (44, 7, 33)]  # rows of the matrices, the first row of the block, its samples
FUNCTIONS = (
    *("forward_panel", "gradient_panel", "bias_panel", "forward_column", "gradient_column"),
    *("forward_row", "propagate_row", "transpose_weights"),
)


def whole_numbers(rng, shape, dtype):
    return rng.integers(-8, 9, shape).astype(dtype)


def weights_in_panels(w, b):
    """Weights (n_out, n_in) and biases as in θ: a row for the biases, one for each input and its padding."""
    return to_panels(np.concatenate([b[np.newaxis], w.T]), 1 + panel_columns(w.shape[1], w.dtype))


def network_with_functions(dtype):
    """What the products need to know of a network: where their functions are, of all panels that there can be."""
    net = tiled_network(fastbp.Network([max(SIZES), 1], dtype=dtype, seed=0)._model)
    add_functions(net, FUNCTIONS, np.dtype(dtype))
    return net


def memory(dtype, n):
    """The scratch memory of a thread, empty lists and addresses, and room for what a sum is told."""
    size = max(CACHED // np.dtype(dtype).itemsize, 4 * n + 64)
    return np.full(size, np.nan, dtype), np.empty(0, np.uint32), np.empty(0, np.int64), np.empty(4, np.int64)


@njit(on_disk=False, **LEAN)
def multiply(z, a, w, shape, of_block, begin, scratch, lists, none, where, net):
    (rows, n_in, n_out, w_rows), (first, m) = shape, of_block
    block = Block(first, m, none, 0, scratch, lists, none, where)
    products.multiply(Panels(z, rows, n_out), Panels(a, rows, n_in), Panels(w, w_rows, n_out), block, begin, False, net)


@njit(on_disk=False, **LEAN)
def multiply_transposed(to, delta, w, shape, of_block, begin, scratch, lists, none, where, net):
    (rows, n_in, n_out, w_rows), (first, m) = shape, of_block
    block = Block(first, m, none, 0, scratch, lists, none, where)
    products.multiply_transposed(
        Panels(to, rows, n_in), Panels(delta, rows, n_out), Panels(w, w_rows, n_out), block, begin, net
    )


@njit(on_disk=False, **LEAN)
def sum_over_samples(dw, alpha, begin, delta, a, shape, of_block, of_patch, scratch, lists, none, where, net):
    (rows, n_in, n_out), (first, m), (j, k, n) = shape, of_block, of_patch
    block, to = Block(first, m, none, 0, scratch, lists, none, where), Into(dw, alpha, begin)
    patch, of_delta = Patch(1, j, k, n, 0, dw.size), Panels(delta, rows, n_out)
    if k == 0:
        products.sum_biases(to, of_delta, patch, block, net)
    products.sum_outer_products(to, of_delta, Panels(a, rows, n_in), patch, block, none, net)


def check_rows(found, before, expected, first, m):
    """The rows of the block are as expected; but for up to three after it, which are padding, the others as before."""
    assert_array_equal(found[first : first + m], expected)
    assert_array_equal(found[:first], before[:first])
    after = first + -(-m // 4) * 4
    assert_array_equal(found[after:], before[after:])


def check_products(n_in, n_out, of_samples, dtype):
    """`multiply` and `multiply_transposed` with everything that they may begin with."""
    (rows, first, m), rng, net = of_samples, np.random.default_rng(n_in + n_out), network_with_functions(dtype)
    w, b = whole_numbers(rng, (n_out, n_in), dtype), whole_numbers(rng, n_out, dtype)
    A, Delta = whole_numbers(rng, (rows, n_in), dtype), whole_numbers(rng, (rows, n_out), dtype)
    theta, a, delta = weights_in_panels(w, b), to_panels(A, rows), to_panels(Delta, rows)
    shape, some = (rows, n_in, n_out, 1 + panel_columns(n_in, np.dtype(dtype))), slice(first, first + m)
    for begin in (BIASES, ZERO) if rows == 1 else (BIASES, ZERO, SUM):
        Z = whole_numbers(rng, (rows, n_out), dtype)
        z = to_panels(Z, rows)
        multiply(z, a, theta, shape, (first, m), begin, *memory(dtype, max(n_in, n_out)), net)
        expected = A[some] @ w.T + {BIASES: b, ZERO: 0, SUM: Z[some]}[begin]
        check_rows(from_panels(z, rows, n_out), Z, expected, first, m)
    for begin in (ZERO,) if rows == 1 else (ZERO, SUM):
        Before = whole_numbers(rng, (rows, n_in), dtype)
        before = to_panels(Before, rows)
        multiply_transposed(before, delta, theta, shape, (first, m), begin, *memory(dtype, max(n_in, n_out)), net)
        expected = Delta[some] @ w + {ZERO: 0, SUM: Before[some]}[begin]
        check_rows(from_panels(before, rows, n_in), Before, expected, first, m)


@both
@pytest.mark.parametrize("of_samples", SAMPLES, ids=str)
def test_multiply_and_multiply_transposed(of_samples, dtype):
    for n_in in SIZES:
        for n_out in SIZES:
            check_products(n_in, n_out, of_samples, dtype)


@pytest.mark.skipif(config.DISABLE_JIT, reason="slow")
@both
@pytest.mark.parametrize("of_samples", SAMPLES, ids=str)
@pytest.mark.parametrize(("n_in", "n_out"), [(300, 17), (17, 300), (300, 1), (1, 300)])
def test_sums_that_are_cut(n_in, n_out, of_samples, dtype):
    """There is cache for the weights of 128 inputs, or neurons, at a time."""
    check_products(n_in, n_out, of_samples, dtype)


def check_sums_over_samples(n_in, n_out, of_samples, dtype, panels_of_inputs):
    """`sum_biases` and `sum_outer_products` for every patch of weights, from nothing on and added."""
    (rows, first, m), rng, net = of_samples, np.random.default_rng(n_in + n_out), network_with_functions(dtype)
    A, Delta = whole_numbers(rng, (rows, n_in), dtype), whole_numbers(rng, (rows, n_out), dtype)
    a, delta, some = to_panels(A, rows), to_panels(Delta, rows), slice(first, first + m)
    inputs = panels_of_inputs * 2 * VECTOR_BYTES // np.dtype(dtype).itemsize
    for j, width in panels_of(n_out, dtype):
        for k in range(0, n_in, inputs):
            n, with_biases = -(-min(inputs, n_in - k) // LEAST) * LEAST, int(k == 0)
            sums = Delta[some, j : j + width].T @ A[some, k : k + inputs]
            rows_of_sums = [Delta[some, j : j + width].sum(axis=0)] * with_biases + list(sums.T)
            expected, columns = np.array(rows_of_sums), min(width, n_out - j)
            for alpha, begin in ((1, True), (1, False), (-3, False)):
                Before = whole_numbers(rng, (with_biases + n, width), dtype)
                dw, number = Before.reshape(-1).copy(), np.dtype(dtype).type(alpha)
                arguments = (rows, n_in, n_out), (first, m), (j, k, n)
                sum_over_samples(dw, number, begin, delta, a, *arguments, *memory(dtype, max(n_in, n_out)), net)
                before = 0 if begin else Before[: len(expected), :columns]
                found = dw.reshape(-1, width)[: len(expected), :columns]
                assert_array_equal(found, before + alpha * expected)


@both
@pytest.mark.parametrize("of_samples", SAMPLES, ids=str)
def test_sums_over_samples(of_samples, dtype):
    for n_in in SIZES:
        for n_out in SIZES:
            for panels_of_inputs in (1, PATCH):
                check_sums_over_samples(n_in, n_out, of_samples, dtype, panels_of_inputs)


@pytest.mark.skipif(config.DISABLE_JIT, reason="slow")
@both
@pytest.mark.parametrize("n_out", [1, 17])
def test_sums_over_more_samples_than_go_at_once(n_out, dtype):
    check_sums_over_samples(33, n_out, (620, 7, 600), dtype, PATCH)


@pytest.mark.skipif(config.DISABLE_JIT, reason="slow")
@both
@pytest.mark.parametrize("n_out", [1, 17])
@pytest.mark.parametrize("of_samples", [(1, 0, 1), (12, 2, 10)], ids=str)
def test_more_inputs_than_a_patch_has(of_samples, n_out, dtype):
    check_sums_over_samples(600, n_out, of_samples, dtype, PATCH)

"""Rows taken from panels and put back, and targets: with every size around a register, and nothing behind them."""

import numpy as np
import pytest
from numba import config
from numpy.testing import assert_array_equal
from panels import from_panels, to_panels

import fastbp
from fastbp.compiler.call import call
from fastbp.compiler.options import LEAN, njit
from fastbp.formulations.tiles import rows
from fastbp.formulations.tiles.panel_functions import add_functions
from fastbp.formulations.tiles.registers import VECTOR_BYTES
from fastbp.formulations.tiles.tiled import tiled_network

both = pytest.mark.parametrize("dtype", ["float32", "float64"])
SIZES = [1, 3, 17] if config.DISABLE_JIT else [1, 2, 3, 4, 5, 7, 8, 9, 10, 15, 16, 17, 31, 32, 33, 70]
BEHIND = 40  # numbers behind those to write


@njit(on_disk=False, **LEAN)
def take_rows(values, numbers, n_rows, n, first, m, net):
    call(net.functions[0].take_rows, values, numbers, n_rows, n, first, m)


@njit(on_disk=False, **LEAN)
def put_rows(numbers, values, n_rows, n, first, m, net):
    call(net.functions[0].put_rows, numbers, values, n_rows, n, first, m)


@njit(on_disk=False, **LEAN)
def take_targets(y, Y, samples, n, net):
    rows.take_targets(y, Y, samples, n, net)


def network_with_functions(dtype):
    net = tiled_network(fastbp.Network([70, 1], dtype=dtype, seed=0)._model)
    add_functions(net, ["take_rows", "put_rows", "gather"], np.dtype(dtype))
    return net


@both
@pytest.mark.parametrize(("n_rows", "first", "m"), [(1, 0, 1), (8, 0, 8), (44, 7, 1), (44, 7, 33)])
def test_rows_are_taken_and_put_back_and_nothing_behind_them_changes(n_rows, first, m, dtype):
    net, rng = network_with_functions(dtype), np.random.default_rng(m)
    for n in SIZES:
        A, Before = rng.random((n_rows, n)).astype(dtype), rng.random((n_rows, n)).astype(dtype)
        memory = np.full(m * n + BEHIND, -1, dtype)  # padding is NaN
        values = memory[: m * n]
        take_rows(values, to_panels(A, n_rows), n_rows, n, first, m, net)
        assert_array_equal(values.reshape(m, n), A[first : first + m])
        assert (memory[m * n :] == -1).all()
        numbers = to_panels(Before, n_rows)
        put_rows(numbers, values, n_rows, n, first, m, net)
        Before[first : first + m] = A[first : first + m]
        assert_array_equal(from_panels(numbers, n_rows, n), Before)


@both
def test_targets_of_any_samples(dtype):
    net, rng = network_with_functions(dtype), np.random.default_rng(0)
    for n in SIZES:
        Y, samples = rng.random((50, n)).astype(dtype), rng.integers(0, 50, 21)
        width = n if n > 2 * VECTOR_BYTES // Y.itemsize else to_panels(Y[:1], 1).size
        memory = np.full(21 * width + BEHIND, -1, dtype)
        take_targets(memory[: 21 * width], Y, samples, n, net)
        assert_array_equal(memory[: 21 * width].reshape(21, width)[:, :n], Y[samples])
        assert (memory[21 * width :] == -1).all()

"""Functions of several samples at once: each has the numbers that it has alone, whatever lies beside."""

import ctypes

import numpy as np
import pytest
from numba import config

from fastbp.formulations import array_functions
from fastbp.functions.activations import ACTIVATIONS
from fastbp.functions.costs import COSTS
from fastbp.functions.layer_activations import LAYER_ACTIVATIONS

M, PADDING = 5, 3


def called(function, *arguments):
    """Call what `call` takes: arrays with their lengths, and numbers."""
    if config.DISABLE_JIT:
        return function(*arguments)
    passed = []
    for argument in arguments:
        if isinstance(argument, np.ndarray):
            passed += [ctypes.c_void_p(argument.ctypes.data), ctypes.c_int64(argument.size)]
        else:
            passed.append((ctypes.c_int64 if isinstance(argument, int) else ctypes.c_double)(argument))
    return ctypes.CFUNCTYPE(None, *map(type, passed))(function)(*passed)


def samples(n, dtype):
    """z of some samples with each number the largest once at least, and the same with NaN as padding."""
    z = np.random.default_rng(n).standard_normal((max(M, n), n)).astype(dtype)
    z[np.arange(n), np.arange(n)] += 4
    padded = np.full((len(z), n + PADDING), np.nan, dtype)
    padded[:, :n] = z
    return z, padded


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [*range(1, 10), 34])
def test_softmax_of_each_sample_is_that_of_the_sample_alone(n, dtype):
    z, padded = samples(n, dtype)
    a, alone = np.full_like(padded, np.inf), np.empty_like(z)
    called(array_functions.rows_function(ACTIVATIONS["softmax"], np.dtype(dtype)), a.ravel(), padded.ravel(), n, len(z))
    for one, z_s in zip(alone, z, strict=True):
        called(array_functions.activation_function(ACTIVATIONS["softmax"], np.dtype(dtype)), one, z_s)
    np.testing.assert_array_equal(a[:, :n], alone)
    exact = np.exp(z.astype(float)) / np.exp(z.astype(float)).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(alone, exact, rtol=10 * np.finfo(dtype).eps)


@pytest.mark.parametrize("name", LAYER_ACTIVATIONS)
def test_other_layers_are_activated_sample_by_sample(name):
    n, dtype = 4, np.dtype("float64")
    z, padded = samples(n, dtype)
    a, alone = np.full_like(padded, np.inf), np.empty_like(z)
    called(array_functions.rows_function(LAYER_ACTIVATIONS[name], dtype), a.ravel(), padded.ravel(), n, len(z))
    for one, z_s in zip(alone, z, strict=True):
        called(array_functions.activation_function(LAYER_ACTIVATIONS[name], dtype), one, z_s)
    np.testing.assert_array_equal(a[:, :n], alone)
    assert np.isinf(a[:, n:]).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [*range(1, 10), 34])
@pytest.mark.parametrize("name", ["cross_entropy", "poisson"])
def test_the_cost_of_each_sample_is_that_of_the_sample_alone(name, n, dtype):
    z, padded_z = samples(n, dtype)
    softmax, cost = ACTIVATIONS["softmax"], COSTS[name]
    e = np.exp(z.astype(float))
    exact = e / e.sum(axis=1, keepdims=True)
    y = np.roll(exact, 1, axis=1).astype(dtype)
    padded_a, padded_y = np.full_like(padded_z, np.nan), np.full_like(padded_z, np.nan)
    padded_a[:, :n], padded_y[:, :n] = exact, y
    function = array_functions.cost_functions(cost, softmax, np.dtype(dtype))[0]
    costs, alone = np.empty(len(z)), np.empty(len(z))
    called(function, costs, padded_z.ravel(), padded_a.ravel(), padded_y.ravel(), n, 0.0)
    for s in range(len(z)):
        called(function, alone[s : s + 1], z[s].copy(), exact[s].astype(dtype), y[s].copy(), n, 0.0)
    np.testing.assert_array_equal(costs, alone)
    of_a = exact.sum(axis=1) if name == "poisson" else 0
    np.testing.assert_allclose(costs, of_a - (y * np.log(exact)).sum(axis=1), rtol=0, atol=50 * np.finfo(dtype).eps)

"""`alone.py`: when θ is packed, what is taken for finite, and outputs of some rows.

tests/network/test_own_loop.py has the rest.
"""

import numpy as np
import pytest

import fastbp
from fastbp.compiler.options import LEAN, njit
from fastbp.formulations.tiles import alone


@njit(**LEAN)
def are_equal(left, right):
    return alone.are_equal(left, right)


@njit(**LEAN)
def are_finite(numbers):
    return alone.are_finite(numbers)


@pytest.mark.parametrize("n", [1, 7, 64, 1000])
def test_one_bit_makes_two_vectors_different(n):
    numbers = np.random.default_rng(n).standard_normal(n)
    for i in {0, n // 2, n - 1}:
        numbers[i] = 0
        other = numbers.copy()
        assert are_equal(numbers.view("i8"), other.view("i8"))
        other[i] = -0.0
        assert not are_equal(numbers.view("i8"), other.view("i8"))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 7, 64, 1000])
def test_largest_numbers_are_finite_and_others_are_not(n, dtype):
    numbers = np.full(n, np.finfo(dtype).max, dtype)
    assert are_finite(numbers)
    for other in (np.inf, -np.inf, np.nan):
        for i in {0, n // 2, n - 1}:
            numbers[:] = 1
            numbers[i] = other
            assert not are_finite(numbers)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", [[9, 40, 3], [40, 1], [3, 70, 33, 20]])
def test_outputs_of_some_rows_have_the_bits_of_many(sizes, dtype):
    net = fastbp.Network(sizes, dtype=dtype, seed=1, activation="tanh", output_activation="softmax")
    X = np.random.default_rng(0).standard_normal((300, sizes[0])).astype(dtype)
    for change in (0, 1e-3):  # in place, between two calls
        net.parameters[:] += change
        many = net.predict(X)
        for n in (2, 33, 3, 256, 32, 255, 257):
            assert np.array_equal(net.predict(X[:n]), many[:n])
        out = np.empty((5, sizes[-1]), dtype)
        assert net.predict(X[7:12], out=out) is out and np.array_equal(out, many[7:12])


def test_one_parameter_that_changes_changes_the_outputs():
    net = fastbp.Network([2, 2], initializer="zeros", output_activation="identity")
    x = np.ones((2, 2), "float32")
    assert np.array_equal(net.predict(x), [[0, 0], [0, 0]])
    for i, column in enumerate((0, 0, 1, 1, 0, 1)):  # w11 w12 w21 w22 b1 b2
        net.parameters[:] = 0
        net.parameters[i] = 1
        assert np.array_equal(net.predict(x), np.eye(2)[[column, column]])

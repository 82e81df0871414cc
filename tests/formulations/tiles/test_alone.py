"""`alone.py`: when a step packs θ, and what it takes for finite. tests/network/test_own_loop.py has the rest."""

import numpy as np
import pytest

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

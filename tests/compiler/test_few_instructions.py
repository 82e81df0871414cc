"""What our own loops are compiled to does what Python does, in fewer instructions than Numba writes."""

import numba
import numpy as np
import pytest
from numba.core.codegen import CPUCodeLibrary

from fastbp.compiler.options import LEAN, njit, rebind

NUMBERS = [-9, -8, -1, 0, 1, 7, 8, 9]


def compiled(function, **names):
    """Return the function compiled as one of fastbp's own."""
    function = rebind(function, function.__name__, **names)
    function.__module__ = "fastbp.of_this_test"
    return njit(function, on_disk=False, **LEAN)


def numbers_of(start, stop, step, found):
    n = 0
    for i in range(start, stop, step):
        found[n] = i
        n += 1
    return n


STEP = None


def numbers_by_constant(start, stop, found):
    n = 0
    for i in range(start, stop, STEP):
        found[n] = i
        n += 1
    return n


@pytest.mark.parametrize("step", [1, 2, 3, 5, 100, -1, -3, -100])
def test_ranges(step):
    found, general, constant = np.empty(40, np.int64), compiled(numbers_of), compiled(numbers_by_constant, STEP=step)
    for start in NUMBERS:
        for stop in NUMBERS:
            expected = list(range(start, stop, step))
            n = general(start, stop, step, found)
            assert found[:n].tolist() == expected
            n = constant(start, stop, found)
            assert found[:n].tolist() == expected


def after_a_loop(n):
    last, total = -1, 0
    for i in range(n):
        last = i
        for j in range(i):
            if j == 3:
                break
            total += j
    return 1000 * last + total


def test_ranges_inside_ranges():
    function = compiled(after_a_loop)
    assert [function(n) for n in (0, 1, 7)] == [after_a_loop(n) for n in (0, 1, 7)]


DIVISOR = None


def divided(a):
    return a // DIVISOR, a % DIVISOR


def divided_by(a, b):
    return a // b, a % b


@pytest.mark.parametrize("divisor", [1, 2, 3, 16, -3])
def test_quotients_and_remainders(divisor):
    constant, general = compiled(divided, DIVISOR=divisor), compiled(divided_by)
    for a in [*NUMBERS, 2**62, -(2**62)]:
        assert constant(a) == general(a, divisor) == divmod(a, divisor)


def test_quotients_by_variables():
    general = compiled(divided_by)
    assert all(general(a, b) == divmod(a, b) for a in NUMBERS for b in NUMBERS if b != 0)


def test_a_divisor_of_0_gives_0():
    assert compiled(divided_by)(7, 0) == (0, 0)


def smaller_and_greater(a, b):
    return min(a, b), max(a, b)


def test_smaller_and_greater():
    function = compiled(smaller_and_greater)
    assert all(function(a, b) == (min(a, b), max(a, b)) for a in NUMBERS for b in NUMBERS)


def exchanged(vector, i, j):
    vector[i], vector[j] = vector[j], vector[i]
    vector[0] = 7
    return vector.size + vector[-1]


@pytest.mark.parametrize("step", [1, 2])  # contiguous or not
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint32"])
def test_elements(dtype, step):
    ours, expected = (np.arange(5 * step).astype(dtype)[::step] for _ in range(2))
    assert compiled(exchanged)(ours, 1, -2) == exchanged(expected, 1, -2)
    assert ours.tolist() == expected.tolist()


def in_rows(matrix, i, j):
    row = matrix[i]
    matrix[j, -1], row[0] = row[-1], matrix[j, 1]
    return matrix.shape[0] + 10 * matrix.shape[1] + 100 * row.size + 1000 * matrix.itemsize + matrix[-1, i]


@pytest.mark.parametrize("step", [1, 2])
def test_rows_and_numbers_of_matrices(step):
    ours, expected = (np.arange(12.0 * step).reshape(4, 3 * step)[:, ::step] for _ in range(2))
    assert compiled(in_rows)(ours, 1, -2) == in_rows(expected, 1, -2)
    assert ours.tolist() == expected.tolist()


FACTORS = None


def product_of_constants(a):
    return a * FACTORS[0], FACTORS[0] * FACTORS[1]


def test_products():
    assert compiled(product_of_constants, FACTORS=(-3, 7))(5) == (-15, -21)


def of_records(table, i):
    table[i].n += 1
    return table[-1].n + table.size


def test_records():
    table = np.zeros(3, [("x", np.float64), ("n", np.int64)])
    assert compiled(of_records)(table, -1) == 4
    assert table["n"].tolist() == [0, 0, 1]


def test_it_takes_fewer_instructions(monkeypatch):
    lines = []
    original = CPUCodeLibrary.add_ir_module

    def counting(library, module):
        lines.append(len(str(module).splitlines()))
        return original(library, module)

    monkeypatch.setattr(CPUCodeLibrary, "add_ir_module", counting)
    signature = numba.int64(numba.int64[::1], numba.int64, numba.int64)
    compiled(exchanged).compile(signature)
    ours = sum(lines)
    lines.clear()
    njit(exchanged, on_disk=False, **LEAN).compile(signature)
    assert ours < 0.8 * sum(lines)

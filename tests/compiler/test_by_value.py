"""What our parts are given and what they return comes through as it is, and nothing of it is taken apart."""

import subprocess
import sys
from typing import Any, NamedTuple

import numpy as np
import pytest
from numba.core.codegen import CPUCodeLibrary

from fastbp.compiler.options import INNER, LEAN, njit

OURS = "fastbp.of_this_test"


def ours(function, **options):
    """Return the function compiled as one of fastbp's own."""
    function.__module__ = OURS
    return njit(function, on_disk=False, **options)


class Pair(NamedTuple):
    """Two arrays and what else a part may get."""

    left: Any
    right: Any
    n: int


def of_everything(pair, matrix, flag, number, more=2):
    pair.left[0] += 1
    total = pair.left[1] * number + pair.right[pair.n] + matrix[1, 0] + more
    return (-total if flag else total), flag, Pair(pair.right, pair.left, pair.n + 1)


def of_nothing():
    return


part, empty = ours(of_everything, **INNER), ours(of_nothing, **INNER)


def calls(left, right, matrix, flag, number):
    empty()
    total, flag, pair = part(Pair(left, right, 1), matrix, flag, number)
    again, flag, pair = part(pair, matrix, not flag, number, 5)
    return total, again, flag, pair.n


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arguments_and_results(dtype):
    def given():
        return np.array([1, 2, 3], dtype), np.array([4, 5, 6, 7], dtype), np.array([[1, 2], [8, 9]], dtype)

    expected_arrays, arrays = given(), given()
    part_in_python, total, again = of_everything, None, None
    total, flag, pair = part_in_python(Pair(*expected_arrays[:2], 1), expected_arrays[2], True, 3.5)
    again, flag, pair = part_in_python(pair, expected_arrays[2], not flag, 3.5, 5)
    assert ours(calls, **LEAN)(*arrays, True, 3.5) == (total, again, flag, pair.n)
    assert all(np.array_equal(a, b) for a, b in zip(arrays, expected_arrays, strict=True))


def test_nothing_is_taken_apart(monkeypatch):
    modules = []
    original = CPUCodeLibrary.add_ir_module

    def reading(library, module):
        modules.append(str(module))
        return original(library, module)

    monkeypatch.setattr(CPUCodeLibrary, "add_ir_module", reading)

    def passes_on(pair, matrix):
        return part(pair, matrix, True, 1.0)[0]

    def calls_it(left, right, matrix):
        return inner(Pair(left, right, 1), matrix)

    inner = ours(passes_on, **INNER)
    arrays = np.ones(3), np.ones(3), np.ones((2, 2))
    ours(calls_it, **LEAN)(*arrays)
    (module,) = [module for module in modules if "passes_on" in module.partition("{")[0]]
    assert "excinfo" not in module
    assert module.count("extractvalue") <= 1  # the first of the three results


RAISES = """
from fastbp.compiler.options import INNER, LEAN, njit
def raises(n):
    if n == 3:
        raise ValueError("not in a part")
    return n
raises.__module__ = "fastbp.of_this_test"
part = njit(raises, on_disk=False, **INNER)
def calls(n):
    return part(n)
calls.__module__ = "fastbp.of_this_test"
function = njit(calls, on_disk=False, **LEAN)
print(function(2), flush=True)
print(function(3), flush=True)
"""


def test_a_part_that_raises_ends_the_program():
    done = subprocess.run([sys.executable, "-c", RAISES], capture_output=True, text=True)
    assert done.stdout == "2\n"
    assert done.returncode < 0


def test_functions_of_others_still_raise():
    def raises(n):
        if n == 3:
            raise ValueError("asked for 3")
        return n

    theirs = njit(raises, on_disk=False, **INNER)

    def calls_it(n):
        return theirs(n)

    function = njit(calls_it, on_disk=False)
    assert function(2) == 2
    with pytest.raises(ValueError, match="asked for 3"):
        function(3)

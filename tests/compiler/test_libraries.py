"""How compiled functions are put together: parts only inside the wholes that call them, which alone are on disk."""

import numba
import numpy as np
import pytest
from conftest import run_python
from numba import prange
from numpy.testing import assert_array_equal

from fastbp.compiler import callbacks
from fastbp.compiler.call import call
from fastbp.compiler.libraries import Part, Whole
from fastbp.compiler.options import INNER, PART, njit

compiled = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")


@njit(**PART)
def least(x, y, z):
    """`min` of a tuple is an overload of Numba's own, which it compiles as a function like any other."""
    return min((x, y, z))


@njit(**PART)
def least_of_first(x):
    return least(x[0], x[1], x[2])


@njit(**INNER)
def least_of_last(x):
    return least(x[x.size - 1], x[x.size - 2], x[x.size - 3])


@njit(on_disk=False)
def both(x):
    """A whole that calls two parts, which share a third."""
    return least_of_first(x) - least_of_last(x)


@njit(parallel=True, on_disk=False)
def least_of_rows(x, to):
    for i in prange(x.shape[0]):
        to[i] = least_of_first(x[i])


X = np.array([3.0, 2.0, 5.0, 4.0, 7.0, 1.0])


def test_a_whole_calls_parts_that_share_a_part():
    assert both(X) == 2 - 1


@compiled
def test_a_whole_has_machine_code_and_a_part_has_none():
    both(X)
    for function, kind in ((both, Whole), (least, Part), (least_of_first, Part), (least_of_last, Part)):
        (result,) = function.overloads.values()
        library, name = result.library, result.fndesc.llvm_func_name
        assert type(library) is kind
        has_code = library._codegen._engine.is_symbol_defined(name), library.get_pointer_to_function(name) != 0
        assert has_code == (kind is Whole,) * 2


@compiled
def test_parts_are_inlined():
    both(X)
    (result,) = both.overloads.values()
    defined = [line for line in result.library.get_llvm_str().splitlines() if line.startswith("define")]
    assert any("both" in line for line in defined) and not any("least" in line for line in defined)


def test_a_parallel_loop_calls_a_part():
    x, to = np.random.default_rng(0).random((100, 5)), np.zeros(100)
    least_of_rows(x, to)
    assert_array_equal(to, x[:, :3].min(axis=1))


@compiled
def test_a_c_function_calls_parts():
    @njit(on_disk=False)
    def function(x, to):
        to[0] = least_of_first(x) + least_of_last(x)

    @njit(on_disk=False)
    def caller(address, x, to):
        call(address, x, to)

    to = np.zeros(1)
    caller(callbacks.address(function, "DD", np.dtype("float64"), "function", on_disk=False), X, to)
    assert to[0] == 2 + 1


# The last printed line is the result.
PROGRAM = """
from numba.core import event
with event.install_recorder("numba:run_pass") as recorder:
    import numpy as np
    from numba import prange
    from fastbp.compiler import callbacks
    from fastbp.compiler.call import call
    from fastbp.compiler.options import INNER, PART, njit

    @njit(**PART)
    def least(x, y, z):
        return min((x, y, z))

    @njit(**INNER)
    def least_of_first(x):
        return least(x[0], x[1], x[2])

    def write(x, to):
        to[0] = least_of_first(x)

    @njit(calls=())
    def whole(function, x, to):
        call(function, x, to)
        to[1] = least_of_first(x[3:])

    @njit(parallel=True)
    def rows(x, to):
        for i in prange(x.shape[0]):
            to[i] = least_of_first(x[i])

    part = njit(write, **INNER)
    function = callbacks.address(part, "DD", np.dtype("float64"), "c_function", on_disk=True)
    x, to, of_rows = np.array([3.0, 2.0, 5.0, 4.0, 7.0, 6.0]), np.zeros(2), np.zeros(2)
    whole(function, x, to)
    rows(x.reshape(2, 3), of_rows)
print(len(recorder.buffer), *to, *of_rows)
"""


@compiled
def test_a_process_that_finds_the_wholes_on_disk_compiles_nothing(tmp_path):
    passes, *results = run_python(PROGRAM, FASTBP_CACHE=str(tmp_path)).split()
    assert int(passes) > 0 and results == ["2.0", "4.0"] * 2
    kept = sorted(path.name.rsplit("-", 1)[0] for path in tmp_path.rglob("*.machinecode"))
    assert kept == ["c_function", "rows", "whole"]
    assert run_python(PROGRAM, FASTBP_CACHE=str(tmp_path)).split() == ["0", *results]

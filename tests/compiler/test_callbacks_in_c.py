"""Functions of arrays as C functions: their signatures, and their names on disk."""

import inspect

import numba
import numpy as np
import pytest

from fastbp.compiler import callbacks
from fastbp.compiler.call import call
from fastbp.compiler.options import njit
from fastbp.derivatives import by_address
from fastbp.formulations.tiles import panel_functions

compiled = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")


@compiled
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_arguments_come_through_as_the_signature_says(dtype):
    """Arrays of every type with numbers between them: each argument has its own effect on the result."""

    @njit(on_disk=False)
    def kernel(out, alpha, places, factor, flags, n):
        for i in range(n):
            out[places[i]] = alpha * flags[i] + factor

    address = callbacks.address(kernel, "RrIdUi", np.dtype(dtype), "kernel_of_a_test", on_disk=False)

    @njit(on_disk=False)
    def caller(address, out, places, flags):
        call(address, out, out.dtype.type(2), places, 0.5, flags, places.size)

    out, places = np.zeros(4, dtype), np.array([3, 0, 1])
    caller(address, out, places, np.array([5, 6, 7], np.uint32))
    assert out.tolist() == [12.5, 14.5, 0.0, 10.5]


def test_a_wrapper_has_the_name_it_is_given_and_belongs_to_fastbp():
    """Every process finds machine code on disk by its name and module."""
    wrapper = callbacks._wrapper(len, "RiU", "some_name")
    assert (wrapper.__name__, wrapper.__qualname__, wrapper.__module__) == ("some_name",) * 2 + (callbacks.__name__,)
    assert list(inspect.signature(wrapper).parameters) == ["x0", "n0", "x1", "x2", "n2"]


PANEL_FUNCTIONS = {name: of[:2] for name, of in {**panel_functions.FOR_ALL, **panel_functions.BY_WIDTH}.items()}
FUNCTIONS = {**PANEL_FUNCTIONS, **by_address.SHARES}
STRUCTS = {"work": "W", "dot": "W", "squares": "W", "data": "A", "optimizer": "O", "net": "N", "functions": "F"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_signatures_fit_the_parameters(name):
    function, kinds = FUNCTIONS[name]
    parameters = list(inspect.signature(getattr(function, "py_func", function)).parameters)
    assert len(parameters) == len(kinds)
    assert [STRUCTS.get(parameter) for parameter in parameters] == [kind if kind in "WAONF" else None for kind in kinds]


@pytest.mark.parametrize("signature", [panel_functions.FORWARD, panel_functions.GRADIENT])
def test_kinds_of_sums_have_the_same_parameters(signature):
    """So they can be called alike."""
    of_kinds = [function for function, kinds in PANEL_FUNCTIONS.values() if kinds == signature]
    assert len({str(inspect.signature(function)) for function in of_kinds}) == 1 < len({*of_kinds})


def test_panel_functions_by_width_know_their_width():
    """The functions for all panels are compiled once and do not use the width, nor do those of one neuron."""

    def knows(function):
        return "VECS" in getattr(function, "py_func", function).__code__.co_names

    assert not any(knows(function) for function, _ in panel_functions.FOR_ALL.values())
    for name, (function, *_) in panel_functions.BY_WIDTH.items():
        assert knows(function) == (not name.endswith("_column"))


def test_listed_panel_functions_know_whether_they_are():
    """Of the functions with and without lists, one source is compiled twice."""
    for name in ("forward", "gradient"):
        (function, kinds), listed = FUNCTIONS[f"{name}_panel"], FUNCTIONS[f"{name}_listed"]
        assert listed == (function, kinds) and "LISTED" in function.__code__.co_names

"""Parallel and serial variants: a loop with `prange` is compiled for threads, and its callers declare the call."""

import dis
import importlib
import pkgutil

import numba
import numpy as np
import pytest

import fastbp.derivatives
import fastbp.formulations.tiles
from fastbp.compiler.variants import address_of, entry, serial_variant, variant
from fastbp.formulations import loops
from fastbp.formulations.rounds import train_rows
from fastbp.formulations.tiles import descent

pytestmark = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")
PACKAGES = fastbp.formulations, fastbp.formulations.tiles, fastbp.derivatives


def globals_of(loop):
    """The global names that the code of a loop uses, without attributes."""
    instructions = dis.get_instructions(loop.py_func)
    return {instruction.argval for instruction in instructions if instruction.opname == "LOAD_GLOBAL"}


def compiled_loops():
    """Every compiled loop, once, from the module that defines it."""
    for package in PACKAGES:
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            module = importlib.import_module(found.name)
            for name, loop in vars(module).items():
                if isinstance(loop, numba.core.dispatcher.Dispatcher) and loop.py_func.__module__ == found.name:
                    yield pytest.param(loop, id=f"{found.name.removeprefix('fastbp.')}.{name}")


def is_parallel(loop):
    return bool(getattr(loop, "targetoptions", {}).get("parallel") or getattr(loop, "calls", ()))


@pytest.mark.parametrize("loop", list(compiled_loops()))
def test_a_loop_with_prange_is_parallel_and_its_callers_declare_it(loop):
    names = globals_of(loop)
    assert ("prange" in names) == bool(loop.targetoptions.get("parallel"))
    called = {name for name in names if is_parallel(loop.py_func.__globals__.get(name))}
    assert called == {callee.__name__ for callee in loop.calls}


@pytest.mark.parametrize("loop", [loops.train_epoch, descent.train_epoch, descent.train_epoch_in_parts])
def test_the_serial_variant_calls_serial_variants(loop):
    found = serial_variant(loop)
    assert not found.targetoptions.get("parallel")
    for callee in loop.calls:
        assert found.py_func.__globals__[callee.__name__] is serial_variant(callee, inside=True)
    assert variant(loop, 1) is found and variant(loop, 2) is loop


def test_a_loop_is_looked_for_by_the_types_of_its_arguments():
    given = np.empty(0), np.empty((0, 6), np.int64), np.empty(0, np.int64)
    others = np.empty(0, np.float32), *given[1:]
    for found in (entry, address_of):
        assert found(train_rows, *given) == found(train_rows, *(array.copy() for array in given))
        assert found(train_rows, *given) != found(train_rows, *others)
    read_only = given[0].copy()
    read_only.flags.writeable = False
    with pytest.raises(numba.core.errors.TypingError):  # of which the costs would be written to
        entry(train_rows, read_only, *given[1:])

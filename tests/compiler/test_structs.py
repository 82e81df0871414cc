"""Structs: every kind of field comes through to compiled code, and a struct passes through calls and threads."""

import os
import subprocess
import sys
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import pytest
from numba import prange
from numpy.testing import assert_array_equal

from fastbp.compiler import callbacks
from fastbp.compiler.call import call
from fastbp.compiler.options import INNER, LEAN, njit
from fastbp.compiler.structs import Struct
from fastbp.formulations.network_data import table


class Everything(Struct):
    """A field of each kind, numbers between arrays."""

    n: int
    x: npt.NDArray[np.float64]
    is_on: bool
    rows: npt.NDArray[np.float32]
    rate: float
    bits: npt.NDArray[np.uint32]
    places: npt.NDArray[np.int64]
    layers: npt.NDArray[Any]
    limit: float = np.inf


def everything(**named):
    given = {
        "n": -7,
        "x": np.array([0.5, -1.5, 2.5]),
        "is_on": True,
        "rows": np.arange(6, dtype=np.float32).reshape(2, 3),
        "rate": -0.125,
        "bits": np.array([1, 2**32 - 1], np.uint32),
        "places": np.array([-(2**40), 3]),
        "layers": table([{"n": 4, "at": 1}, {"n": 5, "at": -(2**40)}], integers=("n", "at")),
    }
    return Everything(**{**given, **named})


def copy_of(struct):
    """The fields of a struct as compiled code sees them."""
    numbers, x, rows = np.zeros(6), np.zeros_like(struct.x), np.zeros_like(struct.rows)
    bits, integers = np.zeros_like(struct.bits), np.zeros(8, np.int64)
    copy(struct, numbers, x, rows, bits, integers)
    return numbers, x, rows, bits, integers


@njit(on_disk=False)
def copy(struct, numbers, x, rows, bits, integers):
    numbers[0], numbers[1], numbers[2] = struct.n, struct.rate, struct.limit
    numbers[3] = 1.0 if struct.is_on else 0.0
    numbers[4], numbers[5] = struct.x.size, struct.rows.shape[0]
    for i in range(struct.x.size):
        x[i] = struct.x[i]
    columns = struct.rows[:, 1:]  # a view, whose strides count
    for i in range(struct.rows.shape[0]):
        rows[i, 0] = struct.rows[i, 0]
        for j in range(1, struct.rows.shape[1]):
            rows[i, j] = columns[i, j - 1]
    for i in range(struct.bits.size):
        bits[i] = struct.bits[i]
    for i in range(struct.places.size):
        integers[i] = struct.places[i]
    for i in range(struct.layers.size):
        integers[2 + 2 * i], integers[3 + 2 * i] = struct.layers[i].n, struct.layers[i].at
    integers[6], integers[7] = struct.layers[-1].n, struct.n


@pytest.mark.parametrize("is_on", [True, False])
def test_a_field_of_every_kind_comes_through(is_on):
    struct = everything(is_on=is_on)
    numbers, x, rows, bits, integers = copy_of(struct)
    assert numbers.tolist() == [-7, -0.125, np.inf, float(is_on), 3, 2]
    for ours, theirs in ((x, struct.x), (rows, struct.rows), (bits, struct.bits)):
        assert_array_equal(ours, theirs)
    assert integers.tolist() == [-(2**40), 3, 4, 1, 5, -(2**40), 5, -7]


def test_empty_arrays_come_through():
    numbers, x, rows, _, _ = copy_of(everything(x=np.zeros(0), rows=np.zeros((0, 3), np.float32)))
    assert numbers[4:].tolist() == [0, 0] and x.size == rows.size == 0


def test_a_copy_has_other_values_in_some_fields():
    struct = everything()
    other = struct._replace(n=5, x=np.array([9.0]))
    assert copy_of(other)[0].tolist() == [5, -0.125, np.inf, 1, 1, 2]
    assert copy_of(struct)[0].tolist() == [-7, -0.125, np.inf, 1, 3, 2]
    assert other.rows is struct.rows and type(other) is Everything


def test_arrays_put_in_place_come_through():
    struct = everything()
    x, rows = np.array([9.0, 8.0]), np.ones((1, 3), np.float32)
    struct._put(x=x, rows=rows)
    assert struct.x is x and struct.nbytes == sum(a.nbytes for a in (x, rows, struct.bits, *others_of(struct)))
    numbers, copied, copied_rows, _, _ = copy_of(struct)
    assert numbers[4:].tolist() == [2, 1]
    assert_array_equal(copied, x)
    assert_array_equal(copied_rows, rows)


def others_of(struct):
    return [a for name, a in vars(struct).items() if isinstance(a, np.ndarray) and name not in ("x", "rows", "bits")]


def test_an_array_of_another_type_makes_another_type():
    """Compiled for float64, then for float32: no array is taken for what it is not."""
    x = np.array([0.5, 1.5], np.float32)
    assert_array_equal(copy_of(everything(x=x))[1], x)
    assert_array_equal(copy_of(everything())[1], everything().x)


def test_values_go_to_fields_in_order_or_by_name():
    class Two(Struct):
        first: float
        second: float = 2.0

    assert Two._names == ("first", "second")
    assert (Two(1.0).first, Two(1.0).second) == (1.0, 2.0)
    assert (Two(second=3.0, first=1.0).first, Two(1.0, 3.0).second) == (1.0, 3.0)


def test_a_refusal_names_the_fields():
    class Two(Struct):
        first: float
        second: float = 2.0

    with pytest.raises(TypeError, match=r"Two has the fields first, second; it was given 0 values and no names$"):
        Two()
    with pytest.raises(TypeError, match="Two has the fields first, second; it was given 1 values and third"):
        Two(1.0, third=3.0)
    with pytest.raises(TypeError, match="Two has the fields first, second; it was given 3 values and no names"):
        Two(1.0, 2.0, 3.0)
    with pytest.raises(TypeError, match="Two has the fields first, second; it was given 1 values and first"):
        Two(1.0, first=3.0, second=2.0)
    with pytest.raises(TypeError, match="Two has the fields first, second, not third"):
        Two(1.0)._replace(third=3.0)


def test_arrays_must_be_contiguous():
    class One(Struct):
        numbers: np.ndarray

    if not numba.config.DISABLE_JIT:
        with pytest.raises(ValueError, match=r"numbers is not contiguous: give np\.ascontiguousarray of it"):
            One(np.zeros((4, 4))[:, 1])


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")
def test_compiled_code_knows_the_fields_only():
    @njit(on_disk=False)
    def unknown(struct):
        return struct.unknown

    with pytest.raises(numba.TypingError, match="unknown"):
        unknown(everything())


@njit(**INNER)
def add_to_places(struct, n):
    for i in range(n):
        struct.x[struct.places[i]] += struct.rate


@njit(**LEAN, on_disk=False)
def add_twice(struct):
    rows = struct.rows
    rows[1, 2] = 9
    add_to_places(struct, struct.places.size)
    add_to_places(struct, struct.n)


def test_writes_through_calls_without_reference_counts_are_seen():
    struct = everything(places=np.array([2, 0]), n=1, rate=0.5)
    add_twice(struct)
    assert struct.x.tolist() == [1.0, -1.5, 3.5]
    assert struct.rows.tolist() == [[0, 1, 2], [3, 4, 9]]


@njit(parallel=True, on_disk=False)
def fill(struct, n):
    for i in prange(n):
        struct.x[i] = struct.rate * i
        struct.layers[i].at = struct.n


def test_a_struct_passes_through_a_parallel_loop():
    n = 100
    struct = everything(x=np.zeros(n), layers=table([{"n": 1}] * n, integers=("n", "at")))
    fill(struct, n)
    assert_array_equal(struct.x, -0.125 * np.arange(n))
    assert (struct.layers["at"] == -7).all()


@njit(on_disk=False)
def scale_by_rate(struct, to, n):
    for i in range(n):
        to[i] = struct.x[i] * struct.rate


@njit(on_disk=False)
def scale_by_address(function, struct, to):
    call(function, struct, to, 2)


def test_a_c_function_gets_a_struct_as_a_pointer():
    struct, to, function = everything(), np.ones(3), scale_by_rate
    if not numba.config.DISABLE_JIT:
        types = {"E": struct._numba_type_}
        function = callbacks.address(function, "EDi", np.dtype("float64"), "scale", on_disk=False, structs=types)
    scale_by_address(function, struct, to)
    assert to.tolist() == [0.5 * -0.125, -1.5 * -0.125, 1]


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")
def test_without_compilation_it_is_the_same():
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", __file__]
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-3000:]

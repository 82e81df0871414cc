"""Types of operations are found once, and a constant makes no function of its own."""

import numpy as np
from numba import types
from numba.core import registry

from fastbp.compiler.known_types import with_memory
from fastbp.compiler.options import INNER, LEAN, njit


def asked(context, function, *args):
    return context.resolve_function_type(context.resolve_value_type(function), args, {})


def test_what_is_found_is_what_numba_finds():
    numba, ours = registry.cpu_target.typing_context, with_memory(registry.cpu_target.typing_context)
    numba.refresh()
    vector = types.Array(types.float32, 1, "C")
    for function, args in [
        (abs, (types.float64,)),
        (min, (types.int64, types.literal(7))),
        (max, (types.int64, types.int64)),
        (max, (types.float64, types.int64)),
        (len, (vector,)),
    ]:
        for _ in range(2):  # found, and remembered
            assert asked(ours, function, *args).return_type == asked(numba, function, *args).return_type
    for _ in range(2):
        assert ours.resolve_getattr(vector, "size") == types.intp
        assert ours.resolve_getattr(vector, "no_such_thing") is None


def test_templates_are_asked_once(monkeypatch):
    ours = with_memory(registry.cpu_target.typing_context)
    ours.refresh()
    first = asked(ours, abs, types.float32)
    monkeypatch.setattr(types.Function, "get_call_type", None)
    assert asked(ours, abs, types.float32) is first


def times(vector, k):
    return vector[0] * k


times.__module__ = "fastbp.of_this_test"
part = njit(times, on_disk=False, **INNER)


def calls(vector, n):
    return part(vector, 2) + part(vector, 3) + part(vector, n)


calls.__module__ = "fastbp.of_this_test"


def test_constants_are_ordinary_numbers():
    assert njit(calls, on_disk=False, **LEAN)(np.ones(1), 4) == 9
    assert len(part.overloads) == 1

"""Types found once: what an operation on given types returns, and what type an attribute has.

Numba asks its templates one after the other, for each `+` of each function, and gets the same answer every time. To
remember it saves a sixth of the time of compiling.
"""

from typing import Any

from numba import types
from numba.core.typing import signature

from fastbp.compiler.contexts import with_methods


def with_memory(context: Any) -> Any:
    """Return a copy of Numba's context for types that remembers what it has found.

    A constant in a call of a compiled function is an ordinary number: Numba would compile the function for it apart.
    """
    made = with_methods(context, _with_memory)
    made.found_operations, made.found_attributes = {}, {}
    return made


def _with_memory(base: Any) -> Any:
    class WithMemory(base):  # type: ignore[misc]
        def resolve_function_type(self, func: Any, args: Any, kws: Any) -> Any:
            if isinstance(func, types.Dispatcher):
                return super().resolve_function_type(func, tuple(map(types.unliteral, args)), kws)
            if kws or not isinstance(func, types.Function):
                return super().resolve_function_type(func, args, kws)
            asked = func, tuple(args)
            if asked not in self.found_operations:
                found = _of_two_numbers(func, args) or super().resolve_function_type(func, args, kws)
                if found is None:
                    return None
                self.found_operations[asked] = found
            return self.found_operations[asked]

        def resolve_getattr(self, typ: Any, attr: str) -> Any:
            asked = typ, attr
            if asked not in self.found_attributes:
                found = super().resolve_getattr(typ, attr)
                if found is None:
                    return None
                self.found_attributes[asked] = found
            return self.found_attributes[asked]

    return WithMemory


def _of_two_numbers(func: Any, args: Any) -> Any:
    """The type of the smaller or greater of two whole numbers, for which Numba would compile a function."""
    if func.typing_key in (min, max) and tuple(map(types.unliteral, args)) == (types.int64, types.int64):
        return signature(types.int64, types.int64, types.int64)
    return None

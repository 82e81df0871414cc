"""The parallel and the serial variant of a loop: one source, in which `prange` means threads, or no more than `range`.

A loop is written once, as its parallel variant. A step that is too small to share is run by the serial one, which has
no threads to start, and calls the serial variants of the parallel loops that it calls: those are declared where it is
compiled, `@njit(calls=(gradient, update))`.
"""

from functools import cache
from typing import Any

import numba
import numpy as np

from fastbp.compiler import together
from fastbp.compiler.options import INNER, LEAN, njit, rebind

# By loop and kinds of arguments, because Numba looks for a tenth of a millisecond.
_entries: dict[Any, Any] = {}
_addresses: dict[Any, int] = {}


def variant(loop: Any, n_threads: int) -> Any:
    """Return the variant of `loop` for so many threads."""
    return together.to_call(loop if n_threads > 1 else serial_variant(loop))


def entry(loop: Any, *arguments: Any) -> Any:
    """Return `loop`, compiled for arguments of these types, which it then does not check.

    Numba looks at the type of every argument in every call: a microsecond for a struct.
    """
    if numba.config.DISABLE_JIT or together.is_dry():
        return together.to_call(loop)
    kinds = loop, *map(_kind, arguments)
    if kinds not in _entries:
        _entries[kinds] = _compiled(loop, arguments).entry_point
    return _entries[kinds]


def address_of(loop: Any, *arguments: Any) -> int:
    """Return the address of `loop`, compiled for arguments of these types, for `cost_of`: the same machine code."""
    kinds = loop, *map(_kind, arguments)
    if kinds not in _addresses:
        compiled = _compiled(loop, arguments)
        _addresses[kinds] = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_cfunc_wrapper_name)
    return _addresses[kinds]


def _compiled(loop: Any, arguments: tuple[Any, ...]) -> Any:
    types = tuple(map(numba.typeof, arguments))
    loop.compile(types)
    return loop.overloads[types]


def _kind(value: Any) -> Any:
    """Return what Numba's type of a value depends on."""
    if isinstance(value, np.ndarray):
        return value.dtype, value.ndim, value.flags.num
    return getattr(value, "_numba_type_", None) or numba.typeof(value)


@cache
def serial_variant(loop: Any, *, inside: bool = False) -> Any:
    """Return the serial variant of `loop`: for Python to call, or to be called `inside` another one.

    Each of the two has a name of its own: code compiled for loops has no way in from Python.
    """
    calls = {callee.__name__: serial_variant(callee, inside=True) for callee in loop.calls}
    name = f"{loop.__name__}_serial{'_inside' if inside else ''}"
    made = njit(rebind(loop, name, **calls), **(INNER if inside else LEAN))
    made.serial_variant_of = loop
    return made

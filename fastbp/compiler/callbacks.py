"""Functions of arrays as C functions, which `call` calls by their address: the wrapper follows from a signature.

A signature has a letter for each argument. R is an array of the network's own numbers, D of float64, I of int64, U of
uint32; a small letter is one such number; a struct has a letter that the caller chooses. The C function gets a pointer
to each array and its length, a pointer to each struct, and numbers as they are.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numba import config, from_dtype, types

from fastbp.compiler.options import INLINE, compile_callback, njit, rebind
from fastbp.compiler.structs import Struct
from fastbp.compiler.views import at_address

ARRAYS = "RDIU"


def address(
    function: Any,
    kinds: str,
    dtype: np.dtype[Any],
    name: str,
    *,
    on_disk: bool,
    structs: Mapping[str, Any] | None = None,
) -> int:
    """Compile `function` as a C function of this signature, by `name` on disk, and return its address."""
    signature = _c_signature(kinds, dtype, structs or {})
    return compile_callback(_wrapper(function, kinds, name), signature, on_disk=on_disk)


def c_function(
    function: Any, kinds: str, dtype: np.dtype[Any], name: str, structs: Iterable[tuple[str, Any]], **names: Any
) -> Any:
    """What `call` takes for `function`: its address, by `name` on disk, or itself where nothing is compiled.

    `structs` are the types of its structs, by letter; `names` are global names of its own and what they are bound to.
    """
    loop = njit(rebind(function, name, **names), on_disk=False, **INLINE)
    if config.DISABLE_JIT:
        return loop
    return address(loop, kinds, dtype, name, on_disk=True, structs=dict(structs))


def struct_types(kinds: str, structs: Mapping[str, Struct]) -> list[tuple[str, Any]]:
    """The types of the structs that a signature names, by letter; none where nothing is compiled."""
    letters = "" if config.DISABLE_JIT else kinds
    return [(kind, structs[kind]._numba_type_) for kind in dict.fromkeys(letters) if kind in structs]


def _c_signature(kinds: str, dtype: np.dtype[Any], structs: Mapping[str, Any]) -> Any:
    letters = {"R": from_dtype(dtype), "D": types.float64, "I": types.int64, "U": types.uint32}
    arguments: list[Any] = []
    for kind in kinds:
        if kind in structs:
            arguments.append(structs[kind])
        else:
            number = letters[kind.upper()]
            arguments += [types.CPointer(number), types.intp] if kind.isupper() else [number]
    return types.void(*arguments)


def _wrapper(function: Any, kinds: str, name: str) -> Callable[..., None]:
    """For "RRi": def name(x0, n0, x1, n1, x2): function(at_address(x0, n0), at_address(x1, n1), x2)."""
    parameters = [f"x{i}, n{i}" if kind in ARRAYS else f"x{i}" for i, kind in enumerate(kinds)]
    arguments = [f"at_address(x{i}, n{i})" if kind in ARRAYS else f"x{i}" for i, kind in enumerate(kinds)]
    source = f"def wrapper({', '.join(parameters)}):\n    function({', '.join(arguments)})\n"
    names: dict[str, Any] = {"at_address": at_address, "function": function, "__name__": __name__}
    exec(source, names)
    wrapper: Callable[..., None] = names["wrapper"]
    wrapper.__name__ = wrapper.__qualname__ = name
    return wrapper

"""Names a user's function by its content, so that its machine code can be kept on disk.

Numba compiles the values that a function refers to as constants. So the name holds a digest of the byte code and of
these values: numbers, text and small arrays by content; modules, functions and types of Python, NumPy, Numba and
fastbp's compiled folders by name; functions compiled with ``numba.njit`` by their own digest. A function that refers to
anything else, such as a module of the user's, is compiled again in every process, because that may change.

The functions that it calls are renamed too, because its machine code on disk contains theirs, by name.
"""

import dis
import hashlib
import re
import sys
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

import numba
import numpy as np
from numba.core.compiler import Compiler
from numba.core.registry import CPUDispatcher

from fastbp.compiler.code_cache import COMPILED

KNOWN = ("builtins", "math", "cmath", "operator", "numpy", "numba")  # the folder of machine code names their versions
OPTIONS = {"nopython", "fastmath", "error_model", "nogil", "boundscheck", "forceinline", "inline"}
ARRAY_BYTES = 2**20


class UnknownContent(Exception):
    """A function refers to something that has no digest."""


def named_by_content(function: FunctionType) -> FunctionType | None:
    """Return a copy of `function` named ``users_<its name>_<digest>``, or None if it has no digest."""
    try:
        return _copy(function, ())
    except UnknownContent:
        return None


def _copy(function: FunctionType, callers: tuple[Any, ...], options: str = "") -> FunctionType:
    """Return the copy, which calls such copies of other functions."""
    if function in callers:  # it calls itself, so its digest would contain itself
        raise UnknownContent
    code, callers = function.__code__, (*callers, function)
    try:
        cells = {n: c.cell_contents for n, c in zip(code.co_freevars, function.__closure__ or (), strict=True)}
    except ValueError:  # a variable has no value yet
        raise UnknownContent from None
    names = {name: function.__globals__[name] for name in _names(code) if name in function.__globals__}
    of_cells = {name: _describe(value, callers) for name, value in cells.items()}
    of_globals = {name: _describe(value, callers) for name, value in sorted(names.items())}
    described = [(name, text) for found in (of_cells, of_globals) for name, (text, _) in found.items()]
    defaults = _describe(function.__defaults__, callers)[0], _describe(function.__kwdefaults__, callers)[0]
    content = repr((_describe_code(code), described, defaults, options))
    readable = re.sub(r"\W", "", function.__name__, flags=re.ASCII)[:40]
    name = f"users_{readable}_{hashlib.sha256(content.encode()).hexdigest()[:24]}"
    bound = {**function.__globals__, **{name: value for name, (_, value) in of_globals.items()}}
    closure = tuple(CellType(value) for _, value in of_cells.values())
    copy = FunctionType(code, bound, name, function.__defaults__, closure)
    # Machine code from the disk looks for it in its module, which must always exist.
    copy.__qualname__, copy.__module__, copy.__kwdefaults__ = name, __name__, function.__kwdefaults__
    return copy


def _names(code: CodeType) -> set[str]:
    """Return all names of globals and attributes in the byte code, including inner functions."""
    if any(instruction.opname.startswith("IMPORT") for instruction in dis.get_instructions(code)):
        raise UnknownContent
    inside = [_names(constant) for constant in code.co_consts if isinstance(constant, CodeType)]
    return set(code.co_names).union(*inside)


def _describe_code(code: CodeType) -> str:
    counts = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags
    names = code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars
    tables = code.co_code, getattr(code, "co_exceptiontable", b"")
    constants = [_describe_code(c) if isinstance(c, CodeType) else _describe(c, ())[0] for c in code.co_consts]
    return repr((counts, names, tables, constants))


def _describe(value: Any, callers: tuple[Any, ...]) -> tuple[str, Any]:
    """Return a text that identifies the content of `value`, and what to bind in its place."""
    kind = type(value)
    if value is None or value is Ellipsis or kind in (bool, int, float, complex, str, bytes):
        return repr((kind.__name__, value)), value
    if kind in (tuple, frozenset):
        inside = [_describe(each, callers) for each in value]
        texts = [text for text, _ in inside]
        return repr((kind.__name__, sorted(texts) if kind is frozenset else texts)), kind(new for _, new in inside)
    if isinstance(value, np.number | np.bool_) or (kind is np.ndarray and value.dtype.kind in "biufc"):
        if value.nbytes > ARRAY_BYTES:
            raise UnknownContent
        return repr((kind.__name__, value.dtype.str, value.shape, value.strides, value.tobytes())), value
    if _is_known(value):
        module = isinstance(value, ModuleType)
        return repr(value.__name__ if module else (value.__module__, value.__qualname__)), value
    if kind is CPUDispatcher:
        return _describe_compiled(value, callers)
    raise UnknownContent


def _describe_compiled(function: Any, callers: tuple[Any, ...]) -> tuple[str, Any]:
    """Do the same for a function compiled with ``numba.njit``. It may not have signatures or unusual options."""
    options = function.targetoptions
    plain = function._can_compile and not function.locals and function._compiler.pipeline_class is Compiler
    if not plain or not OPTIONS.issuperset(options) or callable(options.get("inline")):
        raise UnknownContent
    described = repr([(n, sorted(v) if isinstance(v, set) else v) for n, v in sorted(options.items())])
    copy = _copy(function.py_func, callers, described)
    return copy.__name__, numba.jit(**options)(copy)


def _is_known(value: Any) -> bool:
    """Whether `value` is a module, function or type that its name identifies."""
    if isinstance(value, ModuleType):
        return _is_known_module(value.__name__) and sys.modules.get(value.__name__) is value
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    return _is_known_module(module) and getattr(sys.modules.get(module), str(name), None) is value


def _is_known_module(name: Any) -> bool:
    if not isinstance(name, str):
        return False
    package, _, inside = name.partition(".")
    return package in KNOWN or (package == "fastbp" and inside.partition(".")[0] in COMPILED)

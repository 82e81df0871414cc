"""Calling a function that is chosen at run time: its address is data, so one compilation serves every choice.

Which activation, cost or optimizer a network uses is not part of the type of anything. A compiled loop gets the
address of a compiled array function and calls it; that costs a few nanoseconds for a whole layer. A user's own
function is an address like ours.
"""

import inspect
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.typing import signature
from numba.extending import lower_builtin, type_callable

from fastbp.compiler.arrays import DATA, N_ITEMS, field_of
from fastbp.compiler.structs import StructType


def call(function: Callable[..., None], *arguments: Any) -> None:
    """Call `function` with contiguous arrays and numbers.

    Compiled, `function` is the address of a C function, which gets every array as a pointer to its first element
    and the number of its elements, every struct as a pointer, and every number as it is.
    """
    function(*arguments)


@type_callable(call)
def _type_of_call(context: Any) -> Any:
    def typer(function: Any, *arguments: Any) -> Any:
        if not isinstance(function, types.Integer):
            return None
        return signature(types.void, function, *arguments)

    # Numba would hand `*arguments` over as one tuple, and look for an implementation that takes one.
    names = (inspect.Parameter(f"x{n}", inspect.Parameter.POSITIONAL_ONLY, default=None) for n in range(16))
    typer.pysig = inspect.Signature(list(names))
    return typer


@lower_builtin(call, types.Integer, types.VarArg(types.Any))
def _call(context: Any, builder: Any, sig: Any, values: Any) -> Any:
    passed = []
    for kind, value in zip(sig.args[1:], values[1:], strict=True):
        if isinstance(kind, types.Array):
            passed += [field_of(builder, value, field) for field in (DATA, N_ITEMS)]
        elif isinstance(kind, types.Float | StructType):
            passed.append(value)
        else:
            passed.append(context.cast(builder, value, kind, types.int64))
    kind = ir.FunctionType(ir.VoidType(), [value.type for value in passed])
    address = context.cast(builder, values[0], sig.args[0], types.int64)
    builder.call(builder.inttoptr(address, kind.as_pointer()), passed)
    return context.get_dummy_value()


def cost_of(function: Callable[..., float], *arguments: Any) -> float:
    """Call `function` with anything, and return the number that it returns.

    Compiled, `function` is the address of a compiled loop (`variants.address_of`), which gets its arguments as Numba
    passes them between compiled functions; a struct may be given as its address, a whole number.
    """
    return function(*arguments)


@type_callable(cost_of)
def _type_of_cost(context: Any) -> Any:
    typer = _type_of_call(context)

    def of_cost(function: Any, *arguments: Any) -> Any:
        return signature(types.float64, function, *arguments) if isinstance(function, types.Integer) else None

    of_cost.pysig = typer.pysig
    return of_cost


@lower_builtin(cost_of, types.Integer, types.VarArg(types.Any))
def _cost(context: Any, builder: Any, sig: Any, values: Any) -> Any:
    kind = ir.FunctionType(ir.DoubleType(), [value.type for value in values[1:]])
    address = context.cast(builder, values[0], sig.args[0], types.int64)
    return builder.call(builder.inttoptr(address, kind.as_pointer()), values[1:])

"""Calling a function that is chosen at run time: its address is data, so one compilation serves every choice.

Which activation, cost or optimizer a network uses is not part of the type of anything. A compiled loop gets the
address of a compiled array function and calls it; that costs a few nanoseconds for a whole layer. A user's own
function is an address like ours.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload


def call(function: Callable[..., None], *arguments: Any) -> None:
    """Call `function` with contiguous arrays, one or more.

    Compiled, `function` is the address of a C function, which gets the length of the last array and then every
    array as a pointer to its first element.
    """
    function(*arguments)


@intrinsic
def _call_address(typingctx: Any, address: Any, arguments: Any) -> Any:
    def codegen(context: Any, builder: Any, sig: Any, values: Any) -> Any:
        pairs = zip(sig.args[1], cgutils.unpack_tuple(builder, values[1]), strict=True)
        arrays = [context.make_array(kind)(context, builder, value) for kind, value in pairs]
        passed = [arrays[-1].nitems, *(array.data for array in arrays)]
        signature = ir.FunctionType(ir.VoidType(), [value.type for value in passed])
        builder.call(builder.inttoptr(values[0], signature.as_pointer()), passed)
        return context.get_dummy_value()

    return types.void(address, arguments), codegen


@overload(call)
def _call(function: Any, *arguments: Any) -> Any:
    if not isinstance(function, types.Integer):
        return None

    def implementation(function: Any, *arguments: Any) -> None:
        _call_address(function, arguments)

    return implementation

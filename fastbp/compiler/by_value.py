"""How our functions call one another: with arguments as they are, and a result.

Numba's own functions get each argument as single numbers, seven for an array; they leave their result behind a pointer,
and return a code by which the caller tells errors. LLVM would have to read all that in order to remove it: half of what
it reads. A part of our code (`libraries.py`) raises nothing, so it is called *by value*: arrays and tuples go in as
they are, the result comes back. If Numba writes an error into a part, the program would end there.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.base import _wrap_impl
from numba.core.callconv import CPUCallConv
from numba.core.funcdesc import PythonFunctionDescriptor

from fastbp.compiler.contexts import with_methods


class ByValue(PythonFunctionDescriptor):
    """Numba's description of a function that is called by value."""

    __slots__ = ()


class Convention(CPUCallConv):
    """Numba's convention of calling; in a function that is called by value, its arguments and its ends."""

    def decode_arguments(self, builder: Any, argtypes: Any, func: Any) -> Any:
        if not hasattr(func, "by_value"):
            return super().decode_arguments(builder, argtypes, func)
        given = iter(func.args)
        return [None if isinstance(kind, types.Omitted) else next(given) for kind in argtypes]

    def return_value(self, builder: Any, retval: Any) -> None:
        if hasattr(builder.function, "by_value"):
            builder.ret(retval)
        else:
            super().return_value(builder, retval)

    def return_user_exc(self, builder: Any, *error: Any, **where: Any) -> None:
        if not self._ends(builder):
            super().return_user_exc(builder, *error, **where)

    def return_status_propagate(self, builder: Any, status: Any) -> None:
        if not self._ends(builder):
            super().return_status_propagate(builder, status)

    def _ends(self, builder: Any) -> bool:
        """Write the end of the program in place of an error; return False if the function can raise."""
        if not hasattr(builder.function, "by_value"):
            return False
        builder.call(builder.module.declare_intrinsic("llvm.trap", (), ir.FunctionType(ir.VoidType(), ())), ())
        builder.unreachable()
        return True


def by_value(context: Any) -> Any:
    """Return a copy of Numba's context that calls functions by value that are described so."""
    return with_methods(context, _calls)


def _calls(base: Any) -> Any:
    class Calls(base):  # type: ignore[misc]
        @property
        def call_conv(self) -> Convention:
            return Convention(self)

        def declare_function(self, module: Any, fndesc: Any) -> Any:
            if not isinstance(fndesc, ByValue):
                return super().declare_function(module, fndesc)
            given = [self.get_value_type(kind) for kind in fndesc.argtypes if not isinstance(kind, types.Omitted)]
            kind = ir.FunctionType(self.get_value_type(fndesc.restype), given)
            function = cgutils.get_or_insert_function(module, kind, fndesc.mangled_name)
            function.by_value = True
            if fndesc.inline:
                function.attributes.add("alwaysinline")
            return function

        def get_return_value(self, builder: Any, ty: Any, val: Any) -> Any:
            return val if hasattr(builder.function, "by_value") else super().get_return_value(builder, ty, val)

        def create_cfunc_wrapper(self, library: Any, fndesc: Any, env: Any, call_helper: Any) -> None:
            if not isinstance(fndesc, ByValue):
                super().create_cfunc_wrapper(library, fndesc, env, call_helper)
                return
            module = self.create_module("cfunc_wrapper")
            function = self.declare_function(module, fndesc)
            wrapper = ir.Function(module, function.function_type, fndesc.llvm_cfunc_wrapper_name)
            builder = ir.IRBuilder(wrapper.append_basic_block())
            builder.ret(builder.call(function, wrapper.args))
            library.add_ir_module(module)

        def get_function(self, fn: Any, sig: Any, _firstcall: bool = True) -> Any:
            compiled = fn.dispatcher.overloads.get(sig.args) if isinstance(fn, types.Dispatcher) else None
            if compiled is None or not isinstance(compiled.fndesc, ByValue):
                return super().get_function(fn, sig, _firstcall)
            return _wrap_impl(_call_of(compiled), self, sig)

    return Calls


def _call_of(compiled: Any) -> Any:
    """What writes a call of a function that is called by value."""

    def call(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        function = context.declare_function(builder.module, compiled.fndesc)
        given = [value for kind, value in zip(sig.args, args, strict=True) if not isinstance(kind, types.Omitted)]
        return builder.call(function, given)

    call.libs = (compiled.library,)
    return call

"""How our own loops, vectors and quotients are written for LLVM: the most frequent operations, in few instructions.

Numba's are general: a step of 0, a divisor of 0, an array of any layout. LLVM would find out that ours are simple, and
takes a fifth of the time of compiling for it.
"""

import copy
import operator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.base import _wrap_impl

from fastbp.compiler.arrays import DATA, N_ITEMS, SHAPE, WORD, field_of, tuple_of


def in_few_instructions(context: Any) -> Any:
    """Return a copy of Numba's context that compiles these operations so. No step of a range may be 0."""

    class FewInstructions(type(context)):  # type: ignore[misc]
        def get_function(self, fn: Any, sig: Any, _firstcall: bool = True) -> Any:
            found = OPERATIONS.get(fn if isinstance(fn, str) else getattr(fn, "typing_key", None))
            if found is None or self.enable_boundscheck or not found[0](sig):
                return super().get_function(fn, sig, _firstcall)
            return _wrap_impl(found[1], self, sig)

        def get_getattr(self, typ: Any, attr: str) -> Any:
            return _size if attr == "size" and isinstance(typ, types.Array) else super().get_getattr(typ, attr)

    made = copy.copy(context)
    made.__class__ = FewInstructions
    return made


def _size(context: Any, builder: Any, kind: Any, array: Any, name: str) -> Any:
    return field_of(builder, array, N_ITEMS)


def _is_of_vector(sig: Any) -> bool:
    kind, index, *_ = sig.args
    return isinstance(kind, types.Array) and (kind.ndim, kind.layout) == (1, "C") and isinstance(index, types.Integer)


def _place(context: Any, builder: Any, sig: Any, array: Any, index: Any) -> tuple[Any, int | None]:
    """Return where an element of a vector lies, and how it is aligned; a negative index counts from the end."""
    kind, index_kind, *_ = sig.args
    index = context.cast(builder, index, index_kind, types.intp)
    if index_kind.signed and not (isinstance(index, ir.Constant) and index.constant >= 0):
        from_end = builder.add(index, field_of(builder, array, SHAPE, 0))
        index = builder.select(builder.icmp_signed("<", index, WORD(0)), from_end, index)
    return builder.gep(field_of(builder, array, DATA), [index]), None if kind.aligned else 1


def _get(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    place, align = _place(context, builder, sig, *args)
    return context.unpack_value(builder, sig.args[0].dtype, place, align=align)


def _set(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    array, index, value = args
    value = context.cast(builder, value, sig.args[2], sig.args[0].dtype)
    place, align = _place(context, builder, sig, array, index)
    context.pack_value(builder, sig.args[0].dtype, value, place, align=align)


def _is_of_whole_numbers(sig: Any) -> bool:
    return sig.return_type == types.int64 and sig.args == (types.int64, types.int64)


def _quotient(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """⌊a / b⌋, where b is known to be greater than 0; else as Numba has it."""
    a, b = args
    if not _is_positive(b):
        return _by_numba(operator.floordiv, context, builder, sig, args)
    negative = builder.icmp_signed("<", builder.srem(a, b), WORD(0))
    return builder.sub(builder.sdiv(a, b), builder.zext(negative, WORD))


def _remainder(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """a − b ⌊a / b⌋, likewise."""
    a, b = args
    if not _is_positive(b):
        return _by_numba(operator.mod, context, builder, sig, args)
    rest = builder.srem(a, b)
    return builder.select(builder.icmp_signed("<", rest, WORD(0)), builder.add(rest, b), rest)


def _by_numba(operation: Any, context: Any, builder: Any, sig: Any, args: Any) -> Any:
    function = context.typing_context.resolve_value_type(operation)
    return super(type(context), context).get_function(function, sig)(builder, args)


def _is_positive(value: Any) -> bool:
    return isinstance(value, ir.Constant) and isinstance(value.constant, int) and value.constant > 0


def _is_range(sig: Any) -> bool:
    return sig.return_type == types.range_state64_type and all(kind == types.int64 for kind in sig.args)


def _range(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    start, stop, step = (WORD(0), *args, WORD(1)) if len(args) == 1 else (*args, WORD(1))[:3]
    return tuple_of(builder, context.get_value_type(sig.return_type), start, stop, step)


def _is_of_range(sig: Any) -> bool:
    return sig.args in ((types.range_state64_type,), (types.range_iter64_type,))


def _begin(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """The first number of a range, and how many there are: ⌈(stop − start) / step⌉; where there are none, ≤ 0."""
    start, stop, step = (field_of(builder, args[0], place) for place in range(3))
    if _is_positive(step):
        size, distance = step, builder.sub(stop, start)
    else:
        forward = builder.icmp_signed(">", step, WORD(0))
        size = builder.select(forward, step, builder.neg(step))
        distance = builder.select(forward, builder.sub(stop, start), builder.sub(start, stop))
    count = builder.sdiv(builder.add(distance, builder.sub(size, WORD(1))), size)
    number_at, count_at = cgutils.alloca_once_value(builder, start), cgutils.alloca_once_value(builder, count)
    return tuple_of(builder, context.get_value_type(sig.return_type), number_at, stop, step, count_at)


def _next(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """The number, and whether there is one; the next comes after it."""
    number_at, step, count_at = (field_of(builder, args[0], place) for place in (0, 2, 3))
    number, count = builder.load(number_at), builder.load(count_at)
    there_is = builder.icmp_signed(">", count, WORD(0))
    with builder.if_then(there_is):  # always, LLVM would not make vectors of some loops
        builder.store(builder.add(number, step), number_at)
        builder.store(builder.sub(count, WORD(1), flags=["nsw"]), count_at)
    return tuple_of(builder, context.get_value_type(sig.return_type), number, there_is)


# What Numba calls an operation: whether it is one of these for arguments of such types, and how it is written.
OPERATIONS: dict[Any, tuple[Any, Any]] = {
    operator.getitem: (_is_of_vector, _get),
    operator.setitem: (_is_of_vector, _set),
    operator.floordiv: (_is_of_whole_numbers, _quotient),
    operator.mod: (_is_of_whole_numbers, _remainder),
    range: (_is_range, _range),
    "getiter": (_is_of_range, _begin),
    "iternext": (_is_of_range, _next),
}

"""How our own loops, vectors and quotients are written for LLVM: the most frequent operations, in few instructions.

Numba's are general: a step of 0, a divisor of 0, an array of any layout. LLVM would find out that ours are simple, and
takes a fifth of the time of compiling for it.
"""

import operator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.base import _wrap_impl

from fastbp.compiler.arrays import DATA, N_ITEMS, SHAPE, WORD, field_of, new_view, tuple_of
from fastbp.compiler.contexts import with_methods


def in_few_instructions(context: Any) -> Any:
    """Return a copy of Numba's context that compiles these operations so. No step of a range may be 0."""
    return with_methods(context, _few_instructions)


def _few_instructions(base: Any) -> Any:
    class FewInstructions(base):  # type: ignore[misc]
        def get_function(self, fn: Any, sig: Any, _firstcall: bool = True) -> Any:
            found = OPERATIONS.get(fn if isinstance(fn, str) else getattr(fn, "typing_key", None))
            if found is None or (self.enable_boundscheck and found[1] in (_get, _set)) or not found[0](sig):
                return super().get_function(fn, sig, _firstcall)
            return _wrap_impl(found[1], self, sig)

        def get_getattr(self, typ: Any, attr: str) -> Any:
            found = OF_ARRAYS.get(attr) if isinstance(typ, types.Array) else None
            return found or super().get_getattr(typ, attr)

        def pair_first(self, builder: Any, val: Any, ty: Any) -> Any:
            return field_of(builder, val, 0)

        def pair_second(self, builder: Any, val: Any, ty: Any) -> Any:
            return field_of(builder, val, 1)

        def get_constant_generic(self, builder: Any, ty: Any, val: Any) -> Any:
            is_function = isinstance(ty, types.Dispatcher)  # which is called by its name
            return self.get_dummy_value() if is_function else super().get_constant_generic(builder, ty, val)

    return FewInstructions


def _size(context: Any, builder: Any, kind: Any, array: Any, name: str) -> Any:
    return field_of(builder, array, N_ITEMS)


def _shape(context: Any, builder: Any, kind: Any, array: Any, name: str) -> Any:
    return field_of(builder, array, SHAPE)


def _itemsize(context: Any, builder: Any, kind: Any, array: Any, name: str) -> Any:
    return WORD(context.get_abi_sizeof(context.get_data_type(kind.dtype)))


OF_ARRAYS = {"size": _size, "shape": _shape, "itemsize": _itemsize}


def _is_of_numbers(sig: Any) -> bool:
    """Whether an operation is on a number of a vector, on a row of a matrix in rows, or on a number of it."""
    kind, index, *_ = sig.args
    if not isinstance(kind, types.Array) or kind.layout != "C" or kind.ndim > 2:
        return False
    indices = index.types if isinstance(index, types.BaseTuple) else [index]
    return len(indices) <= kind.ndim and all(isinstance(i, types.Integer) for i in indices)


def _place(context: Any, builder: Any, sig: Any, array: Any, index: Any) -> Any:
    """Return where a number or a row of an array lies; a negative index counts from the end."""
    kind, index_kind, *_ = sig.args
    if isinstance(index_kind, types.BaseTuple):
        of_tuple = [(number, field_of(builder, index, d)) for d, number in enumerate(index_kind.types)]
    else:
        of_tuple = [(index_kind, index)]
    places = [_index(context, builder, number, value, array, d) for d, (number, value) in enumerate(of_tuple)]
    place = places[0]
    if kind.ndim == 2:
        place = builder.mul(place, field_of(builder, array, SHAPE, 1))
    if len(places) == 2:
        place = builder.add(place, places[1])
    return builder.gep(field_of(builder, array, DATA), [place])


def _index(context: Any, builder: Any, kind: Any, index: Any, array: Any, d: int) -> Any:
    index = context.cast(builder, index, kind, types.intp)
    if kind.signed and not (isinstance(index, ir.Constant) and index.constant >= 0):
        from_end = builder.add(index, field_of(builder, array, SHAPE, d))
        index = builder.select(builder.icmp_signed("<", index, WORD(0)), from_end, index)
    return index


def _get(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    kind, place = sig.args[0], _place(context, builder, sig, *args)
    if isinstance(sig.return_type, types.Array):
        return new_view(context, builder, sig.return_type, place, [field_of(builder, args[0], SHAPE, 1)])
    return context.unpack_value(builder, kind.dtype, place, align=None if kind.aligned else 1)


def _set(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    kind, _, value_kind = sig.args
    value = context.cast(builder, args[2], value_kind, kind.dtype)
    place = _place(context, builder, sig, *args[:2])
    context.pack_value(builder, kind.dtype, value, place, align=None if kind.aligned else 1)


def _is_of_one_number(sig: Any) -> bool:
    return _is_of_numbers(sig) and sig.args[0].ndim == getattr(sig.args[1], "count", 1)


def _is_of_whole_numbers(sig: Any) -> bool:
    return sig.return_type == types.int64 and sig.args == (types.int64, types.int64)


def _product(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """a b, here if both are known."""
    a, b = args
    known = isinstance(a, ir.Constant) and isinstance(b, ir.Constant)
    return WORD(a.constant * b.constant) if known else _by_numba(operator.mul, context, builder, sig, args)


def _quotient(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """⌊a / b⌋, and 0 where b is 0."""
    a, b = args
    if _is_positive(b):
        negative = builder.icmp_signed("<", builder.srem(a, b), WORD(0))
        return builder.sub(builder.sdiv(a, b), builder.zext(negative, WORD))
    divisor, none, rounded = _division(builder, a, b)
    quotient = builder.sub(builder.sdiv(a, divisor), builder.zext(rounded, WORD))
    return builder.select(none, WORD(0), quotient)


def _remainder(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """a − b ⌊a / b⌋, and 0 where b is 0."""
    a, b = args
    if _is_positive(b):
        rest = builder.srem(a, b)
        return builder.select(builder.icmp_signed("<", rest, WORD(0)), builder.add(rest, b), rest)
    divisor, none, rounded = _division(builder, a, b)
    rest = builder.srem(a, divisor)
    return builder.select(none, WORD(0), builder.select(rounded, builder.add(rest, divisor), rest))


def _division(builder: Any, a: Any, b: Any) -> tuple[Any, Any, Any]:
    """Return a divisor that is not 0, whether b is 0, and whether a / b rounds to 0 what ⌊ ⌋ takes to −1."""
    none = builder.icmp_signed("==", b, WORD(0))
    divisor = builder.select(none, WORD(1), b)
    rest = builder.srem(a, divisor)
    differs = builder.icmp_signed("<", builder.xor(rest, divisor), WORD(0))
    return divisor, none, builder.and_(differs, builder.icmp_signed("!=", rest, WORD(0)))


def _by_numba(operation: Any, context: Any, builder: Any, sig: Any, args: Any) -> Any:
    function = context.typing_context.resolve_value_type(operation)
    return super(type(context), context).get_function(function, sig)(builder, args)


def _is_positive(value: Any) -> bool:
    return isinstance(value, ir.Constant) and isinstance(value.constant, int) and value.constant > 0


def _smaller(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.select(builder.icmp_signed("<", *args), *args)


def _greater(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.select(builder.icmp_signed(">", *args), *args)


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
    count = distance
    if not (_is_positive(step) and step.constant == 1):
        count = builder.sdiv(builder.add(distance, builder.sub(size, WORD(1))), size)
    return tuple_of(
        builder, context.get_value_type(sig.return_type), _kept(builder, start), None, step, _kept(builder, count)
    )


def _kept(builder: Any, number: Any) -> Any:
    """Return a place in memory that has this number."""
    with builder.goto_entry_block():
        place = builder.alloca(WORD)
    builder.store(number, place)
    return place


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
    operator.getitem: (_is_of_numbers, _get),
    operator.setitem: (_is_of_one_number, _set),
    operator.mul: (_is_of_whole_numbers, _product),
    operator.floordiv: (_is_of_whole_numbers, _quotient),
    operator.mod: (_is_of_whole_numbers, _remainder),
    min: (_is_of_whole_numbers, _smaller),
    max: (_is_of_whole_numbers, _greater),
    range: (_is_range, _range),
    "getiter": (_is_of_range, _begin),
    "iternext": (_is_of_range, _next),
}

"""What a Numba array is to LLVM: a tuple of fields, put together and taken apart in few instructions.

Numba itself puts it in memory to read or write one of them, and leaves it to LLVM to undo that: three times as much to
compile, to the same machine code.
"""

from collections.abc import Sequence
from typing import Any

from llvmlite import ir

N_ITEMS, ITEMSIZE, DATA, SHAPE, STRIDES = 2, 3, 4, 5, 6  # behind those of whoever owns the memory
WORD = ir.IntType(64)


def field_of(builder: Any, value: Any, *place: int) -> Any:
    """Return what is at a place of a tuple: what has just been put there, or the instruction that takes it out."""
    made = value
    while isinstance(made, ir.instructions.InsertValue):
        at = tuple(made.indices)
        if at == place:
            return made.value
        if at == place[: len(at)] or place == at[: len(place)]:
            break
        made = made.aggregate
    return builder.extract_value(value, place)


def tuple_of(builder: Any, kind: Any, *values: Any) -> Any:
    """Return a tuple of this LLVM type, with these values in its fields; None leaves 0."""
    made = ir.Constant(kind, None)
    for place, value in enumerate(values):
        for d, number in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if number is not None:
                made = builder.insert_value(made, number, [place] if d is None else [place, d])
    return made


def new_view(context: Any, builder: Any, kind: Any, data: Any, shape: Sequence[Any]) -> Any:
    """Return a C-contiguous array of Numba's type `kind` that owns no memory."""
    itemsize = WORD(context.get_abi_sizeof(context.get_data_type(kind.dtype)))
    n_items, strides = shape[0], [itemsize]
    for n in reversed(shape[1:]):
        strides.insert(0, builder.mul(strides[0], n))
    for n in shape[1:]:
        n_items = builder.mul(n_items, n)
    return tuple_of(builder, context.get_value_type(kind), None, None, n_items, itemsize, data, list(shape), strides)

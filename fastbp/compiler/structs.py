"""Structs: arrays and numbers under names, which compiled code gets as one pointer.

Numba takes a named tuple apart, into some seven numbers for each array, at every call from Python and at every call
between compiled functions: that is most of what it then compiles. A `Struct` keeps its arrays alive and has a table of
where they lie; compiled code looks up there what it reads: ``work.theta`` is a view, for two loads.
"""

import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Any, Self, dataclass_transform

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core.datamodel import models
from numba.core.extending import NativeValue, register_model, unbox
from numba.core.imputils import lower_getattr_generic
from numba.core.typing.templates import AttributeTemplate, infer_getattr

WORD = ir.IntType(64)


@dataclass_transform()
class Struct:
    """Base of a class whose annotations are its fields: contiguous arrays, whole and floating-point numbers."""

    def __init__(self, *values: Any, **named: Any):
        names = fields_of(type(self))
        given = {name: getattr(type(self), name) for name in names if hasattr(type(self), name)}
        given.update(zip(names, values, strict=False), **named)
        if set(given) != set(names):
            raise TypeError(f"{type(self).__name__} has the fields {', '.join(names)}, not {', '.join(given)}")
        self.__dict__.update((name, given[name]) for name in names)
        if not numba.config.DISABLE_JIT:
            self._numba_type_ = _type_of(type(self), tuple(_kind_of(given[name]) for name in names))
            self._words = np.array([word for name in names for word in _words(given[name])], np.int64)
            self._address = self._words.ctypes.data

    def _replace(self, **named: Any) -> Self:
        """Return a copy with other values in some fields."""
        return type(self)(**{**{name: getattr(self, name) for name in fields_of(type(self))}, **named})


def fields_of(kind: type) -> list[str]:
    """Return the names of a struct's fields in order."""
    return list(kind.__annotations__)


def _words(value: Any) -> list[int]:
    """Return what stands for a field in memory: an array's address and shape; a number."""
    if isinstance(value, np.ndarray):
        return [value.ctypes.data, *value.shape]
    return [int(np.float64(value).view(np.int64)) if isinstance(value, float) else int(value)]


def _kind_of(value: Any) -> Any:
    return (value.dtype, value.ndim) if isinstance(value, np.ndarray) else type(value)


@cache
def _type_of(struct: type, kinds: tuple[Any, ...]) -> "StructType":
    arrays = [isinstance(kind, tuple) for kind in kinds]
    examples = [np.empty((0,) * kind[1], kind[0]) if a else kind(0) for kind, a in zip(kinds, arrays, strict=True)]
    return StructType(struct, [numba.typeof(example) for example in examples])


class StructType(types.Type):
    """Numba's type of a struct: the types of its fields, and at which word each begins."""

    def __init__(self, kind: type, of_fields: Sequence[types.Type]):
        self.fields: dict[str, tuple[types.Type, int]] = {}
        at = 0
        for name, given in zip(fields_of(kind), of_fields, strict=True):
            field = given.copy(layout="C", readonly=False) if isinstance(given, types.Array) else given
            self.fields[name] = field, at
            at += 1 + (field.ndim if isinstance(field, types.Array) else 0)
        digest = hashlib.sha256(repr([(name, str(t)) for name, (t, _) in self.fields.items()]).encode()).hexdigest()
        super().__init__(name=f"{kind.__name__}.{digest[:8]}")


@register_model(StructType)
class _StructModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any):
        super().__init__(manager, kind, WORD.as_pointer())


@unbox(StructType)
def _unbox(kind: Any, struct: Any, c: Any) -> NativeValue:
    address = c.pyapi.object_getattr_string(struct, "_address")
    pointer = c.builder.bitcast(c.pyapi.long_as_voidptr(address), WORD.as_pointer())
    c.pyapi.decref(address)
    return NativeValue(pointer)


@infer_getattr
class _Fields(AttributeTemplate):
    key = StructType

    def generic_resolve(self, struct: StructType, name: str) -> types.Type | None:
        return struct.fields[name][0] if name in struct.fields else None


@lower_getattr_generic(StructType)
def _field(context: Any, builder: Any, struct: StructType, pointer: Any, name: str) -> Any:
    from numba.np.arrayobj import populate_array  # costs as much as the whole of fastbp to import

    kind, at = struct.fields[name]
    word = builder.load(builder.gep(pointer, [WORD(at)]))
    if isinstance(kind, types.Boolean):
        return builder.icmp_unsigned("!=", word, WORD(0))
    if isinstance(kind, types.Float):
        return builder.bitcast(word, ir.DoubleType())
    if not isinstance(kind, types.Array):
        return word
    itemsize = context.get_abi_sizeof(context.get_data_type(kind.dtype))
    shape = [builder.load(builder.gep(pointer, [WORD(at + 1 + d)])) for d in range(kind.ndim)]
    strides = [WORD(itemsize)]
    for n in reversed(shape[1:]):
        strides.insert(0, builder.mul(strides[0], n))
    view = context.make_array(kind)(context, builder)
    data = builder.inttoptr(word, context.get_data_type(kind.dtype).as_pointer())
    populate_array(view, data=data, shape=shape, strides=strides, itemsize=WORD(itemsize), meminfo=None)
    return view._getvalue()

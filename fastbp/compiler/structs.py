"""Structs: arrays and numbers under names, which compiled code gets as one pointer.

Numba takes a named tuple apart, into some seven numbers for each array, at every call from Python and at every call
between compiled functions: that is most of what it then compiles. A `Struct` keeps its arrays alive and has a table of
where these objects lie; compiled code looks up there what it reads: ``work.theta`` is a view, for a few loads.
"""

import hashlib
import sys
from array import array
from collections.abc import Sequence
from functools import cache
from struct import pack
from typing import Any, ClassVar, Self, dataclass_transform

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core.datamodel import models
from numba.core.extending import NativeValue, register_model, unbox
from numba.core.imputils import lower_getattr_generic
from numba.core.typing.templates import AttributeTemplate, infer_getattr

from fastbp.compiler.arrays import WORD, new_view

DATA, DIMENSIONS = 2, 4  # words of NumPy's PyArrayObject, behind the two that every Python object begins with


@dataclass_transform()
class Struct:
    """Base of a class whose annotations are its fields: contiguous arrays, whole and floating-point numbers."""

    _names: ClassVar[tuple[str, ...]] = ()
    _places: ClassVar[dict[str, int]] = {}
    _defaults: ClassVar[dict[str, Any]] = {}
    _last: ClassVar[tuple[Any, Any]] = None, None

    def __init_subclass__(cls) -> None:
        cls._names = tuple(cls.__annotations__)
        cls._places = {name: place for place, name in enumerate(cls._names)}
        cls._defaults = {name: getattr(cls, name) for name in cls._names if hasattr(cls, name)}

    def __init__(self, *values: Any, **named: Any):
        if len(values) == len(self._names) and not named:
            self.__dict__.update(zip(self._names, values, strict=True))
            self._lay_out()
            return
        given = dict(zip(self._names, values, strict=False))
        twice, given = given.keys() & named.keys(), self._defaults | given | named
        if twice or len(values) > len(self._names) or given.keys() != self.__annotations__.keys():
            said = f"{len(values)} values and {', '.join(named) or 'no names'}"
            raise TypeError(f"{type(self).__name__} has the fields {', '.join(self._names)}; it was given {said}")
        self.__dict__.update(given)
        self._lay_out()

    def _replace(self, **named: Any) -> Self:
        """Return a copy with other values in some fields."""
        if not named.keys() <= self.__annotations__.keys():
            raise TypeError(f"{type(self).__name__} has the fields {', '.join(self._names)}, not {', '.join(named)}")
        copy = object.__new__(type(self))
        fields = copy.__dict__
        fields.update(self.__dict__)
        if "_words" in fields and all(_same_kind(fields[name], value) for name, value in named.items()):
            fields["_words"] = self._words[:]
            fields["_address"] = fields["_words"].buffer_info()[0]
            copy._put(**named)
        else:
            fields.update(named)
            copy._lay_out()
        return copy

    def _put(self, **arrays: np.ndarray[Any, Any]) -> None:
        """Put arrays of the same types into some fields, unchecked: quicker than `_replace`."""
        fields, places = self.__dict__, self._places
        words = fields.get("_words")
        for name in arrays:
            fields[name] = value = arrays[name]
            if words is not None:
                words[places[name]] = id(value)

    @property
    def nbytes(self) -> int:
        """How much memory its arrays hold."""
        return sum(value.nbytes for value in map(self.__dict__.get, self._names) if isinstance(value, np.ndarray))

    def _lay_out(self) -> None:
        """Write the table that compiled code reads: the addresses of arrays, as Python objects, and numbers."""
        if numba.config.DISABLE_JIT:
            return
        fields, kinds, words = self.__dict__, [], []
        for name in self._names:
            value = fields[name]
            if isinstance(value, np.ndarray):
                if not value.flags.c_contiguous:
                    raise ValueError(f"{name} is not contiguous: give np.ascontiguousarray of it")
                kinds.append((value.dtype, value.ndim))
                words.append(id(value))
            else:
                kinds.append(float if isinstance(value, np.floating) else type(value))
                words.append(_bits(value) if isinstance(value, float | np.floating) else int(value))
        fields["_words"] = array("q", words)
        fields["_address"] = fields["_words"].buffer_info()[0]
        last_kinds, last_type = type(self)._last  # that of most others, and quicker to find than by hashing
        if kinds != last_kinds:
            last_type = _type_of(type(self), tuple(kinds))
            type(self)._last = kinds, last_type
        fields["_numba_type_"] = last_type


def _same_kind(one: Any, other: Any) -> bool:
    """Whether both are arrays of the same type, and the other is contiguous."""
    if not (isinstance(one, np.ndarray) and isinstance(other, np.ndarray)):
        return False
    return one.dtype == other.dtype and one.ndim == other.ndim and other.flags.c_contiguous


def _bits(number: float) -> int:
    return int.from_bytes(pack("d", number), sys.byteorder, signed=True)


@cache
def _type_of(struct: type[Struct], kinds: tuple[Any, ...]) -> "StructType":
    arrays = [isinstance(kind, tuple) for kind in kinds]
    examples = [np.empty((0,) * kind[1], kind[0]) if a else kind(0) for kind, a in zip(kinds, arrays, strict=True)]
    return StructType(struct, [numba.typeof(example) for example in examples])


class StructType(types.Type):
    """Numba's type of a struct: the types of its fields, and at which word each begins."""

    def __init__(self, kind: type[Struct], of_fields: Sequence[types.Type]):
        self.fields: dict[str, tuple[types.Type, int]] = {}
        for place, (name, given) in enumerate(zip(kind._names, of_fields, strict=True)):
            field = given.copy(layout="C", readonly=False) if isinstance(given, types.Array) else given
            self.fields[name] = field, place
        digest = hashlib.sha256(repr([(name, str(t)) for name, (t, _) in self.fields.items()]).encode()).hexdigest()
        super().__init__(name=f"{kind.__name__}.{digest[:8]}")


@register_model(StructType)
class _StructModel(models.PrimitiveModel):
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

    def generic_resolve(self, value: Any, attr: str) -> Any:  # type: ignore[override]
        return value.fields[attr][0] if attr in value.fields else None


@lower_getattr_generic(StructType)
def _field(context: Any, builder: Any, struct: StructType, pointer: Any, name: str) -> Any:
    kind, at = struct.fields[name]
    word = builder.load(builder.gep(pointer, [WORD(at)]))
    if isinstance(kind, types.Boolean):
        return builder.icmp_unsigned("!=", word, WORD(0))
    if isinstance(kind, types.Float):
        return builder.bitcast(word, ir.DoubleType())
    if not isinstance(kind, types.Array):
        return word
    array = builder.inttoptr(word, WORD.as_pointer())
    address, dimensions = (builder.load(builder.gep(array, [WORD(place)])) for place in (DATA, DIMENSIONS))
    lengths = builder.inttoptr(dimensions, WORD.as_pointer())
    shape = [builder.load(builder.gep(lengths, [WORD(d)])) for d in range(kind.ndim)]
    data = builder.inttoptr(address, context.get_data_type(kind.dtype).as_pointer())
    return new_view(context, builder, kind, data, shape)

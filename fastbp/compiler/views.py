"""Views of a stretch of a flat vector that cost nothing: no copy, no reference counting, no allocation.

Slicing and reshaping in compiled code counts references atomically and asks a C function whether a copy is needed,
for some 50 ns each time. Kernels make such views per layer and sample, and know the answer.
"""

from typing import Any

from numba import carray, types
from numba.extending import lower_builtin, type_callable

from fastbp.compiler.arrays import DATA, field_of, new_view


def matrix(vector: Any, start: int, n_rows: int, n_columns: int) -> Any:
    """Return vector[start : start + n_rows n_columns] as a matrix. It must not outlive `vector`."""
    return vector[start : start + n_rows * n_columns].reshape((n_rows, n_columns))


def stretch(vector: Any, start: int, n: int) -> Any:
    """Return numbers start … start + n − 1 of a contiguous array. It must not outlive `vector`."""
    return vector.reshape(-1)[start : start + n]


def at_address(pointer: Any, n: int) -> Any:
    """Return the n numbers at a C pointer, as a vector. It must not outlive them."""
    return carray(pointer, n)


def borrow(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """Write the instructions for a view: of args[0], from args[1] on, of the shape args[2:]."""
    start_type, *shape_types = sig.args[1:]
    source, start, *shape = args
    index = context.cast(builder, start, start_type, types.intp)
    shape = [context.cast(builder, n, kind, types.intp) for n, kind in zip(shape, shape_types, strict=True)]
    return new_view(context, builder, sig.return_type, builder.gep(field_of(builder, source, DATA), [index]), shape)


# Not @overload: that compiles a function, which may not return an array where it does not count references.


@type_callable(matrix)
def _type_of_matrix(context: Any) -> Any:
    return lambda vector, start, n_rows, n_columns: vector.copy(ndim=2)


@type_callable(stretch)
def _type_of_stretch(context: Any) -> Any:
    return lambda vector, start, n: vector.copy(ndim=1)


@type_callable(at_address)
def _type_at_address(context: Any) -> Any:
    return lambda pointer, n: types.Array(pointer.dtype, 1, "C")


@lower_builtin(at_address, types.CPointer, types.Integer)
def _code_at_address(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return new_view(context, builder, sig.return_type, args[0], [args[1]])


lower_builtin(matrix, types.Array, types.Integer, types.Integer, types.Integer)(borrow)
lower_builtin(stretch, types.Array, types.Integer, types.Integer)(borrow)

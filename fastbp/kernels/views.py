"""Views of a stretch of a flat vector that cost nothing: no copy, no reference counting, no allocation.

Slicing and reshaping in compiled code counts references atomically and asks a C function whether a copy is needed,
for some 50 ns each time. Kernels make such views per layer and sample, and know the answer.
"""

from typing import Any

from numba import types
from numba.extending import intrinsic, overload


def matrix(vector: Any, start: int, n_rows: int, n_columns: int) -> Any:
    """Return vector[start : start + n_rows n_columns] as a matrix. It must not outlive `vector`."""
    return vector[start : start + n_rows * n_columns].reshape((n_rows, n_columns))


def stretch(vector: Any, start: int, n: int) -> Any:
    """Return vector[start : start + n]. It must not outlive `vector`."""
    return vector[start : start + n]


def _borrow(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    from numba.np.arrayobj import populate_array  # costs as much as the whole of fastbp to import

    source_type, start_type, *shape_types = sig.args
    source, start, *shape = args
    index = context.cast(builder, start, start_type, types.intp)
    shape = [context.cast(builder, n, kind, types.intp) for n, kind in zip(shape, shape_types, strict=True)]
    itemsize = context.get_constant(types.intp, source_type.dtype.bitwidth // 8)
    strides = [itemsize]
    for n in reversed(shape[1:]):
        strides.insert(0, builder.mul(strides[0], n))
    data = builder.gep(context.make_array(source_type)(context, builder, source).data, [index])
    view = context.make_array(sig.return_type)(context, builder)
    populate_array(view, data=data, shape=shape, strides=strides, itemsize=itemsize, meminfo=None)
    return view._getvalue()


@intrinsic
def _matrix(typingctx: Any, vector: Any, start: Any, n_rows: Any, n_columns: Any) -> Any:
    return vector.copy(ndim=2)(vector, start, n_rows, n_columns), _borrow


@intrinsic
def _stretch(typingctx: Any, vector: Any, start: Any, n: Any) -> Any:
    return vector(vector, start, n), _borrow


@overload(matrix)
def _matrix_overload(vector, start, n_rows, n_columns):
    return lambda vector, start, n_rows, n_columns: _matrix(vector, start, n_rows, n_columns)


@overload(stretch)
def _stretch_overload(vector, start, n):
    return lambda vector, start, n: _stretch(vector, start, n)

"""Tile: a small block of a matrix held in vector registers, for explicit index loops under @njit.

A Tile has `rows` rows of `vecs` registers, so vecs * lanes(A) columns. Its operations are ordinary Python functions;
their bodies say what they mean in NumPy (and run so under NUMBA_DISABLE_JIT=1); inside @njit each becomes a few vector
instructions. A tile is a value: operations return a new one and change nothing but the matrix they store to.

    for j in range(0, n, VECS * lanes(Z)):              # Z (m, n) = A (m, k) W (k, n)
        for i in range(0, m, ROWS):
            tile = zeros(Z, ROWS, VECS)
            for p in range(k):
                tile = outer_add(tile, A, i, p, W, p, j)
            store(tile, Z, i, j)

Like every kernel, they trust their arguments. Rows i .. i+rows-1 must exist, and so must all columns of the tile unless
`columns` says how many do; others are neither read nor written. The rows of what a tile reads or writes as registers
must be contiguous; A in `outer_add` may have any strides. Speed wants those rows to be whole cache lines, which makes
`columns` unnecessary too, and kernels compiled without reference counting (_nrt=False): counting the arrays passed
around in the loops otherwise costs more than the sums.
"""

from functools import reduce

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.typing import signature
from numba.extending import lower_builtin, type_callable

from fastbp.compiler.arrays import DATA, field_of
from fastbp.formulations.tiles.registers import I32, I64, VECS, VECTOR_BYTES, Code, Tile, compiles


def lanes(A):
    """Return the elements of A's dtype in one register."""
    return VECTOR_BYTES // A.itemsize


@type_callable(lanes)
def _lanes_type(context):
    return lambda A: types.literal(VECTOR_BYTES * 8 // A.dtype.bitwidth) if isinstance(A, types.Array) else None


@lower_builtin(lanes, types.Array)
def _lanes_code(context, builder, sig, args):
    return I64(sig.return_type.literal_value)


def wide(A):
    """Return the elements of A's dtype in VECS registers."""
    return VECS * lanes(A)


@type_callable(wide)
def _wide_type(context):
    return lambda A: types.literal(VECS * VECTOR_BYTES * 8 // A.dtype.bitwidth) if isinstance(A, types.Array) else None


@lower_builtin(wide, types.Array)
def _wide_code(context, builder, sig, args):
    return I64(sig.return_type.literal_value)


def zeros(A, rows, vecs):
    """Return a tile of zeros of A's dtype; rows and vecs are compile-time constants."""
    return np.zeros((rows, vecs * lanes(A)), A.dtype)


@type_callable(zeros)
def _zeros_type(context):
    def typer(A, rows, vecs):
        if isinstance(rows, types.IntegerLiteral) and isinstance(vecs, types.IntegerLiteral):
            return signature(Tile(A.dtype, rows.literal_value, vecs.literal_value), A, rows, vecs)
        return None

    return typer


@lower_builtin(zeros, types.Array, types.IntegerLiteral, types.IntegerLiteral)
def _zeros_code(context, builder, sig, args):
    return ir.Constant(context.get_value_type(sig.return_type), None)


def load(tile, C, i, j, columns=None):
    """Return C[i + r, j + c], a tile of the shape of `tile`."""
    new = np.zeros_like(tile)
    new[:, :columns] = C[i : i + tile.shape[0], j : j + _width(tile, columns)]
    return new


@compiles(load, "array", "index", "index", "columns")
def _(code, kinds, tile, C, i, j, columns=None):
    (corner, strides), mask = code.corner(kinds[1], C, i, j), code.mask(columns)
    return code.combine(tile, lambda _, r: code.load(code.row_at(corner, strides[0], r), mask))


def outer_add(tile, A, i, p, B, q, j, columns=None):
    """Return tile[r, c] + A[i + r, p] * B[q, j + c]: one rank-1 term."""
    new = tile.copy()
    new[:, :columns] += np.outer(A[i : i + tile.shape[0], p], B[q, j : j + _width(tile, columns)])
    return new


@compiles(outer_add, "array", "index", "index", "array", "index", "index", "columns")
def _(code, kinds, tile, A, i, p, B, q, j, columns=None):
    row = code.load(code.row_at(code.corner(kinds[4], B, q, j)[0]), code.mask(columns))
    corner, strides = code.corner(kinds[1], A, i, p)

    def term(old, r):
        return code.multiply_add(code.splat(code.builder.load(code.element_at(corner, strides[0], r))), row, old)

    return code.combine(tile, term)


def inner_add(tile, A, i, p, B, q, j, columns=None):
    """Return tile[r, c] + A[i + r, p + c] * B[q, j + c]: terms of the inner products of rows of A with one of B."""
    new, width = tile.copy(), _width(tile, columns)
    new[:, :columns] += A[i : i + tile.shape[0], p : p + width] * B[q, j : j + width]
    return new


@compiles(inner_add, "array", "index", "index", "array", "index", "index", "columns")
def _(code, kinds, tile, A, i, p, B, q, j, columns=None):
    mask = code.mask(columns)
    row = code.load(code.row_at(code.corner(kinds[4], B, q, j)[0]), mask)
    corner, strides = code.corner(kinds[1], A, i, p)
    return code.combine(
        tile, lambda old, r: code.multiply_add(code.load(code.row_at(corner, strides[0], r), mask), row, old)
    )


def add(tile, other):
    """Return tile[r, c] + other[r, c]."""
    return tile + other


@compiles(add, "tile")
def _(code, kinds, tile, other):
    others = code.rows(other)
    # As written: fastmath would let LLVM add several tiles in any order.
    return code.combine(
        tile, lambda old, r: code.call("arithmetic.fence", code.tile.row, [code.builder.fadd(old, others[r])])
    )


def add_row(tile, b, j, columns=None):
    """Return tile[r, c] + b[j + c]: the biases, added to every row."""
    new = tile.copy()
    new[:, :columns] += b[j : j + _width(tile, columns)]
    return new


@compiles(add_row, "array", "index", "columns")
def _(code, kinds, tile, b, j, columns=None):
    row = code.load(code.row_at(code.corner(kinds[1], b, j)[0]), code.mask(columns))
    return code.combine(tile, lambda old, r: code.builder.fadd(old, row))


def store(tile, C, i, j, columns=None):
    """Store C[i + r, j + c] = tile[r, c]."""
    C[i : i + tile.shape[0], j : j + _width(tile, columns)] = tile[:, :columns]


@compiles(store, "array", "index", "index", "columns", returns_tile=False)
def _(code, kinds, tile, C, i, j, columns=None):
    (corner, strides), mask = code.corner(kinds[1], C, i, j), code.mask(columns)
    for r, row in enumerate(code.rows(tile)):
        code.store(row, code.row_at(corner, strides[0], r), mask)


def add_to(tile, alpha, C, i, j, columns=None):
    """Add C[i + r, j + c] += alpha * tile[r, c]; with a gradient in the tile and alpha < 0, gradient descent."""
    C[i : i + tile.shape[0], j : j + _width(tile, columns)] += C.dtype.type(alpha) * tile[:, :columns]


@compiles(add_to, "scalar", "array", "index", "index", "columns", returns_tile=False)
def _(code, kinds, tile, alpha, C, i, j, columns=None):
    (corner, strides), mask, alpha = code.corner(kinds[2], C, i, j), code.mask(columns), code.splat(alpha)
    for r, row in enumerate(code.rows(tile)):
        pointer = code.row_at(corner, strides[0], r)
        code.store(code.multiply_add(alpha, row, code.load(pointer, mask)), pointer, mask)


def store_transposed(tile, C, i, j):
    """Store C[i + c, j + r] = tile[r, c], for a tile of 2, 4 .. `lanes` rows of one register."""
    C[i : i + tile.shape[1], j : j + tile.shape[0]] = tile.T


@compiles(store_transposed, "array", "index", "index", returns_tile=False)
def _(code, kinds, tile, C, i, j):
    corner, strides = code.corner(kinds[1], C, i, j)
    rows, per_register = code.tile.rows, code.tile.lanes // code.tile.rows
    for n, columns in enumerate(code.transpose(code.rows(tile))):
        for part in range(per_register):
            code.store_part(columns, part * rows, rows, code.row_at(corner, strides[0], n * per_register + part))


def add_to_column(tile, alpha, C, i, j, columns=None):
    """Add C[i + c, j] += alpha * tile[0, c], for a tile of one row."""
    width = _width(tile, columns)
    C[i : i + width, j] += C.dtype.type(alpha) * tile[0, :width]


@compiles(add_to_column, "scalar", "array", "index", "index", "columns", returns_tile=False)
def _(code, kinds, tile, alpha, C, i, j, columns=None):
    (corner, strides), (row,) = code.corner(kinds[2], C, i, j), code.rows(tile)
    terms = code.builder.fmul(code.splat(alpha), row)  # not one by one, which may become part of the additions
    for c in range(code.tile.columns):
        with code.if_column(columns, c):
            pointer = code.element_at(corner, strides[0], c)
            number = code.builder.extract_element(terms, I32(c))
            code.builder.store(code.builder.fadd(code.builder.load(pointer), number), pointer)


def store_row_sums(tile, C, i, j):
    """Store C[i, j + r] = sum over c of tile[r, c], for a tile of 2, 4 .. rows."""
    C[i, j : j + tile.shape[0]] = tile.sum(axis=1)


@compiles(store_row_sums, "array", "index", "index", returns_tile=False)
def _(code, kinds, tile, C, i, j):
    rows, lanes = code.tile.rows, code.tile.lanes

    def sum_of_registers(row):
        starts = range(0, code.tile.columns, lanes)
        return reduce(code.builder.fadd, [code.shuffle(row, row, list(range(v, v + lanes))) for v in starts])

    row_sums, corner = [sum_of_registers(row) for row in code.rows(tile)], code.corner(kinds[1], C, i, j)[0]
    for first in range(0, rows, lanes):
        some = row_sums[first : first + lanes]
        count, some = len(some), some * (lanes // len(some))  # fewer rows than lanes: each of them more than once
        while len(some) > 1:  # transposing and adding at once: each round pairs row r with row r + half
            half = len(some) // 2
            some = [code.builder.fadd(*code.interleave(*pair)) for pair in zip(some[:half], some[half:], strict=True)]
        code.store_part(some[0], 0, count, code.element_at(corner, I64(code.tile.itemsize), first))


def nonzero(tile):
    """Return which columns are not 0 in any row, as the bits of a whole number."""
    return sum(1 << c for c, column in enumerate(tile.T) if (column != 0).any())


@type_callable(nonzero)
def _nonzero_type(context):
    return lambda tile: signature(types.intp, tile) if isinstance(tile, Tile) else None


@lower_builtin(nonzero, Tile)
def _nonzero_code(context, builder, sig, args):
    code, bits = Code(context, builder, sig.args[0]), I64(0)
    for row in code.rows(args[0]):
        differs = builder.fcmp_unordered("!=", row, ir.Constant(code.tile.row, None))
        bits = builder.or_(bits, builder.zext(builder.bitcast(differs, ir.IntType(code.tile.columns)), I64))
    return bits


def prefetch(A, i, j):
    """Ask for the cache line of A[i, j], which need not exist, to be brought near. Changes nothing."""


def prefetch_at(addresses, i, offset):
    """The same for the cache line `offset` bytes behind addresses[i]."""


def prefetch_to_write_at(addresses, i, offset):
    """As `prefetch_at`, and take the line from all other cores: to write to what they have read would wait for that."""


def claim_at(addresses, i, offset):
    """Write the number `offset` bytes behind addresses[i] back as it is, so that no other core has its cache line.

    On Zen 4 a prefetch to write leaves a line that is here already with the other cores that have it. Only a thread
    that alone may write there may call this.
    """


def _asks_for(operation, *, at_address=True, to_write=False, writes=False):
    """Register the compiled meaning of one of the above."""

    @type_callable(operation)
    def typing(context):
        return lambda A, i, j: signature(types.void, A, types.intp, types.intp)

    @lower_builtin(operation, types.Array, types.intp, types.intp)
    def lowering(context, builder, sig, args):
        pointer, _ = Code(context, builder, None).corner(sig.args[0], *(args[:2] if at_address else args))
        if at_address:
            address = builder.load(builder.bitcast(pointer, I64.as_pointer()))
            pointer = builder.inttoptr(builder.add(address, args[2]), pointer.type)
        if writes:  # atomic: LLVM leaves out what else changes nothing
            pointer = builder.bitcast(pointer, I32.as_pointer())
            builder.store_atomic(builder.load_atomic(pointer, "monotonic", 4), pointer, "monotonic", 4)
            return context.get_dummy_value()
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, I32, I32, I32])
        function = builder.module.declare_intrinsic("llvm.prefetch", [pointer.type], kind)
        builder.call(function, [pointer, I32(int(to_write)), I32(3), I32(1)])  # into the first-level cache, data
        return context.get_dummy_value()


_asks_for(prefetch, at_address=False)
_asks_for(prefetch_at)
_asks_for(prefetch_to_write_at, to_write=True)
_asks_for(claim_at, writes=True)


def address_of(A, i):
    """Return the address of element i of A, which need not exist; 0 where nothing is compiled."""
    return 0


@type_callable(address_of)
def _address_type(context):
    return lambda A, i: signature(types.int64, A, types.intp)


@lower_builtin(address_of, types.Array, types.intp)
def _address_code(context, builder, sig, args):
    return builder.ptrtoint(builder.gep(field_of(builder, args[0], DATA), [args[1]]), I64)


def _width(tile, columns):
    return tile.shape[1] if columns is None else columns

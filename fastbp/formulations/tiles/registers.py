"""What a Tile is to Numba and LLVM: its type, and the instructions that the operations in tile.py are made of."""

import inspect
from contextlib import nullcontext

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing import signature
from numba.extending import lower_builtin, models, register_model, type_callable

from fastbp.compiler.arrays import DATA, STRIDES, field_of
from fastbp.compiler.levels import level

I32, I64 = ir.IntType(32), ir.IntType(64)


VECTOR_BYTES, REGISTERS = level().vector_bytes, level().n_registers
VECS = 2  # two registers of a row share each broadcast of a column's element
ROWS = 3 * REGISTERS // 8  # 12 x 2 of 32 registers, or 6 x 2 of 16, leave room for the row and a broadcast


class Tile(types.Type):
    """Numba's type of a tile: element type, rows, registers in a row, elements in a register.

    To LLVM a tile is a vector for each row, of all its columns, which LLVM cuts into registers.
    """

    def __init__(self, dtype, rows, vecs):
        self.dtype, self.rows, self.vecs = dtype, rows, vecs
        self.itemsize = dtype.bitwidth // 8
        self.lanes = VECTOR_BYTES // self.itemsize
        self.columns = vecs * self.lanes
        self.element = ir.FloatType() if dtype == types.float32 else ir.DoubleType()
        self.row = ir.VectorType(self.element, self.columns)
        super().__init__(name=f"Tile({dtype}, {rows}x{vecs}x{self.lanes})")


@register_model(Tile)
class _TileModel(models.PrimitiveModel):
    def __init__(self, manager, tile):
        super().__init__(manager, tile, ir.ArrayType(tile.row, tile.rows))


class Code:
    """The instructions of one operation on one tile type."""

    def __init__(self, context, builder, tile):
        self.context, self.builder, self.tile = context, builder, tile

    def call(self, name, result, arguments):
        """Call LLVM's intrinsic `name` for this tile's rows."""
        suffix = f"v{self.tile.columns}f{8 * self.tile.itemsize}"
        kind = ir.FunctionType(result, [argument.type for argument in arguments])
        function = cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.{name}.{suffix}")
        return self.builder.call(function, arguments)

    def multiply_add(self, x, y, z):
        """Return x * y + z, in one instruction where the target has it."""
        return self.call("fmuladd", self.tile.row, [x, y, z])

    def splat(self, scalar, columns=None):
        """Return a vector with `scalar` in every column."""
        columns = columns or self.tile.columns
        undefined = ir.Constant(ir.VectorType(scalar.type, columns), ir.Undefined)
        first = self.builder.insert_element(undefined, scalar, I32(0))
        return self.shuffle(first, undefined, [0] * columns)

    def shuffle(self, x, y, places):
        """Return the elements of x and y, counted through, at these places."""
        mask = ir.Constant(ir.VectorType(I32, len(places)), places)
        return self.builder.shuffle_vector(x, y, mask)

    def interleave(self, x, y):
        """Return x0 y0 x1 y1 ... as two vectors."""
        count = x.type.count
        order = [n // 2 + count * (n % 2) for n in range(2 * count)]
        return [self.shuffle(x, y, half) for half in (order[:count], order[count:])]

    def transpose(self, rows):
        """Return the block of 2, 4 .. rows in column order, after as many perfect shuffles as it takes."""
        if len(rows) == rows[0].type.count and self.tile.itemsize * len(rows) == 32:
            return self.transpose_square(rows)
        half = len(rows) // 2
        for _ in range(half.bit_length()):
            pairs = zip(rows[:half], rows[half:], strict=True)
            rows = [row for x, y in pairs for row in self.interleave(x, y)]
        return rows

    def transpose_square(self, rows):
        """The same for registers of 32 bytes, whose halves AVX2 shuffles each on its own: half as many instructions."""
        n, half = len(rows), len(rows) // 2
        quads = [self.transpose_halves(rows[:half]), self.transpose_halves(rows[half:])]
        orders = [*range(half), *range(n, n + half)], [*range(half, n), *range(n + half, 2 * n)]
        return [self.shuffle(x, y, order) for order in orders for x, y in zip(*quads, strict=True)]

    def transpose_halves(self, rows):
        """Return two blocks side by side, each as wide as there are rows, each transposed on its own."""
        n, half = len(rows), len(rows) // 2
        pairs = [number for c in range(half) for number in (c, c + 2 * n)]  # x0 y0 x1 y1 of the first block
        orders = [[[c + start + block for c in pairs] for block in (0, n)] for start in (0, half)]
        for _ in range(half.bit_length()):
            couples = zip(rows[:half], rows[half:], strict=True)
            rows = [self.shuffle(x, y, [*order[0], *order[1]]) for x, y in couples for order in orders]
        return rows

    def corner(self, array_type, array, *index):
        """Return the address of array[index], and the array's strides in bytes."""
        strides = [field_of(self.builder, array, STRIDES, d) for d in range(array_type.ndim)]
        if array_type.layout in "CF":  # a stride known to the compiler becomes part of the address
            strides[-1 if array_type.layout == "C" else 0] = I64(array_type.dtype.bitwidth // 8)
        pointer = self.builder.bitcast(field_of(self.builder, array, DATA), ir.IntType(8).as_pointer())
        for n, stride in zip(index, strides, strict=True):
            pointer = self.builder.gep(pointer, [self.builder.mul(n, stride)])
        return pointer, strides

    def at(self, pointer, stride, row, kind):
        """Return the address of what is `row` strides behind `pointer`, of type `kind`."""
        if row:
            pointer = self.builder.gep(pointer, [self.builder.mul(stride, I64(row))])
        return self.builder.bitcast(pointer, kind.as_pointer())

    def row_at(self, pointer, stride=None, row=0):
        """Return the address of a row of the block whose corner is `pointer`."""
        return self.at(pointer, stride, row, self.tile.row)

    def element_at(self, pointer, stride, row):
        """Return the address of the element `row` strides behind `pointer`."""
        return self.at(pointer, stride, row, self.tile.element)

    def mask(self, columns):
        """Return which columns to touch; None for all of them."""
        if columns is None:
            return None
        numbers = ir.Constant(ir.VectorType(I64, self.tile.columns), list(range(self.tile.columns)))
        return self.builder.icmp_signed("<", numbers, self.splat(columns))

    def if_column(self, columns, column):
        """Return a context whose instructions run if `column` is one of those to touch."""
        if columns is None:
            return nullcontext()
        return self.builder.if_then(self.builder.icmp_signed("<", I64(column), columns))

    def load(self, pointer, mask=None):
        if mask is None:
            return self.builder.load(pointer, align=self.tile.itemsize)
        zero = ir.Constant(self.tile.row, None)
        return self.call("masked.load", self.tile.row, [pointer, I32(self.tile.itemsize), mask, zero])

    def store(self, row, pointer, mask=None):
        if mask is None:
            self.builder.store(row, pointer, align=self.tile.itemsize)
        else:
            self.call("masked.store", ir.VoidType(), [row, pointer, I32(self.tile.itemsize), mask])

    def store_part(self, row, first, count, pointer):
        """Store `count` elements of a row."""
        part = self.shuffle(row, row, list(range(first, first + count)))
        self.builder.store(part, self.builder.bitcast(pointer, part.type.as_pointer()), align=self.tile.itemsize)

    def rows(self, tile):
        """Return the rows of a tile."""
        return [field_of(self.builder, tile, r) for r in range(self.tile.rows)]

    def combine(self, tile, new_row):
        """Return the tile whose row r is new_row(old, r)."""
        for r, row in enumerate(self.rows(tile)):
            tile = self.builder.insert_value(tile, new_row(row, r), r)
        return tile


def compiles(operation, *kinds, returns_tile=True):
    """Register a code generator `(code, types, tile, *arguments)` as the compiled meaning of `operation`.

    kinds: what follows the tile: "array", "scalar" (of the tile's dtype), "tile", "index", or "columns", which the
    caller may leave out.
    """

    def register(generate):
        @type_callable(operation)
        def typing(context):
            def typer(tile, *given):
                if not isinstance(tile, Tile) or len(given) < len([kind for kind in kinds if kind != "columns"]):
                    return None
                known = {"index": types.intp, "columns": types.intp, "scalar": tile.dtype, "tile": tile}
                arrays = [argument for kind, argument in zip(kinds, given, strict=False) if kind == "array"]
                if not all(isinstance(array, types.Array) and array.dtype == tile.dtype for array in arrays):
                    return None
                wanted = [known.get(kind, argument) for kind, argument in zip(kinds, given, strict=False)]
                return signature(tile if returns_tile else types.void, tile, *wanted)

            typer.pysig = inspect.signature(operation)
            return typer

        @lower_builtin(operation, Tile, types.VarArg(types.Any))
        def lowering(context, builder, sig, args):
            result = generate(Code(context, builder, sig.args[0]), sig.args, *args)
            return result if returns_tile else context.get_dummy_value()

        return generate

    return register

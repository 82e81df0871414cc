"""What a Tile is to Numba and LLVM: its type, and the instructions that the operations in tile.py are made of."""

import inspect
import platform
from contextlib import nullcontext

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils, config
from numba.core.typing import signature
from numba.extending import lower_builtin, models, register_model, type_callable

I32, I64 = ir.IntType(32), ir.IntType(64)


def _vector_registers() -> tuple[int, int]:
    """Return (bytes in a vector register, number of registers) of the target Numba compiles for."""
    if config.CPU_FEATURES is not None:
        features = {name[1:] for name in config.CPU_FEATURES.split(",") if name.startswith("+")}
    else:
        features = {name for name, present in binding.get_host_cpu_features().items() if present}
    if "avx512f" in features:
        return 64, 32
    if "avx2" in features:
        return 32, 16
    return 16, 32 if platform.machine().lower() in ("arm64", "aarch64") else 16


VECTOR_BYTES, REGISTERS = _vector_registers()
VECS = 2  # two registers of a row share each broadcast of a column's element
ROWS = 3 * REGISTERS // 8  # 12 x 2 of 32 registers, or 6 x 2 of 16, leave room for the row and a broadcast


class Tile(types.Type):
    """Numba's type of a tile: element type, rows, registers in a row, elements in a register."""

    def __init__(self, dtype, rows, vecs):
        self.dtype, self.rows, self.vecs = dtype, rows, vecs
        self.itemsize = dtype.bitwidth // 8
        self.lanes = VECTOR_BYTES // self.itemsize
        self.element = ir.FloatType() if dtype == types.float32 else ir.DoubleType()
        self.vector = ir.VectorType(self.element, self.lanes)
        super().__init__(name=f"Tile({dtype}, {rows}x{vecs}x{self.lanes})")

    def cells(self):
        """Return (index, row, first column) of each register, row by row."""
        return [(r * self.vecs + v, r, v * self.lanes) for r in range(self.rows) for v in range(self.vecs)]


@register_model(Tile)
class _TileModel(models.PrimitiveModel):
    def __init__(self, manager, tile):
        super().__init__(manager, tile, ir.ArrayType(tile.vector, tile.rows * tile.vecs))


class Code:
    """The instructions of one operation on one tile type."""

    def __init__(self, context, builder, tile):
        self.context, self.builder, self.tile = context, builder, tile

    def call(self, name, result, arguments):
        """Call LLVM's intrinsic `name` for this tile's registers."""
        suffix = f"v{self.tile.lanes}f{8 * self.tile.itemsize}"
        kind = ir.FunctionType(result, [argument.type for argument in arguments])
        function = cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.{name}.{suffix}")
        return self.builder.call(function, arguments)

    def multiply_add(self, x, y, z):
        """Return x * y + z, in one instruction where the target has it."""
        return self.call("fmuladd", self.tile.vector, [x, y, z])

    def splat(self, scalar):
        """Return a register with `scalar` in every lane."""
        undefined = ir.Constant(self.tile.vector, ir.Undefined)
        zeros = ir.Constant(ir.VectorType(I32, self.tile.lanes), [0] * self.tile.lanes)
        return self.builder.shuffle_vector(self.builder.insert_element(undefined, scalar, I32(0)), undefined, zeros)

    def interleave(self, x, y):
        """Return x0 y0 x1 y1 ... as two registers."""
        lanes = self.tile.lanes
        order = [n // 2 + lanes * (n % 2) for n in range(2 * lanes)]
        masks = [ir.Constant(ir.VectorType(I32, lanes), half) for half in (order[:lanes], order[lanes:])]
        return [self.builder.shuffle_vector(x, y, mask) for mask in masks]

    def transpose(self, registers):
        """Return the block of 2, 4 .. `lanes` registers in column order, after as many perfect shuffles as it takes."""
        half = len(registers) // 2
        for _ in range(half.bit_length()):
            pairs = zip(registers[:half], registers[half:], strict=True)
            registers = [register for x, y in pairs for register in self.interleave(x, y)]
        return registers

    def corner(self, array_type, array, *index):
        """Return the address of array[index], and the array's strides in bytes."""
        struct = self.context.make_array(array_type)(self.context, self.builder, array)
        strides = cgutils.unpack_tuple(self.builder, struct.strides)
        if array_type.layout in "CF":  # a stride known to the compiler becomes part of the address
            strides[-1 if array_type.layout == "C" else 0] = I64(array_type.dtype.bitwidth // 8)
        pointer = self.builder.bitcast(struct.data, ir.IntType(8).as_pointer())
        for n, stride in zip(index, strides, strict=True):
            pointer = self.builder.gep(pointer, [self.builder.mul(n, stride)])
        return pointer, strides

    def cell(self, pointer, row_stride, row, column):
        """Return the address of the register at (row, column) of the block whose corner is `pointer`."""
        pointer = self.builder.gep(pointer, [self.builder.mul(row_stride, I64(row))])
        pointer = self.builder.gep(pointer, [I64(column * self.tile.itemsize)])
        return self.builder.bitcast(pointer, self.tile.vector.as_pointer())

    def element(self, pointer, row_stride, row):
        """Return the address of the element `row` rows below `pointer`."""
        pointer = self.builder.gep(pointer, [self.builder.mul(row_stride, I64(row))])
        return self.builder.bitcast(pointer, self.tile.element.as_pointer())

    def scalar(self, pointer, row_stride, row):
        """Load the element `row` rows below `pointer`."""
        return self.builder.load(self.element(pointer, row_stride, row))

    def row(self, array_type, array, *index, columns=None):
        """Load a tile's row that begins at array[index]: its registers by their first column."""
        corner, _ = self.corner(array_type, array, *index)
        starts = [v * self.tile.lanes for v in range(self.tile.vecs)]
        return {c: self.load(self.cell(corner, I64(0), 0, c), self.mask(columns, c)) for c in starts}

    def mask(self, columns, column):
        """Return which lanes to touch of the register that begins at `column`; None for all of them."""
        if columns is None or column < (self.tile.vecs - 1) * self.tile.lanes:
            return None
        kind = ir.VectorType(I64, self.tile.lanes)
        first = self.builder.insert_element(ir.Constant(kind, ir.Undefined), columns, I32(0))
        zeros = ir.Constant(ir.VectorType(I32, self.tile.lanes), [0] * self.tile.lanes)
        limit = self.builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), zeros)
        numbers = ir.Constant(kind, [column + lane for lane in range(self.tile.lanes)])
        return self.builder.icmp_signed("<", numbers, limit)

    def if_column(self, columns, column):
        """Return a context whose instructions run if `column` is one of those to touch."""
        if columns is None:
            return nullcontext()
        return self.builder.if_then(self.builder.icmp_signed("<", I64(column), columns))

    def load(self, pointer, mask=None):
        if mask is None:
            return self.builder.load(pointer, align=self.tile.itemsize)
        zero = ir.Constant(self.tile.vector, None)
        return self.call("masked.load", self.tile.vector, [pointer, I32(self.tile.itemsize), mask, zero])

    def store(self, register, pointer, mask=None):
        if mask is None:
            self.builder.store(register, pointer, align=self.tile.itemsize)
        else:
            self.call("masked.store", ir.VoidType(), [register, pointer, I32(self.tile.itemsize), mask])

    def store_part(self, register, first, count, pointer):
        """Store `count` lanes of a register."""
        lanes = ir.Constant(ir.VectorType(I32, count), list(range(first, first + count)))
        part = self.builder.shuffle_vector(register, register, lanes)
        self.builder.store(part, self.builder.bitcast(pointer, part.type.as_pointer()), align=self.tile.itemsize)

    def combine(self, tile, register):
        """Return the tile whose register at (row, column) is register(old, row, column)."""
        for n, row, column in self.tile.cells():
            new = register(self.builder.extract_value(tile, n), row, column)
            tile = self.builder.insert_value(tile, new, n)
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

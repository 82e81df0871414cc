"""Two loops that reach the limits of the machine: of its multiply-adds, and of its memory."""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing import signature
from numba.extending import intrinsic

from fastbp.compiler.options import njit
from fastbp.formulations.tiles.registers import VECTOR_BYTES

SUMS = 12  # enough independent sums to hide the latency of a multiply-add on two ports; few enough for 16 registers


@intrinsic
def _burn(typing_context, x, n):
    """Return the sum of SUMS vectors s, after n times s = x x + s for each of them."""
    n_lanes = 8 * VECTOR_BYTES // x.bitwidth

    def codegen(context, builder, sig, arguments):
        x, n = arguments
        vector = ir.VectorType(x.type, n_lanes)
        undefined, zeros = ir.Constant(vector, ir.Undefined), ir.Constant(ir.VectorType(ir.IntType(32), n_lanes), None)
        factor = builder.shuffle_vector(builder.insert_element(undefined, x, ir.IntType(32)(0)), undefined, zeros)
        name = f"llvm.fma.v{n_lanes}f{sig.args[0].bitwidth}"
        fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector] * 3), name)
        sums = [cgutils.alloca_once_value(builder, ir.Constant(vector, [float(k)] * n_lanes)) for k in range(SUMS)]
        with cgutils.for_range(builder, n):  # LLVM keeps the sums in registers
            for s in sums:
                builder.store(builder.call(fma, [factor, factor, builder.load(s)]), s)
        total = builder.load(sums[0])
        for s in sums[1:]:  # so that LLVM removes no sum as unused
            total = builder.fadd(total, builder.load(s))
        return builder.extract_element(total, ir.IntType(32)(0))

    return signature(x, x, types.intp), codegen


@njit
def multiply_adds(x, n):
    """Do n SUMS multiply-adds of whole vector registers of x's dtype, which touch no memory; return their sum."""
    return _burn(x, n)


@njit
def triad(a, b, c, repeats):
    """a_i = b_i + r c_i for r = 1 … repeats: it reads two arrays and writes one, as STREAM's loop of that name.

    Source: J. D. McCalpin, *Memory bandwidth and machine balance in current high performance computers*, 1995.
    """
    for r in range(repeats):
        factor = a.dtype.type(r + 1)
        for i in range(a.size):
            a[i] = b[i] + factor * c[i]

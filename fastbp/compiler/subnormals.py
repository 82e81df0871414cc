"""No subnormal results while a training runs: Intel's processors are ten times as slow with them.

A training makes them where numbers decay: the moments of a parameter whose gradient stays 0, as behind a relu that is
never active, or the errors of saturated neurons. In float32 they are smaller than 2^-126, in float64 than 2^-1022.

How a thread computes is said by a control word, MXCSR of x86-64. Other processors compute with subnormal numbers at
full speed, and go on with them; there the functions below do nothing.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import lower_builtin, type_callable

WORD = ir.IntType(32)
FLUSH_RESULTS = 0x8000


def flush_subnormals() -> int:
    """Let results on this thread be 0 where they would be subnormal. Return its control word before, for `compute_as`.

    Derivatives for the user are computed without it. With it, σ′ of relu at z = 1e-40 would be 0, not 1.
    """
    return 0


def keep_subnormals() -> int:
    """Let results on this thread be subnormal again. Return its control word before.

    So before a parallel region, whose threads then `compute_as` the one that begins it: threads are made in the first
    region, and compute as their maker from then on.
    """
    return 0


def compute_as(control_word: int) -> int:
    """Let this thread compute as a control word says. Return the one before."""
    return 0


def _compiled(emit: Any) -> Any:
    """Return the implementation that calls ``emit(builder, before, *values)`` and returns the control word before."""

    def implementation(context: Any, builder: Any, sig: Any, values: Any) -> Any:
        if not str(builder.module.triple).startswith(("x86_64", "amd64")):
            return WORD(0)
        slot = builder.alloca(WORD)
        _call(builder, "stmxcsr", slot)
        before = builder.load(slot)
        word = emit(
            builder, before, *(context.cast(builder, v, k, types.uint32) for v, k in zip(values, sig.args, strict=True))
        )
        builder.store(word, slot)
        _call(builder, "ldmxcsr", slot)
        return before

    return implementation


def _call(builder: Any, instruction: str, slot: Any) -> None:
    """Call an instruction that writes MXCSR to memory or reads it from there."""
    pointer = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [pointer])
    function = builder.module.declare_intrinsic(f"llvm.x86.sse.{instruction}", (), kind)
    builder.call(function, [builder.bitcast(slot, pointer)])


type_callable(flush_subnormals)(lambda context: lambda: types.uint32)
type_callable(keep_subnormals)(lambda context: lambda: types.uint32)
type_callable(compute_as)(lambda context: lambda control_word: types.uint32)
lower_builtin(flush_subnormals)(_compiled(lambda builder, before: builder.or_(before, WORD(FLUSH_RESULTS))))
lower_builtin(keep_subnormals)(_compiled(lambda builder, before: builder.and_(before, WORD(~FLUSH_RESULTS))))
lower_builtin(compute_as, types.Integer)(_compiled(lambda builder, before, word: word))

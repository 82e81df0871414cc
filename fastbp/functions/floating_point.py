"""Six operations on float32 and float64 that Numba lacks, each without a branch or a call.

Each is a Python function, which runs without Numba's JIT, and below it a function that emits its LLVM instructions.
Integers are as wide as the number: Numba would widen them to 64 bits, which halves the lanes of a float32 vector.
"""

from collections.abc import Callable
from functools import partial, reduce
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import lower_builtin, type_callable

__all__ = ["copy_sign", "exponent", "mantissa", "multiply_add", "polynomial", "power_of_two"]


def compiles_to(function: Callable[..., Any], *arguments: type[types.Type]) -> Callable[..., Any]:
    """Decorate ``emit(builder, *values)``, which compiles `function`. The result has the first argument's type."""

    def register(emit: Callable[..., Any]) -> Callable[..., Any]:
        typing = (lambda a: a, lambda a, b: a, lambda a, b, c: a)[len(arguments) - 1]
        type_callable(function)(lambda context: typing)
        lower_builtin(function, *arguments)(lambda context, builder, signature, values: emit(builder, *values))
        return emit

    return register


def multiply_add(a, b, c):
    """Return a b + c, rounded once if the machine has an instruction for it, else twice; callers must allow both."""
    return a * b + c


@compiles_to(multiply_add, types.Float, types.Float, types.Float)
def _multiply_add(builder, a, b, c):
    # Without the instruction, llvm.fma would be a call; "contract" allows one rounding and does not force it.
    return builder.fadd(builder.fmul(a, b, flags=["contract"]), c, flags=["contract"])


def two_chains(multiply_add, x, square, coefficients):
    """Return even(x^2) + x odd(x^2) by two Horner schemes c0 + z (c1 + z (c2 + ...)), which a processor overlaps."""

    def horner(coefficients):
        return reduce(lambda total, coefficient: multiply_add(total, square, coefficient), reversed(coefficients))

    return multiply_add(horner(coefficients[1::2]), x, horner(coefficients[::2]))


def polynomial(x, coefficients):
    """Return c0 + c1 x + c2 x^2 + ..., of at least two coefficients."""
    return two_chains(multiply_add, x, x * x, coefficients)


@compiles_to(polynomial, types.Float, types.UniTuple)
def _polynomial(builder, x, coefficients):
    unpacked = [builder.extract_value(coefficients, i) for i in range(coefficients.type.count)]
    return two_chains(partial(_multiply_add, builder), x, builder.fmul(x, x), unpacked)


def layout(x: ir.Value) -> tuple[ir.IntType, int, int, int]:
    """Return the integer type as wide as x, the number of fraction bits, the bias, and the pattern of 1/sqrt(2)."""
    if isinstance(x.type, ir.FloatType):
        return ir.IntType(32), 23, 127, int(np.sqrt(np.float32(0.5)).view(np.int32))
    return ir.IntType(64), 52, 1023, int(np.sqrt(np.float64(0.5)).view(np.int64))


def power_of_two(n):
    """Return 2^n for an integer-valued n in the range of normal exponents; for others, NaN included, any number."""
    return np.ldexp(n.dtype.type(1), int(n)) if np.isfinite(n) else n


@compiles_to(power_of_two, types.Float)
def _power_of_two(builder, n):
    # n + 1.5 2^fraction_bits + bias has n + bias in its lowest bits; the shift makes them the exponent, drops others.
    integer, fraction_bits, bias, _ = layout(n)
    pattern = builder.bitcast(builder.fadd(n, n.type(1.5 * 2.0**fraction_bits + bias)), integer)
    return builder.bitcast(builder.shl(pattern, integer(fraction_bits)), n.type)


def exponent(x):
    """Return the whole number k of x = 2^k m, 1/sqrt(2) <= m < sqrt(2), for a positive normal x; else any number."""
    fraction, k = np.frexp(x)
    return fraction.dtype.type(k - (fraction < np.sqrt(fraction.dtype.type(0.5))))


@compiles_to(exponent, types.Float)
def _exponent(builder, x):
    # k + bias becomes a float without a conversion, as the fraction of a number from 2^fraction_bits to twice that.
    integer, fraction_bits, bias, _ = layout(x)
    pattern = builder.add(_pattern_above_sqrt_half(builder, x), integer(bias << fraction_bits))
    field = builder.lshr(pattern, integer(fraction_bits))
    shifted = builder.bitcast(builder.or_(field, integer((bias + fraction_bits) << fraction_bits)), x.type)
    return builder.fsub(shifted, x.type(2.0**fraction_bits + bias))


def mantissa(x):
    """Return the m of x = 2^k m, 1/sqrt(2) <= m < sqrt(2), for a positive normal x; else any number."""
    fraction, _ = np.frexp(x)
    return fraction * fraction.dtype.type(1 + (fraction < np.sqrt(fraction.dtype.type(0.5))))


@compiles_to(mantissa, types.Float)
def _mantissa(builder, x):
    integer, fraction_bits, _, sqrt_half = layout(x)
    fraction = builder.and_(_pattern_above_sqrt_half(builder, x), integer(2**fraction_bits - 1))
    return builder.bitcast(builder.add(fraction, integer(sqrt_half)), x.type)


def _pattern_above_sqrt_half(builder, x):
    """Return the pattern of x minus that of 1/sqrt(2): k in the exponent bits, and m less 1/sqrt(2) in the others."""
    integer, _, _, sqrt_half = layout(x)
    return builder.sub(builder.bitcast(x, integer), integer(sqrt_half))


def copy_sign(magnitude, sign):
    """Return |magnitude| with the sign of `sign`."""
    return np.copysign(magnitude, sign)


@compiles_to(copy_sign, types.Float, types.Float)
def _copy_sign(builder, magnitude, sign):
    signature = ir.FunctionType(magnitude.type, [magnitude.type, magnitude.type])
    function = builder.module.declare_intrinsic("llvm.copysign", [magnitude.type], signature)
    return builder.call(function, [magnitude, sign])

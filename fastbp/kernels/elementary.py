"""exp, log, tanh and their kin, written so that LLVM turns a plain loop over them into vector instructions.

``for i in range(n): out[i] = exp(x[i])`` calls the C library once a number if ``exp`` is ``math.exp``. With the
functions below it computes a whole vector register at a time. Each takes and returns one float32 or one float64, in its
own precision.

A function reduces its argument to a short interval around 0, evaluates a polynomial there, and undoes the reduction by
arithmetic on exponents. There are no branches (``a if test else b`` picks one of two computed values), tables or calls.
NaN gives NaN; overflow, gradual underflow, subnormal arguments and signed zeros are as in C.

Why strict: the reductions rest on sums such as (x + big) - big, which fast-math may simplify. Fast-math is a property
of each instruction, so a function compiled without it stays exact when inlined into a caller that is compiled with it.

Errors are the largest seen, float32 / float64, in ulp (the gap between the floats around the true result), with or
without fused multiply-add: float32 on every eleventh of all bit patterns, float64 on 100000 numbers or more.

Sources: Cody and Waite, Software Manual for the Elementary Functions, 1980; Muller, Elementary Functions, 3rd ed.,
2016. The polynomials are our own minimax approximations by Remez' algorithm.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import config, njit, types
from numba.extending import overload

from fastbp.kernels.compile_options import OPTIONS, STRICT
from fastbp.kernels.floating_point import (
    copy_sign,
    exponent,
    mantissa,
    multiply_add,
    polynomial,
    power_of_two,
)

__all__ = ["erf", "exp", "expm1", "like", "log", "sigmoid", "softplus", "tanh"]


def elementary(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` strictly; where the JIT is off, silence the warnings that compiled code would not give."""
    if config.DISABLE_JIT:
        return np.errstate(all="ignore")(function)
    return njit(forceinline=True, **{**OPTIONS, **STRICT})(function)


class Constants(NamedTuple):
    """What the formulas need to know of a dtype; every number is of that dtype, so that nothing is promoted."""

    zero: np.floating
    half: np.floating
    one: np.floating
    two: np.floating
    infinity: np.floating
    nan: np.floating
    to_integer: np.floating  # (x + to_integer) - to_integer rounds x to the nearest integer
    smallest_normal: np.floating
    subnormal_shift: np.floating  # so many powers of two make a subnormal normal
    subnormal_scale: np.floating  # 2^subnormal_shift
    log2_e: np.floating
    ln2_head: np.floating  # so few digits that its product with any exponent is exact
    ln2_tail: np.floating  # ln 2 - ln2_head
    sqrt2_minus_1: np.floating
    exp_low: np.floating  # e^x rounds to 0 below
    exp_high: np.floating  # and to infinity above
    one_is_lost: np.floating  # e^x - 1 is -1 below -it; tanh is 1 above half of it; 1 - 2^-it is 1
    erf_high: np.floating  # erf x rounds to 1 above
    tanh_seam: np.floating
    exp_rest: tuple[np.floating, ...]  # (e^r - 1 - r) / r^2, |r| <= ln(2) / 2
    tanh_rest: tuple[np.floating, ...]  # (tanh x - x) / x^3 in x^2, |x| <= tanh_seam
    log_rest: tuple[np.floating, ...]  # (2 artanh(s) - 2 s) / s^3 in s^2, |s| <= 3 - sqrt(8)
    erf_rate: tuple[np.floating, ...]  # -ln(1 - erf x) / x - 1, 0 <= x <= erf_high


def constants_of(dtype: type[np.floating], ln2_bits: int, own: tuple[float, ...], *rests: list[float]) -> Constants:
    """Return the constants of `dtype`: those with a formula; its `own`, exp_low to erf_high; and the polynomials."""
    info = np.finfo(dtype)
    ln2_head = np.floor(np.log(2.0) * 2.0**ln2_bits) / 2.0**ln2_bits
    ln2_tail = (np.log(2.0) - ln2_head) + 2.319046813846299558e-17  # what np.log(2.0) lacks
    numbers = (
        *(0.0, 0.5, 1.0, 2.0, np.inf, np.nan, 1.5 * 2.0**info.nmant),
        *(info.smallest_normal, info.nmant + 1, 2.0 ** (info.nmant + 1)),
        *(1 / np.log(2.0), ln2_head, ln2_tail, np.sqrt(2.0) - 1, *own, 0.625),
    )
    return Constants(*map(dtype, numbers), *(tuple(map(dtype, coefficients)) for coefficients in rests))


FLOAT32 = constants_of(
    np.float32, 15, (-104.0, 89.0, 32.0, 3.95),
    [0.5, 0.16666666, 0.041666362, 0.00833339, 0.0013940628, 0.00019845876],
    [-0.33333282, 0.13331442, -0.053739712, 0.020639078, -0.005704978],
    [0.66666776, 0.39977536, 0.29871863],
    [
        0.12837917, 0.6366198, 0.102771275, -0.019117696, -0.00025305993, 0.0017993522, -0.0007406846, 0.00016748035,
        -2.1354448e-05, 1.1932844e-06,
    ],
)  # fmt: skip
FLOAT64 = constants_of(
    np.float64, 42, (-746.0, 710.0, 64.0, 5.95),
    [
        0.5, 0.16666666666666677, 0.04166666666666651, 0.008333333333321691, 0.001388888888896237,
        0.0001984126988596592, 2.4801587172538122e-05, 2.7557244374217137e-06, 2.755740264352864e-07,
        2.5108978867816392e-08, 2.087532959214041e-09,
    ],
    [
        -0.33333333333333315, 0.1333333333332974, -0.05396825396605733, 0.021869488468681735, -0.008863234312145427,
        0.0035921139962951354, -0.0014557259283865102, 0.0005894517262430666, -0.0002370115516465208,
        9.15581323594776e-05, -3.0186968124478488e-05, 6.042368204706013e-06,
    ],
    [
        0.6666666666666734, 0.39999999999414326, 0.28571428742474286, 0.22222198563532747, 0.1818356486492351,
        0.15314035863518946, 0.14796105301512058,
    ],
    [
        0.12837916709551256, 0.6366197723675836, 0.10277260330178876, -0.019128447005070603, -0.0002091946948387375,
        0.0016962063857124184, -0.0005901255527059635, 2.5878603518522936e-05, 6.449186311236166e-05,
        -2.972405123266219e-05, 3.4072742137293525e-06, 2.8351287067393885e-06, -1.7415357447223258e-06,
        3.3635541073020476e-07, 1.3718777365824256e-07, -1.4176467619219806e-07, 6.573453285964403e-08,
        -2.096297326552621e-08, 4.997783943216045e-09, -9.082385635186216e-10, 1.248434707253696e-10,
        -1.261129435838823e-11, 8.845822442551259e-13, -3.850656473314949e-14, 7.834504084793714e-16,
    ],
)  # fmt: skip


def constants(x: np.floating) -> Constants:
    """Return the constants of the dtype of x; compiled code has chosen them when it is compiled."""
    return FLOAT32 if isinstance(x, np.float32) else FLOAT64


@overload(constants, jit_options=STRICT)
def _constants(x):
    chosen = {types.float32: FLOAT32, types.float64: FLOAT64}.get(x)
    return None if chosen is None else lambda x: chosen


def like(x: Any, value: float) -> Any:
    """Return `value` as a number of the dtype of x: beside a plain 1, Numba computes a float32 in float64."""
    return type(x)(value)


@overload(like, jit_options=STRICT)
def _like(x, value):
    number = {types.float32: np.float32, types.float64: np.float64}.get(x)
    return None if number is None else lambda x, value: number(value)


@elementary
def reduce_exp(x):
    """Return n, r, r_tail with x = n ln 2 + r + r_tail, |r| <= ln(2) / 2. Subtracting n ln2_head is exact."""
    c = constants(x)
    n = (x * c.log2_e + c.to_integer) - c.to_integer
    head = multiply_add(-n, c.ln2_head, x)
    r = multiply_add(-n, c.ln2_tail, head)
    return n, r, multiply_add(-n, c.ln2_tail, head - r)


@elementary
def times_power_of_two(x, n):
    """Return 2^n x, in two steps because 2^n alone may overflow or underflow where the product does not."""
    c = constants(x)
    first = (c.half * n + c.to_integer) - c.to_integer
    return (x * power_of_two(first)) * power_of_two(n - first)


@elementary
def exp(x):
    """Return e^x = 2^n e^r, where e^r = 1 + r + r^2 p(r). Error: 1.02 / 0.98 ulp. Source: Cody and Waite, ch. 6."""
    c = constants(x)
    x = c.exp_low if x < c.exp_low else x
    x = c.exp_high if x > c.exp_high else x
    n, r, _ = reduce_exp(x)
    return times_power_of_two(c.one + multiply_add(r * r, polynomial(r, c.exp_rest), r), n)


@elementary
def exp_of_negative(x):
    """Return e^x for x <= 0, as a part of other functions: rounded nearly once, scaled in fewer steps than in `exp`."""
    c = constants(x)
    n, r, r_tail = reduce_exp(c.exp_low if x < c.exp_low else x)
    total = c.one + r
    rest = multiply_add(r * r, polynomial(r, c.exp_rest), r_tail) + (r - (total - c.one))
    return (total + rest) * power_of_two(n + c.subnormal_shift) / c.subnormal_scale


@elementary
def expm1_scaled(x):
    """Return y, y_tail, n with e^x - 1 = 2^n (y + y_tail), that is y + y_tail = (1 - 2^-n) + r + r^2 p(r).

    Sums keep their rounding errors, found by Dekker's fast two-sum (Muller): 1 - 2^-n is 0 or larger than r in size.
    """
    c = constants(x)
    n, r, r_tail = reduce_exp(x)
    first = c.one - power_of_two(-(c.one_is_lost if n > c.one_is_lost else n))
    total = first + r
    rest = multiply_add(r * r, polynomial(r, c.exp_rest), r_tail) + (r - (total - first))
    y = total + rest
    return y, rest - (y - total), n


@elementary
def expm1(x):
    """Return e^x - 1, also where e^x is close to 1. Error: 1.15 / 1.12 ulp. Source: `expm1_scaled`."""
    c = constants(x)
    inside = -c.one_is_lost if x < -c.one_is_lost else x
    inside = c.exp_high if inside > c.exp_high else inside
    y, _, n = expm1_scaled(inside)
    return copy_sign(times_power_of_two(y, n), x)


@elementary
def tanh(x):
    """Return tanh x = 1 - 2 / (e^2x + 1), and x + x^3 p(x^2) where that would cancel. Error: 1.32 / 1.26 ulp.

    Source: Cody and Waite, ch. 13.
    """
    c = constants(x)
    magnitude = abs(x)
    twice = c.two * magnitude
    n, r, _ = reduce_exp(c.one_is_lost if twice > c.one_is_lost else twice)
    scale = power_of_two(n)
    e = multiply_add(scale, multiply_add(r * r, polynomial(r, c.exp_rest), r), scale)
    square = x * x
    near_zero = multiply_add(magnitude * square, polynomial(square, c.tanh_rest), magnitude)
    far = c.one - c.two / (e + c.one)
    return copy_sign(far if magnitude > c.tanh_seam else near_zero, x)


@elementary
def sigmoid(x):
    """Return 1 / (1 + e^-x), as 1 - q with q = e / (1 + e), e = e^-|x|, or as e - e q if x < 0. Error: 1.65 / 1.63 ulp.

    The second form keeps all digits of the lower tail, where the sigmoid is close to e^x.
    """
    c = constants(x)
    e = exp_of_negative(-abs(x))
    first = e if x < c.zero else c.one
    return multiply_add(-first, e / (c.one + e), first)


@elementary
def log_of_product(k, f):
    """Return ln(2^k (1 + f)), |f| <= sqrt(2) - 1, from ln(1 + f) = 2 artanh(s) = 2 s + s^3 p(s^2) with s = f / (2 + f).

    Since 2 s = f - s f = f - f^2/2 + s f^2/2, the sum is led by k ln 2 and f, which are exact. Source: Muller.
    """
    c = constants(f)
    s = f / (c.two + f)
    square = s * s
    half_f_square = c.half * f * f
    rest = s * multiply_add(square, polynomial(square, c.log_rest), half_f_square)
    return multiply_add(k, c.ln2_head, f - (half_f_square - multiply_add(k, c.ln2_tail, rest)))


@elementary
def log(x):
    """Return ln x = k ln 2 + ln m with x = 2^k m, 1/sqrt(2) <= m < sqrt(2). Error: 0.83 / 0.79 ulp.

    Source: Cody and Waite, ch. 5.
    """
    c = constants(x)
    subnormal = x < c.smallest_normal
    normal = x * c.subnormal_scale if subnormal else x
    k = exponent(normal) - (c.subnormal_shift if subnormal else c.zero)
    result = log_of_product(k, mantissa(normal) - c.one)
    result = result if x < c.infinity else x
    outside = -c.infinity if x == c.zero else c.nan
    return outside if x <= c.zero else result


@elementary
def softplus(x):
    """Return ln(1 + e^x) = max(x, 0) + ln(1 + e), e = e^-|x|, taking 1 + e as 2 (1 + (e - 1)/2) if e is large.

    Both e and (e - 1)/2 are exact, so the lower tail keeps all its digits. Error: 1.68 / 1.56 ulp.
    """
    c = constants(x)
    e = exp_of_negative(-abs(x))
    large = e > c.sqrt2_minus_1
    f = c.half * (e - c.one) if large else e
    return (x if x > c.zero else c.zero) + log_of_product(c.one if large else c.zero, f)


@elementary
def erf(x):
    """Return erf x = 1 - e^(-x q(x)), x >= 0, where q(x) = -ln(1 - erf x) / x. Error: 1.99 / 1.56 ulp.

    One polynomial, q - 1, serves all x because the logarithm of erfc = 1 - erf (Abramowitz and Stegun 7.1.2) is smooth.
    """
    c = constants(x)
    magnitude = abs(x)
    magnitude = c.erf_high if magnitude > c.erf_high else magnitude
    y, _, n = expm1_scaled(-multiply_add(magnitude, polynomial(magnitude, c.erf_rate), magnitude))
    return copy_sign(y * power_of_two(n), x)

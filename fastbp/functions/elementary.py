"""exp, log, tanh and similar functions, written so that LLVM vectorizes a plain loop over them.

``for i in range(n): out[i] = exp(x[i])`` calls the C library for each number if ``exp`` is ``math.exp``. With the
functions below it computes a whole vector register at once. Each takes and returns one float32 or one float64, and
computes in that dtype.

A function reduces its argument to a short interval around 0, evaluates a polynomial there, and undoes the reduction by
arithmetic on exponents. There are no branches (``a if test else b`` selects one of two computed values), tables or
calls. NaN gives NaN; overflow, gradual underflow, subnormal arguments and signed zeros are as in C.

They are compiled without fast-math, which may simplify sums such as (x + big) - big. Fast-math is a property of each
instruction, so the functions stay exact when inlined into a caller that is compiled with it.

Errors are the largest found, float32 / float64, in ulp (the gap between the floats around the true result), with or
without fused multiply-add: float32 on every eleventh of all bit patterns, float64 on 100000 numbers or more.

Sources: Cody and Waite, Software Manual for the Elementary Functions, 1980; Muller, Elementary Functions, 3rd ed.,
2016. The polynomials are in `elementary_constants.py`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import config, njit

from fastbp.compiler.options import OPTIONS, STRICT
from fastbp.functions.elementary_constants import constants, like
from fastbp.functions.floating_point import copy_sign, exponent, mantissa, multiply_add, polynomial, power_of_two

__all__ = ["erfc", "exp", "expm1", "like", "log", "log1p", "one_minus_power", "sigmoid", "softplus", "tanh"]


def elementary(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` strictly. Without the JIT, suppress warnings, which compiled code does not give either."""
    if config.DISABLE_JIT:
        return np.errstate(all="ignore")(function)
    return njit(forceinline=True, **{**OPTIONS, **STRICT})(function)


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
    """Return 2^n x, in two steps, because 2^n alone may overflow or underflow when the product does not."""
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
    """Return e^x for x <= 0, for use in other functions: with nearly one rounding, and fewer scalings than `exp`."""
    c = constants(x)
    n, r, r_tail = reduce_exp(c.exp_low if x < c.exp_low else x)
    total = c.one + r
    rest = multiply_add(r * r, polynomial(r, c.exp_rest), r_tail) + (r - (total - c.one))
    return (total + rest) * power_of_two(n + c.subnormal_shift) / c.subnormal_scale


@elementary
def expm1_scaled(x):
    """Return y, y_tail, n with e^x - 1 = 2^n (y + y_tail), that is y + y_tail = (1 - 2^-n) + r + r^2 p(r).

    Dekker's fast two-sum (Muller) finds the rounding errors of sums, as |1 - 2^-n| is 0 or larger than |r|.
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
    """Return tanh x = e / (e + 2) with the sign of x, e = e^|2x| - 1 = 2^n (e^r - 1) + 2^n - 1. Error: 2.41 / 2.50 ulp.

    One subtraction of n ln 2 is enough for r: the larger n is, the less tanh x depends on it.
    """
    c = constants(x)
    twice = c.two * abs(x)
    twice = c.one_is_lost if twice > c.one_is_lost else twice
    n = (twice * c.log2_e + c.to_integer) - c.to_integer
    r = multiply_add(-n, c.ln2, twice)
    scale = power_of_two(n)
    e = multiply_add(scale, multiply_add(r * r, polynomial(r, c.exp_rest), r), scale - c.one)
    return copy_sign(e / (e + c.two), x)


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

    As 2 s = f - s f = f - f^2/2 + s f^2/2, the leading terms are k ln 2 and f, which are exact. Source: Muller.
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
def log1p(x):
    """Return ln(1 + x) = k ln 2 + ln(1 + f), k from 1 + x as in `log`, f = 2^-k x - (1 - 2^-k). Error: 1.38 / 1.12 ulp.

    Both terms of f are exact, so a small x loses no digits in 1 + x.
    """
    c = constants(x)
    k = exponent(c.one + x)
    rest = c.one - power_of_two(-(c.one_is_lost if k > c.one_is_lost else k))
    result = log_of_product(k, times_power_of_two(x, -k) - rest)
    result = copy_sign(result if x < c.infinity else x, x)
    outside = -c.infinity if x == -c.one else c.nan
    return outside if x <= -c.one else result


@elementary
def one_minus_power(x, n):
    """Return 1 - x^n = -(e^(n ln x) - 1) for 0 <= x < 1 and a whole number n > 0."""
    return -expm1(n * log(x))


@elementary
def softplus(x):
    """Return ln(1 + e^x) = max(x, 0) + ln(1 + e), e = e^-|x|, with 1 + e = 2 (1 + (e - 1)/2) for large e.

    Both e and (e - 1)/2 are exact, so the lower tail keeps all its digits. Error: 1.68 / 1.56 ulp.
    """
    c = constants(x)
    e = exp_of_negative(-abs(x))
    large = e > c.sqrt2_minus_1
    f = c.half * (e - c.one) if large else e
    return (x if x > c.zero else c.zero) + log_of_product(c.one if large else c.zero, f)


@elementary
def erfc(x):
    """Return erfc x = e^(-x^2) p(t) / (1 + 2 x), t = (x - c) / (x + c), or 2 - erfc -x. Error: 5.11 / 3.88 ulp.

    Near 0, it is 1 - x p(x^2). Elsewhere p(t) is between 1.1 and 1.3 (Shepherd and Laframboise, Mathematics of
    Computation 36, 1981). Dekker's product finds the rounding error of x^2, which e^(-x^2) would magnify.
    """
    c = constants(x)
    magnitude = abs(x)
    near = multiply_add(-x, polynomial(x * x, c.erfc_near), c.one)
    far = c.erfc_high if magnitude > c.erfc_high else magnitude
    square = far * far
    upper = far * c.split - (far * c.split - far)
    lower = far - upper
    error = ((upper * upper - square) + c.two * upper * lower) + lower * lower
    p = polynomial((far - c.erfc_center) / (far + c.erfc_center), c.erfc_far) / (c.one + c.two * far)
    tail = exp_of_negative(-square) * multiply_add(-error, p, p)
    tail = c.two - tail if x < c.zero else tail
    return tail if magnitude > c.erfc_seam else near

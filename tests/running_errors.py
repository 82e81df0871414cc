"""σ, C and their derivatives with mpmath, and error bounds for the computed numbers: running error analysis.

A bound is in units of K roundings of the dtype. It follows the computation as written and carries each rounding error
through the later operations (N. Higham, *Accuracy and Stability of Numerical Algorithms*, 2002, chapter 3). It is as
small as the condition of z → a → C allows, but at least the smallest normal number, below which digits are lost.
"""

from functools import cache
from typing import Any, NamedTuple

import mpmath
import numpy as np
from mpmath import mpf

from fastbp.functions.activations import SELU_ALPHA, SELU_SCALE

DIGITS = 60
LOST = {"sigmoid", "silu", "mish", "gelu"}  # NumPy's errors are relative to 1 or to z, not to a tiny a


class Sigma(NamedTuple):
    """σ at one z: a, σ′, σ″, and the absolute errors of a and σ′, in roundings."""

    a: Any
    prime: Any
    second: Any
    a_error: Any
    prime_error: Any


@cache
def sigma(name: str, z: float, compiled: bool) -> Sigma:
    with mpmath.workdps(DIGITS):
        return _sigma(name, mpf(z), compiled)


def _sigma(name: str, z: Any, compiled: bool) -> Sigma:
    e, zero, one = mpmath.exp(-abs(z)), mpf(0), mpf(1)
    big, small = 1 / (1 + e), e / (1 + e)
    s, rest = (big, small) if z >= 0 else (small, big)  # σ and 1 − σ
    lost = zero if compiled or name not in LOST else max(one, abs(z) if name != "sigmoid" else zero)
    if name in ("identity", "relu", "leaky_relu"):
        below = {"identity": one, "relu": zero, "leaky_relu": mpf(1) / 100}[name]
        slope = one if z > 0 else below
        return Sigma(slope * z, slope, zero, abs(slope * z), slope)
    if name == "sigmoid":
        error = max(s, lost)
        return Sigma(s, s * rest, s * rest * (rest - s), error, s * rest + abs(rest - s) * error)
    if name == "tanh":
        double = mpmath.exp(-2 * abs(z))
        a = mpmath.tanh(z) if abs(z) < 1 else mpmath.sign(z) * (1 - double) / (1 + double)
        prime = 4 * double / (1 + double) ** 2
        return Sigma(a, prime, -2 * a * prime, abs(a), prime + 2 * a * a)
    if name == "elu":
        grown = mpmath.exp(min(z, zero))
        return Sigma(mpmath.expm1(z) if z <= 0 else z, grown, grown if z <= 0 else zero, min(abs(z), one), grown)
    if name == "softplus":
        a = max(z, zero) + mpmath.log1p(e)
        return Sigma(a, s, s * rest, a, s)
    if name == "silu":
        reach = abs(z) * s if abs(z) < 50 else zero
        a, prime = z * s, s * (1 + z * rest)
        return Sigma(a, prime, s * rest * (2 + z * (rest - s)), max(abs(a), lost), max(s + reach, 2 * lost))
    if name == "selu":
        scale, low = mpf(SELU_SCALE), mpf(SELU_SCALE) * mpf(SELU_ALPHA)
        if z > 0:
            return Sigma(scale * z, scale, zero, abs(scale * z), scale)
        grown = low * mpmath.exp(z)
        return Sigma(low * mpmath.expm1(z), grown, grown, low * min(abs(z), one), grown)
    if name == "mish":
        t = mpmath.tanh(max(z, zero) + mpmath.log1p(e))
        steep = (1 - t**2) * s
        bend = steep * (rest - 2 * t * s)
        a, prime = z * t, t + z * steep
        return Sigma(a, prime, 2 * steep + z * bend, max(abs(a), lost), max(t + abs(z) * steep, 2 * lost))
    if name == "gelu":
        near = min(max(z, mpf(-(10**4))), mpf(10**4))
        tail, density = mpmath.erfc(-near / mpmath.sqrt(2)) / 2, mpmath.npdf(near)
        bent = abs(near) * density * (1 + near**2)
        a, prime = z * tail, tail + near * density
        return Sigma(a, prime, density * (2 - near**2), max(abs(a) + abs(z) * bent, lost), max(tail + bent, lost))
    assert name == "exponential"
    grown = mpmath.exp(z)
    return Sigma(grown, grown, grown, grown, grown)


class Cost(NamedTuple):
    """C of one output, ∂C/∂a, and the largest ∂²C/∂a² near it."""

    value: Any
    prime: Any
    second: Any


def cost(name: str, a: Any, y: Any) -> Cost:
    d, sign = a - y, mpmath.sign(a - y)
    half = {"absolute": mpf(1), "quantile": mpf(1) / 2}
    if name in half:
        return Cost(half[name] * abs(d), half[name] * sign, mpf(0))
    if name == "huber":
        return Cost(d * d / 2, d, mpf(1)) if abs(d) <= 1 else Cost(abs(d) - mpf(1) / 2, sign, mpf(1))
    scale = {"quadratic": 1, "squared_error": 2}[name]
    return Cost(scale * d * d / 2, scale * d, mpf(scale))


class Output(NamedTuple):
    """C and δ of one output, and their errors; δ is None at a corner of C, where rounding decides the side."""

    cost: Any
    delta: Any
    cost_error: Any
    delta_error: Any


def output(name: str, activation: str, z: float, y: float, compiled: bool, unit: Any) -> Output:
    """Return C and δ from z. `unit` is one rounding, for error terms of second order."""
    with mpmath.workdps(DIGITS):
        at, exact_z, y = sigma(activation, z, compiled), mpf(z), mpf(y)
        a = at.a
        if (name, activation) == ("cross_entropy", "sigmoid"):
            value = y * _softplus(-exact_z) + (1 - y) * _softplus(exact_z)
            return Output(value, a - y, value, at.a_error + abs(a - y))
        if name == "poisson":
            return _poisson(activation, exact_z, y, at)
        value, prime, second = cost(name, a, y)
        corner = name in ("absolute", "quantile") and abs(a - y) <= unit * at.a_error
        error_of_prime = abs(prime) + second * at.a_error
        return Output(
            value,
            None if corner else prime * at.prime,
            value + (abs(prime) + second * unit * at.a_error) * at.a_error,
            abs(prime) * at.prime_error + abs(at.prime) * error_of_prime,
        )


def _poisson(activation: str, z: Any, y: Any, at: Sigma) -> Output:
    a, log_a = at.a, -_softplus(-z) if activation == "sigmoid" else z
    if activation == "softplus" and z > -5000:
        log_a = mpmath.log(at.a)
    value, reach = a - y * log_a, at.a_error + abs(y * log_a) + y
    if activation == "exponential":
        return Output(value, a - y, reach, at.a_error + abs(a - y))
    if activation == "sigmoid":
        rest = 1 / (1 + mpmath.exp(z)) if z < 5000 else mpf(0)
        return Output(value, (a - y) * rest, reach, rest * at.a_error + abs(a - y))
    ratio = at.prime / a if z > -5000 else mpf(1)
    return Output(value, at.prime - y * ratio, reach, at.prime + y * ratio)


class Layer(NamedTuple):
    """C and δ of a layer of softmax, and their errors."""

    cost: Any
    delta: list[Any] | None
    cost_error: Any
    delta_error: list[Any]


def softmax_output(name: str, z: list[float], y: list[float], unit: Any) -> Layer:
    """Return C and δ of a row of logits. The error of an a grows with its logit's distance from the largest."""
    with mpmath.workdps(DIGITS):
        targets = [mpf(t) for t in y]
        below = [mpf(v) - max(z) for v in z]
        log_sum = mpmath.log(mpmath.fsum(map(mpmath.exp, below)))
        logs = [v - log_sum for v in below]
        a = [mpmath.exp(v) for v in logs]
        a_errors = [p * (1 + abs(v)) for p, v in zip(a, below, strict=True)]
        if name in ("cross_entropy", "poisson"):
            total = mpmath.fsum(targets) if name == "poisson" else mpf(1)
            value = -mpmath.fsum(t * v for t, v in zip(targets, logs, strict=True)) + (name == "poisson")
            reach = mpmath.fsum(abs(t * v) for t, v in zip(targets, logs, strict=True)) + (name == "poisson")
            delta = [p * total - t for p, t in zip(a, targets, strict=True)]
            return Layer(value, delta, reach, [e * total + t for e, t in zip(a_errors, targets, strict=True)])
        costs = [cost(name, p, t) for p, t in zip(a, targets, strict=True)]
        corner = name in ("absolute", "quantile") and any(
            abs(p - t) <= unit * e for p, t, e in zip(a, targets, a_errors, strict=True)
        )
        g_errors = [abs(c.prime) + c.second * e for c, e in zip(costs, a_errors, strict=True)]
        mean = mpmath.fsum(p * c.prime for p, c in zip(a, costs, strict=True))
        mean_error = mpmath.fsum(
            p * g + e * abs(c.prime) for p, g, e, c in zip(a, g_errors, a_errors, costs, strict=True)
        )
        return Layer(
            mpmath.fsum(c.value for c in costs),
            None if corner else [p * (c.prime - mean) for p, c in zip(a, costs, strict=True)],
            mpmath.fsum(
                c.value + (abs(c.prime) + c.second * unit * e) * e for c, e in zip(costs, a_errors, strict=True)
            ),
            [
                e * abs(c.prime - mean) + p * (g + mean_error)
                for p, e, g, c in zip(a, a_errors, g_errors, costs, strict=True)
            ],
        )


def _softplus(z: Any) -> Any:
    return max(z, mpf(0)) + mpmath.log1p(mpmath.exp(-abs(z)))


def gradient(name: str, w: list[Any], b: list[Any], x: Any, y: Any, compiled: bool) -> list[tuple[Any, Any]]:
    """∂C/∂w¹, ∂C/∂w², ∂C/∂b¹, ∂C/∂b², ∂C/∂x of a net of two layers, each with its errors, by the four equations.

    The hidden activation is `name`; the output is sigmoid with cross-entropy.
    """
    with mpmath.workdps(DIGITS):
        w1, w2, b1, b2, x, y = (_exactly(v) for v in (*w, *b, x, y))
        z1, z1_error = w1 @ x + b1, abs(w1) @ abs(x) + abs(b1)
        hidden = [sigma(name, z, compiled) for z in z1]
        a1, prime, second, a1_error, prime_error = (np.array(v) for v in zip(*hidden, strict=True))
        a1_error, prime_error = a1_error + abs(prime) * z1_error, prime_error + abs(second) * z1_error
        z2, z2_error = w2 @ a1 + b2, abs(w2) @ (abs(a1) + a1_error) + abs(b2)
        outputs = [sigma("sigmoid", z, compiled) for z in z2]
        a2, slope, _, a2_error, _ = (np.array(v) for v in zip(*outputs, strict=True))
        delta2 = a2 - y
        error2 = a2_error + slope * z2_error + abs(delta2)
        back, back_error = w2.T @ delta2, abs(w2).T @ (abs(delta2) + error2)
        delta1, error1 = back * prime, abs(back) * prime_error + abs(prime) * back_error
        return [
            (np.outer(delta1, x), np.outer(error1, abs(x))),
            (np.outer(delta2, a1), np.outer(error2, abs(a1)) + np.outer(abs(delta2), a1_error)),
            (delta1, error1),
            (delta2, error2),
            (w1.T @ delta1, abs(w1).T @ (error1 + abs(delta1))),
        ]


def _exactly(array: Any) -> Any:
    return np.vectorize(lambda v: mpf(float(v)), otypes=[object])(array)

"""Pairs of output activation and cost that simplify: C and δ = ∂C/∂z of a whole layer, made of z as well as of a.

From a alone, C and ∂C/∂a lose what rounding took from a: log a where a has become 0, 1 − a where it has become 1. So
C here is made of log-sum-exp and its kin, and σ′ has been multiplied out of δ. `out` is one number, `delta` one per
output.
"""

import math
from typing import Any

from fastbp.kernels import elementary
from fastbp.kernels.activations import exponential, sigmoid, softmax, softplus
from fastbp.kernels.compile_options import INNER, njit
from fastbp.kernels.costs import cross_entropy, poisson
from fastbp.kernels.elementary import like

FAR = -40.0  # below, log(1 + exp z) is exp z, in float64 too


@njit(**INNER)
def largest_and_log_sum(z, a):
    """Return the largest z, and log Σ_j exp(z_j − largest) from the a of softmax: a_i of the largest is 1 / Σ.

    The sum of the others keeps all the digits of a small logarithm, and the largest z is not rounded into it.
    """
    i, others = 0, 0.0
    for j in range(1, z.size):
        i = j if z[j] > z[i] else i
    for j in range(z.size):
        others += 0.0 if j == i else a[j]
    return z[i], math.log1p(others / a[i])


def sigmoid_cross_entropy(out, z, a, y):
    """C = Σ_j −y_j log σ(z_j) − (1 − y_j) log(1 − σ(z_j)), where −log σ(z) = log(1 + exp −z) = softplus(−z).

    And softplus(z) = z + softplus(−z), so that one of the two is enough: that of −|z|.
    """
    total = 0.0
    for j in range(z.size):
        wrong = (1 - y[j]) * z[j] if z[j] > 0 else -y[j] * z[j]
        total += wrong + elementary.softplus(-abs(z[j]))
    out[0] = total


def softmax_cross_entropy(out, z, a, y):
    """C = −Σ_j y_j log a_j = Σ_j y_j (log Σ_i exp z_i − z_j)."""
    largest, log_sum = largest_and_log_sum(z, a)
    total, weight = 0.0, 0.0
    for j in range(z.size):
        total += y[j] * (largest - z[j])
        weight += y[j]
    out[0] = total + weight * log_sum  # not in the loop, where the compiler would add it to the largest z


def exponential_poisson(out, z, a, y):
    """C = Σ_j a_j − y_j log a_j = Σ_j exp z_j − y_j z_j."""
    total = 0.0
    for j in range(z.size):
        total += a[j] - y[j] * z[j]
    out[0] = total


def error_is_difference(delta, z, a, y):
    """δ_j = ∂C/∂z_j = a_j − y_j: σ′ has cancelled (Nielsen, chapter 3, eq. 66)."""
    for j in range(a.size):
        delta[j] = a[j] - y[j]


def difference_and_tangent(delta, delta_dot, z, a, y, a_dot):
    """δ_j = a_j − y_j, so δ̇_j = ȧ_j: ∂²C/∂z² is ∂a/∂z, which is the Fisher information too."""
    for j in range(a.size):
        delta[j] = a[j] - y[j]
        delta_dot[j] = a_dot[j]


def sigmoid_poisson(out, z, a, y):
    """C = Σ_j a_j − y_j log a_j, where −log σ(z) = softplus(−z)."""
    total = 0.0
    for j in range(z.size):
        total += a[j] + y[j] * elementary.softplus(-z[j])
    out[0] = total


def sigmoid_poisson_error(delta, z, a, y):
    """δ_j = (1 − y_j / a_j) a_j (1 − a_j) = (a_j − y_j)(1 − a_j)."""
    for j in range(a.size):
        delta[j] = (a[j] - y[j]) * (like(a[j], 1) - a[j])


def softplus_poisson(out, z, a, y):
    """C = Σ_j a_j − y_j log a_j, where far below 0 a = exp z."""
    total = 0.0
    for j in range(z.size):
        total += a[j] - y[j] * (z[j] if z[j] < FAR else elementary.log(a[j]))
    out[0] = total


def softplus_poisson_error(delta, z, a, y):
    """δ_j = (1 − y_j / a_j) σ′(z_j) = σ′ − y_j σ′ / a_j, where far below 0 σ′ is a."""
    for j in range(a.size):
        prime = elementary.sigmoid(z[j])
        delta[j] = prime - y[j] * (like(prime, 1) if z[j] < like(prime, FAR) else prime / a[j])


def softmax_poisson(out, z, a, y):
    """C = Σ_j a_j − y_j log a_j, log a_j as in `softmax_cross_entropy`."""
    largest, log_sum = largest_and_log_sum(z, a)
    total, weight = 0.0, 0.0
    for j in range(z.size):
        total += a[j] + y[j] * (largest - z[j])
        weight += y[j]
    out[0] = total + weight * log_sum


def softmax_poisson_error(delta, z, a, y):
    """−y_j, of which `softmax_poisson_derivative` makes δ_j: that is called sample by sample, this is not."""
    for j in range(a.size):
        delta[j] = -y[j]


def softmax_poisson_derivative(delta, z, a):
    """δ_j = a_j (g_j − Σ_i a_i g_i) with g_i = 1 − y_i / a_i, which is a_j Σ_i y_i − y_j as Σ_i a_i = 1."""
    total = 0.0
    for j in range(a.size):
        total += delta[j]
    for j in range(a.size):
        delta[j] -= a[j] * total


# (σ of the output layer, C) → the cost of a whole layer, its error δ = a − y, and that with its tangent δ̇.
FUSED_PAIRS: dict[tuple[Any, Any], tuple[Any, Any, Any]] = {
    (sigmoid, cross_entropy): (sigmoid_cross_entropy, error_is_difference, difference_and_tangent),
    (softmax, cross_entropy): (softmax_cross_entropy, error_is_difference, difference_and_tangent),
    (exponential, poisson): (exponential_poisson, error_is_difference, difference_and_tangent),
}
# The cost and error of pairs whose δ is another, and what makes δ of the latter, if that is not δ yet. Their tangents,
# and so Hessian, Gauss–Newton and Fisher matrix, are those of any pair.
SAFE_PAIRS: dict[tuple[Any, Any], tuple[Any, Any, Any]] = {
    (sigmoid, poisson): (sigmoid_poisson, sigmoid_poisson_error, None),
    (softplus, poisson): (softplus_poisson, softplus_poisson_error, None),
    (softmax, poisson): (softmax_poisson, softmax_poisson_error, softmax_poisson_derivative),
}

"""Pairs of output activation and cost that simplify: C and δ = ∂C/∂z of a whole layer, from z as well as from a.

From a alone, C and ∂C/∂a are wrong where rounding has made a 0 or 1, as they need log a and 1 − a. So log-sum-exp and
similar formulas give C here, and σ′ cancels in δ. `out` is one number, `delta` one per output.
"""

from typing import Any, NamedTuple

from fastbp.compiler.options import INNER, STRICT, njit
from fastbp.compiler.views import stretch
from fastbp.functions import elementary
from fastbp.functions.activations import exponential, sigmoid, softplus
from fastbp.functions.costs import cross_entropy, poisson
from fastbp.functions.elementary import like
from fastbp.functions.softmax import largest_of, softmax, sum_of

FAR = -40.0  # below it, log(1 + exp z) = exp z, also in float64


# C of softmax needs log Σ_j exp(z_j − z_i), z_i being the largest: computed in passes over many samples, so that log1p
# becomes vector instructions.


@njit(**INNER)
def others_over_largest(z, a):
    """Σ_{j ≠ i} exp(z_j − z_i) from the a of softmax, z_i being the largest. With the 1 of j = i, it is 1 / a_i."""
    i, others, largest = 0, 0.0, largest_of(z)  # a loop that compares with z[i] would branch
    for j in range(z.size):
        i = j if z[j] == largest else i
    for j in range(z.size):
        others += 0.0 if j == i else a[j]
    return others / a[i]


@njit(**INNER)
def add_log_sum(out, z, y):
    """Out = Σ_j y_j (out + z_i − z_j) = −Σ_j y_j log a_j, where out was log Σ_j exp(z_j − z_i)."""
    total, weight, largest = 0.0, 0.0, largest_of(z)
    for j in range(z.size):
        total += y[j] * (largest - z[j])
        weight += y[j]
    out[0] = total + weight * out[0]


@njit(**INNER, **STRICT)
def cross_entropies(costs, z, a, y, n):
    """C = −Σ_j y_j log a_j = Σ_j y_j (log Σ_i exp z_i − z_j) of softmax, of several samples with n numbers each.

    log1p of the sum without that of z_i keeps all digits of a small logarithm, because no 1 is added to it.
    """
    width = z.size // costs.size
    for s in range(costs.size):
        costs[s] = others_over_largest(stretch(z, s * width, n), stretch(a, s * width, n))
    for s in range(costs.size):
        costs[s] = elementary.log1p(costs[s])
    for s in range(costs.size):
        add_log_sum(stretch(costs, s, 1), stretch(z, s * width, n), stretch(y, s * width, n))


def sigmoid_cross_entropy(out, z, a, y):
    """C = Σ_j −y_j log σ(z_j) − (1 − y_j) log(1 − σ(z_j)), where −log σ(z) = log(1 + exp −z) = softplus(−z).

    As softplus(z) = z + softplus(−z), that of −|z| is enough.
    """
    total = 0.0
    for j in range(z.size):
        wrong = (1 - y[j]) * z[j] if z[j] > 0 else -y[j] * z[j]
        total += wrong + elementary.softplus(-abs(z[j]))
    out[0] = total


def softmax_cross_entropy(out, z, a, y):
    """C = −Σ_j y_j log a_j: see `cross_entropies`."""
    cross_entropies(out, z, a, y, z.size)


def softmax_cross_entropy_of_rows(costs, z, a, y, n, parameter):
    """The same of several samples, each with n numbers and perhaps padding after them."""
    cross_entropies(costs, z, a, y, n)


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
    """C = Σ_j a_j − y_j log a_j, where a = exp z far below 0."""
    total = 0.0
    for j in range(z.size):
        total += a[j] - y[j] * (z[j] if z[j] < FAR else elementary.log(a[j]))
    out[0] = total


@njit(**INNER)
def prime_over_a(z, a):
    """σ′(z) / a of softplus; its limit is 1 for z → −∞."""
    return like(a, 1) if z < like(z, FAR) else elementary.sigmoid(z) / a


def softplus_poisson_error(delta, z, a, y):
    """δ_j = (1 − y_j / a_j) σ′(z_j) = σ′ − y_j σ′ / a_j, where σ′ = a far below 0."""
    for j in range(a.size):
        delta[j] = elementary.sigmoid(z[j]) - y[j] * prime_over_a(z[j], a[j])


def softmax_poisson(out, z, a, y):
    """C = Σ_j a_j − y_j log a_j, log a_j as in `cross_entropies`."""
    cross_entropies(out, z, a, y, z.size)
    out[0] += sum_of(a)


def softmax_poisson_of_rows(costs, z, a, y, n, parameter):
    """The same of several samples, each with n numbers and perhaps padding after them."""
    cross_entropies(costs, z, a, y, n)
    for s in range(costs.size):
        costs[s] += sum_of(stretch(a, s * (a.size // costs.size), n))


def softmax_poisson_error(delta, z, a, y):
    """−y_j. From it `softmax_poisson_derivative`, called for each sample, computes δ_j."""
    for j in range(a.size):
        delta[j] = -y[j]


def softmax_poisson_derivative(delta, z, a):
    """δ_j = a_j (g_j − Σ_i a_i g_i) with g_i = 1 − y_i / a_i, which is a_j Σ_i y_i − y_j as Σ_i a_i = 1."""
    total = 0.0
    for j in range(a.size):
        total += delta[j]
    for j in range(a.size):
        delta[j] -= a[j] * total


# The change δ̇ of δ along ż and ȧ for Hessian, Gauss–Newton and Fisher matrix, without 0/0 where a is 0. Those of
# softmax are called for each sample.


def difference_and_tangent(delta, delta_dot, z, a, y, z_dot, a_dot):
    """δ_j = a_j − y_j, so δ̇_j = ȧ_j: ∂²C/∂z² is ∂a/∂z, and so is the Fisher information."""
    for j in range(a.size):
        delta[j] = a[j] - y[j]
        delta_dot[j] = a_dot[j]


def sigmoid_poisson_tangent(delta, delta_dot, z, a, y, z_dot, a_dot):
    """δ_j = (a_j − y_j)(1 − a_j), so δ̇_j = (1 + y_j − 2 a_j) ȧ_j."""
    for j in range(a.size):
        delta[j] = (a[j] - y[j]) * (like(a[j], 1) - a[j])
        delta_dot[j] = (like(a[j], 1) + y[j] - like(a[j], 2) * a[j]) * a_dot[j]


def sigmoid_poisson_gauss_newton(delta, delta_dot, z, a, y, z_dot, a_dot):
    """δ̇_j = σ′ y_j / a_j² σ′ ż_j = y_j (1 − a_j)² ż_j."""
    for j in range(a.size):
        rest = like(a[j], 1) - a[j]
        delta_dot[j] = y[j] * rest * rest * z_dot[j]


def sigmoid_poisson_fisher(delta, delta_dot, z, a, y, z_dot, a_dot):
    """δ̇_j = σ′ / a_j ȧ_j = (1 − a_j) ȧ_j."""
    for j in range(a.size):
        delta_dot[j] = (like(a[j], 1) - a[j]) * a_dot[j]


@njit(**INNER)
def bend_of_log(a):
    """−∂²(log a)/∂z² / σ′ of softplus, σ′ = 1 − e⁻ᵃ: (1 − (1 + a) e⁻ᵃ) / a², near 0 by its power series."""
    a = float(a)
    if a > 1 / 32:
        return (1 - (1 + a) * elementary.exp(-a)) / (a * a)
    return 1 / 2 - a * (1 / 3 - a * (1 / 8 - a * (1 / 30 - a * (1 / 144 - a / 840))))


def softplus_poisson_tangent(delta, delta_dot, z, a, y, z_dot, a_dot):
    """δ_j = σ′ − y_j σ′ / a_j, so δ̇_j = (1 − σ′ + y_j `bend_of_log`) ȧ_j, as ∂σ′/∂a is 1 − σ′."""
    for j in range(a.size):
        delta[j] = elementary.sigmoid(z[j]) - y[j] * prime_over_a(z[j], a[j])
        delta_dot[j] = (elementary.sigmoid(-z[j]) + y[j] * bend_of_log(a[j])) * a_dot[j]


def softplus_poisson_gauss_newton(delta, delta_dot, z, a, y, z_dot, a_dot):
    """δ̇_j = σ′ y_j / a_j² σ′ ż_j."""
    for j in range(a.size):
        ratio = prime_over_a(z[j], a[j])
        delta_dot[j] = y[j] * ratio * ratio * z_dot[j]


def softplus_poisson_fisher(delta, delta_dot, z, a, y, z_dot, a_dot):
    """δ̇_j = σ′ / a_j ȧ_j."""
    for j in range(a.size):
        delta_dot[j] = prime_over_a(z[j], a[j]) * a_dot[j]


def softmax_poisson_tangent(delta, delta_dot, z, a, y, z_dot, a_dot):
    """δ_j = a_j Σ_i y_i − y_j, so δ̇_j = ȧ_j Σ_i y_i."""
    total = 0.0
    for i in range(a.size):
        total += y[i]
    for j in range(a.size):
        delta[j] = a[j] * total - y[j]
        delta_dot[j] = a_dot[j] * total


def softmax_poisson_gauss_newton(delta, delta_dot, z, a, y, z_dot, a_dot):
    """δ̇_j = y_j u_j − a_j Σ_i y_i u_i, where u_j = ȧ_j / a_j = ż_j − Σ_i a_i ż_i."""
    mean, total = 0.0, 0.0
    for i in range(a.size):
        mean += a[i] * z_dot[i]
    for i in range(a.size):
        total += y[i] * (z_dot[i] - mean)
    for j in range(a.size):
        delta_dot[j] = y[j] * (z_dot[j] - mean) - a[j] * total


def softmax_poisson_fisher(delta, delta_dot, z, a, y, z_dot, a_dot):
    """δ̇_j = a_j (u_j − Σ_i a_i u_i) = ȧ_j, as Σ_i a_i u_i = Σ_i ȧ_i = 0."""
    for j in range(a.size):
        delta_dot[j] = a_dot[j]


# The Gauss–Newton matrix of softmax is a sum over outputs, Σ_c h_c (e_c − a)(e_c − a)ᵀ at z: its diagonal needs h.


def outputs_are_weights(delta, delta_dot, z, a, y, z_dot, a_dot):
    """h_j = a_j, of cross_entropy."""
    for j in range(a.size):
        delta_dot[j] = a[j]


def targets_are_weights(delta, delta_dot, z, a, y, z_dot, a_dot):
    """h_j = y_j, of poisson."""
    for j in range(a.size):
        delta_dot[j] = y[j]


class Pair(NamedTuple):
    """The functions of a pair. The last four have the arguments of those in `array_functions`, but return all of δ̇."""

    cost: Any
    error: Any
    derivative: Any  # computes δ from the error, if that is not δ: ``derivative(delta, z, a)``
    hessian: Any
    gauss_newton: Any
    fisher: Any
    diagonal: Any  # of the Gauss–Newton matrix: h_j of softmax, else δ̇_j for ż_j = 1
    cost_of_rows: Any = None  # of several samples, if that is not `cost` of each: ``(costs, z, a, y, n, parameter)``

    @property
    def is_fused(self) -> bool:
        """Whether δ = a − y. Then the Gauss–Newton matrix contains ∂²C/∂z², else, as for other costs, ∂²C/∂a²."""
        return self.error is error_is_difference


# (σ of the output layer, C) → the pair's functions.
PAIRS: dict[tuple[Any, Any], Pair] = {
    (sigmoid, cross_entropy): Pair(sigmoid_cross_entropy, error_is_difference, None, *[difference_and_tangent] * 4),
    (softmax, cross_entropy): Pair(
        softmax_cross_entropy, error_is_difference, None, *[difference_and_tangent] * 3, outputs_are_weights,
        softmax_cross_entropy_of_rows,
    ),
    (exponential, poisson): Pair(exponential_poisson, error_is_difference, None, *[difference_and_tangent] * 4),
    (sigmoid, poisson): Pair(
        sigmoid_poisson, sigmoid_poisson_error, None,
        sigmoid_poisson_tangent, sigmoid_poisson_gauss_newton, sigmoid_poisson_fisher, sigmoid_poisson_gauss_newton,
    ),
    (softplus, poisson): Pair(
        softplus_poisson, softplus_poisson_error, None,
        softplus_poisson_tangent, softplus_poisson_gauss_newton, softplus_poisson_fisher, softplus_poisson_gauss_newton,
    ),
    (softmax, poisson): Pair(
        softmax_poisson, softmax_poisson_error, softmax_poisson_derivative,
        softmax_poisson_tangent, softmax_poisson_gauss_newton, softmax_poisson_fisher, targets_are_weights,
        softmax_poisson_of_rows,
    ),
}  # fmt: skip

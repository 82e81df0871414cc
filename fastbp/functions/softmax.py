"""Softmax: of one sample, the formula; of several at once, what networks call, in sums of a fixed order.

Sums are side by side, in four chains: in one, each comparison or addition would wait for the one before.
"""

from fastbp.compiler.options import INNER, STRICT, njit
from fastbp.compiler.views import stretch
from fastbp.functions import elementary
from fastbp.functions.elementary import like


def softmax(a, z):
    """a_j = exp(z_j) / Σ_i exp(z_i), for the whole layer at once.

    Subtracting the largest z from all does not change the quotient, and keeps exp from overflowing.
    """
    largest = z[0]
    for j in range(1, z.size):
        largest = max(largest, z[j])
    for j in range(z.size):
        a[j] = elementary.exp(z[j] - largest)
    total = 0.0
    for j in range(z.size):
        total += a[j]
    for j in range(z.size):
        a[j] /= total


def softmax_of_rows(a, z, n, m):
    """The same for m samples, each with n numbers and perhaps padding after them: exp of all at once is faster.

    This is what networks call.
    """
    width = z.size // m
    for i in range(0, z.size, width):
        subtract_largest(stretch(a, i, n), stretch(z, i, n))
    for i in range(z.size):
        a[i] = elementary.exp(a[i])
    for i in range(0, z.size, width):
        divide_by_sum(stretch(a, i, n))


@njit(**INNER, **STRICT)
def largest_of(z):
    """max_j z_j."""
    most, most1, most2, most3 = z[0], z[0], z[0], z[0]
    for j in range(0, z.size - 3, 4):
        most, most1 = max(most, z[j]), max(most1, z[j + 1])
        most2, most3 = max(most2, z[j + 2]), max(most3, z[j + 3])
    for j in range(z.size - z.size % 4, z.size):
        most = max(most, z[j])
    return max(max(most, most1), max(most2, most3))


@njit(**INNER, **STRICT)
def sum_of(a):
    """Σ_j a_j."""
    total, total1, total2, total3 = 0.0, 0.0, 0.0, 0.0
    for j in range(0, a.size - 3, 4):
        total, total1 = total + a[j], total1 + a[j + 1]
        total2, total3 = total2 + a[j + 2], total3 + a[j + 3]
    for j in range(a.size - a.size % 4, a.size):
        total += a[j]
    return (total + total1) + (total2 + total3)


@njit(**INNER, **STRICT)
def subtract_largest(a, z):
    """a_j = z_j − max_i z_i."""
    largest = largest_of(z)
    for j in range(z.size):
        a[j] = z[j] - largest


@njit(**INNER, **STRICT)
def divide_by_sum(a):
    """a_j ← a_j / Σ_i a_i."""
    total = like(a[0], sum_of(a))
    for j in range(a.size):
        a[j] /= total


def softmax_derivative(delta, z, a):
    """δ_j ← Σ_i ∂a_i/∂z_j δ_i = a_j (δ_j − Σ_i a_i δ_i), because ∂a_i/∂z_j = a_i ([i = j] − a_j)."""
    mean = 0.0
    for i in range(a.size):
        mean += a[i] * delta[i]
    for j in range(a.size):
        delta[j] = a[j] * (delta[j] - mean)


def softmax_second_derivative(delta, a, a_dot):
    """δ_j ← ȧ_j (δ_j − Σ_i a_i δ_i) − a_j Σ_i ȧ_i δ_i: the derivative of `softmax_derivative` along ȧ."""
    mean, mean_dot = 0.0, 0.0
    for i in range(a.size):
        mean += a[i] * delta[i]
        mean_dot += a_dot[i] * delta[i]
    for j in range(a.size):
        delta[j] = a_dot[j] * (delta[j] - mean) - a[j] * mean_dot

"""Activations of a whole output layer, for costs of a whole sample: a = σ(z), and under it products with its Jacobian.

As of softmax, ``derivative(delta, z, a)`` is δ ← Jᵀ δ with J_ij = ∂a_i/∂z_j, and ``second_derivative(delta, a, a_dot)``
is δ ← J̇ᵀ δ along ȧ. Where J is not symmetric, ``tangent(z_dot, z, a)`` is ż ← J ż.
"""

from fastbp.functions import elementary
from fastbp.functions.activations import Activation
from fastbp.functions.elementary import like

MOST = 12.0  # of |log σ²|: σ is between e⁻⁶ = 0.0025 and e⁶ = 403


def mean_log_variance(a, z):
    """a_j = z_j, the means μ, in the first half; in the second one log σ² = `MOST` tanh(z_j / `MOST`)."""
    half = z.size // 2
    for j in range(half):
        a[j] = z[j]
    for j in range(half, z.size):
        a[j] = like(z[j], MOST) * elementary.tanh(z[j] / like(z[j], MOST))


def mean_log_variance_derivative(delta, z, a):
    """δ_j ← δ_j (1 − (a_j / `MOST`)²) in the second half."""
    for j in range(a.size // 2, a.size):
        share = a[j] / like(a[j], MOST)
        delta[j] *= (like(share, 1) - share) * (like(share, 1) + share)


def mean_log_variance_second(delta, a, a_dot):
    """δ_j ← −2 δ_j a_j ȧ_j / `MOST`² in the second half, 0 in the first one."""
    half = a.size // 2
    for j in range(half):
        delta[j] = like(delta[j], 0)
    for j in range(half, a.size):
        delta[j] *= like(a[j], -2 / (MOST * MOST)) * a[j] * a_dot[j]


def increasing(a, z):
    """a_0 = z_0, a_j = a_{j−1} + softplus(z_j): no output is below the one before it."""
    a[0] = z[0]
    for j in range(1, z.size):
        a[j] = a[j - 1] + elementary.softplus(z[j])


def increasing_derivative(delta, z, a):
    """δ_j ← σ′(z_j) Σ_{i ≥ j} δ_i, because z_j moves all a_i with i ≥ j; σ′ is 1 for j = 0."""
    for j in range(delta.size - 2, -1, -1):
        delta[j] += delta[j + 1]
    for j in range(1, delta.size):
        delta[j] *= elementary.sigmoid(z[j])


def increasing_tangent(z_dot, z, a):
    """ż_j ← ȧ_j = ȧ_{j−1} + σ′(z_j) ż_j."""
    for j in range(1, z_dot.size):
        z_dot[j] = z_dot[j - 1] + elementary.sigmoid(z[j]) * z_dot[j]


def increasing_second(delta, a, a_dot):
    """δ_j ← σ″(z_j) ż_j Σ_{i ≥ j} δ_i. With d = a_j − a_{j−1} = softplus(z_j): σ′ = 1 − e⁻ᵈ, and σ″ ż = e⁻ᵈ ḋ."""
    for j in range(delta.size - 2, -1, -1):
        delta[j] += delta[j + 1]
    for j in range(delta.size - 1, 0, -1):
        delta[j] *= elementary.exp(a[j - 1] - a[j]) * (a_dot[j] - a_dot[j - 1])
    delta[0] = like(delta[0], 0)


LAYER_ACTIVATIONS: dict[str, Activation] = {
    activation.name: activation
    for activation in (
        Activation(
            "mean_log_variance", mean_log_variance, mean_log_variance_derivative,
            second_derivative=mean_log_variance_second, whole_layer=True,
        ),
        Activation(
            "increasing", increasing, increasing_derivative,
            second_derivative=increasing_second, whole_layer=True, tangent=increasing_tangent,
        ),
    )
}  # fmt: skip

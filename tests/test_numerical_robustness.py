"""Costs and errors at the edges, against mpmath: saturation, logits of ±1e4, targets of 0 and 1, subnormals, scales.

For every cost with every elementwise output that it takes, in both dtypes. What mathematics makes a number of that
dtype is finite here, and no further from it than a few roundings of a, of y and of what is made of them: `tolerances`.
"""

import mpmath
import numpy as np
import pytest
from test_activations import exact as exact_activation
from test_costs import exact as exact_cost

import fastbp
from fastbp.kernels.activations import ACTIVATIONS
from fastbp.kernels.costs import COSTS

LOGITS = [0.0, 1e-8, -1e-3, 1.0, -5.0, 17.0, -17.0, 40.0, -90.0, 100.0, -750.0, 1e4, -1e4, 1e18, -1e18]
TARGETS = [0.0, 1.0, 0.5, 1e-30]
PAIRS = [
    (cost, output)
    for cost in COSTS
    for output, sigma in ACTIVATIONS.items()
    if not sigma.whole_layer and COSTS[cost].refusal(sigma) is None
]
FUSED = {("cross_entropy", "sigmoid"), ("poisson", "exponential")}


def tolerances(pair, eps, a, y, cost, prime, slope):
    """Return how far cost and δ may be: 32 roundings of themselves, of a and y in them, and of σ′ made of a."""
    reach = abs(a) + abs(y)
    if pair in FUSED:
        return 32 * eps * (abs(cost) + reach), 32 * eps * (abs(prime * slope) + reach)
    allowed = abs(cost) + reach * abs(prime) + eps * reach**2, abs(prime * slope) + 2 * reach * slope + abs(prime)
    return tuple(32 * eps * allow for allow in allowed)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("cost", "output"), PAIRS)
def test_costs_and_errors_at_the_edges(cost, output, dtype):
    info, parameter = np.finfo(dtype), COSTS[cost].parameter
    wrong = []
    z = np.repeat(np.array([*LOGITS, 4 * info.smallest_subnormal, -info.tiny], dtype), len(TARGETS))
    y = np.resize(np.array(TARGETS, dtype), len(z))
    net = fastbp.Network([1, 1], output_activation=output, cost=cost, dtype=dtype, formulation="tiles")
    net.parameters[:] = 1, 0
    errors = net.per_sample_gradients(z[:, None], y[:, None])[:, 1]  # ∂C/∂b = δ
    costs = [net.evaluate(z[s : s + 1, None], y[s : s + 1, None]).cost for s in range(len(z))]
    with mpmath.workdps(400):
        for s, (given_cost, given_error) in enumerate(zip(costs, errors, strict=True)):
            a, slope = exact_activation(output, float(z[s]))
            if a == 0 and cost == "poisson":
                continue  # log 0, or an exponential beyond the digits
            if cost == "cross_entropy" and not 0 < a < 1:
                continue
            value, prime = exact_cost(cost, a, float(y[s]), parameter)
            allowed = tolerances((cost, output), info.eps, a, float(y[s]), value, prime, slope)
            for what, given, exact, tolerance in (
                ("cost", given_cost, value, allowed[0]),
                ("δ", given_error, prime * slope, allowed[1]),
            ):
                if abs(exact) > float(info.max) / 4:
                    continue
                if not np.isfinite(given) or abs(mpmath.mpf(float(given)) - exact) > tolerance + float(info.tiny):
                    wrong.append(f"{what} at z = {z[s]}, y = {y[s]}: {given}, exact {mpmath.nstr(exact, 8)}")
    assert wrong == []


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_softmax_at_the_edges(dtype):
    """C = Σ y (log Σ exp z − z) and δ = a − y, for logits of ±1e4, equal ones and subnormal ones."""
    rows = [[1e4, -1e4, 0], [-1e4, -1e4, -1e4], [1e4, 1e4, -1e4], [1e30, 0, -1e30], [1e-40, 0, -1e-40], [88, -88, 1]]
    targets = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.2, 0.3, 0.5]], dtype)
    eps = float(np.finfo(dtype).eps)
    net = fastbp.Network([3, 3], output_activation="softmax", cost="cross_entropy", dtype=dtype)
    net.weights[0][:], net.biases[0][:] = np.eye(3), 0
    with mpmath.workdps(60):
        for z in np.array(rows, dtype):
            exponentials = [mpmath.exp(mpmath.mpf(float(v)) - float(z.max())) for v in z]
            total = sum(exponentials)
            for y in targets:
                exact = sum(
                    float(t) * (mpmath.log(total) + float(z.max()) - float(v)) for t, v in zip(y, z, strict=True)
                )
                cost = net.evaluate(z[None], y[None]).cost
                assert abs(cost - exact) <= 32 * eps * (1 + float(np.abs(z.max() - z) @ y) + abs(exact))
                delta = net.gradient(z[None], y[None]).biases[0]
                exact_delta = [float(e / total) - float(t) for e, t in zip(exponentials, y, strict=True)]
                np.testing.assert_allclose(delta, exact_delta, rtol=0, atol=32 * eps)

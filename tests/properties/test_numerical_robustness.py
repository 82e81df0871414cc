"""Costs and gradients at the edges, against mpmath: saturation, logits of ±1e4, targets of 0 and 1, subnormals, scales.

Where the exact value is in the range of the dtype, the computed value is finite, and its error is within K roundings of
each intermediate number: the bounds of `running_errors.py`. This holds for every cost with every output activation that
it allows, in both dtypes and all formulations.
"""

import itertools

import mpmath
import numpy as np
import pytest
from running_errors import DIGITS, gradient, output, sigma, softmax_output

import fastbp
from fastbp.formulations import FORMULATIONS
from fastbp.functions.activations import ACTIVATIONS
from fastbp.functions.costs import COSTS

K = 8
LOGITS = [
    0.0,
    1e-8,
    -1e-3,
    0.7,
    -0.75,
    1.0,
    -5.0,
    17.0,
    -17.0,
    -38.0,
    40.0,
    -90.0,
    100.0,
    -750.0,
    1e4,
    -1e4,
    1e18,
    -1e18,
]
ANY, COUNTS, PROBABILITIES = [0.0, 1.0, 0.5, 1e-30, -3.0, 1e9], [0.0, 1.0, 0.5, 1e-30, 1e6], [0.0, 1.0, 0.5, 1e-30]
PAIRS = [
    (cost, output)
    for cost in COSTS
    for output, sigma in ACTIVATIONS.items()
    if not sigma.whole_layer and COSTS[cost].refusal(sigma) is None
]


def is_compiled(formulation: str) -> bool:
    return formulation in ("tiles", "loops")


def ratio(given, exact, bound, info) -> float:
    """The error of a number as a multiple of the allowed error; infinite for NaN and infinity."""
    if abs(exact) > float(info.max) / 4:
        return 0.0
    error = abs(mpmath.mpf(float(given)) - exact) if np.isfinite(given) else mpmath.inf
    return float(error / (float(info.eps) * K * bound + float(info.tiny)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("cost", "activation"), PAIRS)
def test_costs_and_errors_at_the_edges(cost, activation, dtype):
    """One wide layer whose biases are the logits gives all δ; each cost is computed alone."""
    info, kinds = np.finfo(dtype), {"cross_entropy": PROBABILITIES, "poisson": COUNTS}
    logits = [*LOGITS, 4 * float(info.smallest_subnormal), -float(info.tiny)]
    z, y = (np.array(v, dtype) for v in zip(*itertools.product(logits, kinds.get(cost, ANY)), strict=True))
    wide = fastbp.Network([1, len(z)], output_activation=activation, cost=cost, dtype=dtype, initializer="zeros")
    wide.biases[0][:] = z
    narrow = fastbp.Network([1, 1], output_activation=activation, cost=cost, dtype=dtype)
    narrow.parameters[:] = 1, 0
    wrong = []
    for formulation, sums in FORMULATIONS.items():
        wide.formulation = formulation
        deltas = wide.gradient([[0.0]], y[None]).biases[0]
        costs = sums.costs(narrow._model, z[:, None], y[:, None])[1]
        for s in range(len(z)):
            exact = output(cost, activation, float(z[s]), float(y[s]), is_compiled(formulation), K * float(info.eps))
            at = f"{formulation}, z = {z[s]}, y = {y[s]}"
            if (times := ratio(costs[s], exact.cost, exact.cost_error, info)) > 1:
                wrong.append(f"C, {at}: {costs[s]}, not {mpmath.nstr(exact.cost, 8)}: {times:.3g} times too far")
            if exact.delta is not None and (times := ratio(deltas[s], exact.delta, exact.delta_error, info)) > 1:
                wrong.append(f"δ, {at}: {deltas[s]}, not {mpmath.nstr(exact.delta, 8)}: {times:.3g} times too far")
    assert wrong == []


HIDDEN = [name for name in ACTIVATIONS if name not in ("softmax", "exponential")]  # exp z overflows too early


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("hidden", HIDDEN)
def test_the_gradient_of_a_whole_net_at_tiny_and_huge_scales(hidden, dtype):
    """Weights and inputs so small that products are subnormal, and so large that neurons saturate."""
    rng, info, wrong = np.random.default_rng(0), np.finfo(dtype), []
    for scale in [1e-150 if dtype == "float64" else 1e-18, 1e-6, 1.0, 40.0, 1e4]:
        net = fastbp.Network(
            [3, 4, 2], activation=hidden, output_activation="sigmoid", cost="cross_entropy", dtype=dtype, seed=1
        )
        net.parameters[:] *= scale
        for x, y in (
            (rng.standard_normal(3), np.array([0.0, 1.0])),
            (rng.standard_normal(3) / scale, np.array([1.0, 0.3])),
        ):
            x, y = x.astype(dtype), y.astype(dtype)
            for formulation in FORMULATIONS:
                net.formulation = formulation
                exact = gradient(hidden, net.weights, net.biases, x, y, is_compiled(formulation))
                given = net.gradient(x[None], y[None])
                ours = [*given.weights, *given.biases, net.input_gradient(x[None], y[None])[0]]
                for part, values, (right, errors) in zip(PARTS, ours, exact, strict=True):
                    times = max(map(ratio, values.flat, right.flat, errors.flat, itertools.repeat(info)))
                    if times > 1:
                        wrong.append(f"{part} of {formulation}, scale {scale}: {times:.3g} times too far")
    assert wrong == []


PARTS = ["∂C/∂w¹", "∂C/∂w²", "∂C/∂b¹", "∂C/∂b²", "∂C/∂x"]
ROWS = [
    [0, 0, 0], [1e4, -1e4, 0], [-1e4, -1e4, -1e4], [1e4, 1e4, -3], [30, 0, 0], [-1e18, 0, 1e18], [1e-40, 0, 0],
    [0, 90, 0],
]  # fmt: skip
TARGETS = [[1, 0, 0], [0, 0, 1], [0.5, 0.5, 0], [1e-30, 1, 0]]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cost", COSTS)
def test_softmax_at_the_edges(cost, dtype):
    """Every row of logits with every row of targets: small costs and large logits keep all their digits."""
    info, wrong = np.finfo(dtype), []
    for z, y in itertools.product(np.array(ROWS, dtype), np.array(TARGETS, dtype)):
        net = fastbp.Network([1, 3], output_activation="softmax", cost=cost, dtype=dtype, initializer="zeros")
        net.biases[0][:] = z
        right = softmax_output(cost, [float(v) for v in z], [float(v) for v in y], K * float(info.eps))
        for formulation in FORMULATIONS:
            net.formulation = formulation
            given = net.evaluate([[0.0]], y[None]).cost
            deltas = net.gradient([[0.0]], y[None]).biases[0]
            reach = right.cost_error if is_compiled(formulation) else max(right.cost_error, 1)
            pairs = [("C", given, right.cost, reach)]
            if right.delta is not None:
                pairs += zip("δδδ", deltas, right.delta, right.delta_error, strict=True)
            wrong += [
                f"{what} of {formulation}, z = {z}, y = {y}: {number}, not {mpmath.nstr(exact, 8)}"
                for what, number, exact, bound in pairs
                if ratio(number, exact, bound, info) > 1
            ]
    assert wrong == []


def second_derivatives(activation, z, y):
    """∂²C/∂z² of poisson, σ′ ∂²C/∂a² σ′ and σ′ E[(∂C/∂a)²] σ′, with their errors."""
    at, y = sigma(activation, z, True), mpmath.mpf(y)
    with mpmath.workdps(DIGITS):
        a, prime, second = at.a, at.prime, at.second
        squared = prime * prime / (a * a)
        hessian = y * squared + (1 - y / a) * second
        lost = at.prime_error + prime  # where 1 − a is computed from a
        return [
            (hessian, y * squared + abs(1 - y / a) * abs(second) + (1 + y + 2 * a) * lost),
            (y * squared, y * squared + 2 * y * prime + y * (activation == "sigmoid") * prime / a),
            (prime * prime / a, prime * prime / a + lost),
        ]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ["sigmoid", "softplus", "exponential"])
def test_second_derivatives_of_poisson_where_a_has_become_0(activation, dtype):
    info, wrong = np.finfo(dtype), []
    logits = [v for v in LOGITS if abs(v) < 1e18 and (activation != "exponential" or v < 80)]
    z, y = (np.array(v, dtype) for v in zip(*itertools.product(logits, COUNTS), strict=True))
    net = fastbp.Network([1, len(z)], output_activation=activation, cost="poisson", dtype=dtype, initializer="zeros")
    net.biases[0][:] = z
    X, v = [[0.0]], fastbp.ParameterVector(net.sizes, np.zeros(net.parameters.size, dtype))
    v.biases[0][:] = 1
    given = [
        net.hessian_vector_product(X, y[None], v).biases[0],
        net.gauss_newton_vector_product(X, y[None], v).biases[0],
        net.fisher_vector_product(X, v).biases[0],
        net.gauss_newton_diagonal(X, y[None]).biases[0],
    ]
    for s in range(len(z)):
        h, g, f = second_derivatives(activation, float(z[s]), float(y[s]))
        if activation == "exponential":
            g = h  # the Gauss–Newton matrix of a fused pair uses ∂²C/∂z²
        for what, number, (exact, bound) in zip(
            ("H", "G", "F", "diag G"), (n[s] for n in given), (h, g, f, g), strict=True
        ):
            if (times := ratio(number, exact, bound, info)) > 1:
                wrong.append(f"{what}, z = {z[s]}, y = {y[s]}: {number}, not {mpmath.nstr(exact, 8)}: {times:.3g}")
    assert wrong == []


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_second_derivatives_of_poisson_with_softmax_where_an_a_has_become_0(dtype):
    """For a direction ż: ȧ = J ż, H ż = ȧ Σ y, G ż = J diag(y/a²) J ż, F ż = J diag(1/a) J ż."""
    info, wrong, moved = np.finfo(dtype), [], [1.0, -2.0, 0.5]
    for z, y in itertools.product(np.array(ROWS, dtype), np.array([*TARGETS, [0, 0, 0], [3, 7, 0]], dtype)):
        net = fastbp.Network([1, 3], output_activation="softmax", cost="poisson", dtype=dtype, initializer="zeros")
        net.biases[0][:] = z
        X, v = [[0.0]], fastbp.ParameterVector(net.sizes, np.zeros(net.parameters.size, dtype))
        v.biases[0][:] = moved
        with mpmath.workdps(DIGITS):
            below = [mpmath.mpf(float(t)) - float(max(z)) for t in z]
            total = mpmath.fsum(map(mpmath.exp, below))
            a = [mpmath.exp(t) / total for t in below]
            mean, counts = mpmath.fdot(a, moved), [mpmath.mpf(float(t)) for t in y]
            u = [t - mean for t in moved]
            along = mpmath.fdot(counts, u)
            wide = [p * (1 + abs(t)) for p, t in zip(a, below, strict=True)]
            reach = 1 + 2 * max(map(abs, moved)) * mpmath.fsum(wide)
            exact = {
                "H": [p * w * mpmath.fsum(counts) for p, w in zip(a, u, strict=True)],
                "G": [t * w - p * along for t, w, p in zip(counts, u, a, strict=True)],
                "F": [p * w for p, w in zip(a, u, strict=True)],
                "diag G": [mpmath.fsum(counts[c] * ((c == j) - a[j]) ** 2 for c in range(3)) for j in range(3)],
            }
            bounds = {
                "H": [p * reach * mpmath.fsum(counts) for p in wide],
                "G": [reach * (t + p * mpmath.fsum(counts)) for t, p in zip(counts, wide, strict=True)],
                "F": [p * reach for p in wide],
                "diag G": [(p + 1) * mpmath.fsum(counts) for p in wide],
            }
        given = {
            "H": net.hessian_vector_product(X, y[None], v), "G": net.gauss_newton_vector_product(X, y[None], v),
            "F": net.fisher_vector_product(X, v), "diag G": net.gauss_newton_diagonal(X, y[None]),
        }  # fmt: skip
        wrong += [
            f"{what}, z = {z}, y = {y}: {number}, not {mpmath.nstr(right, 8)}"
            for what, vector in given.items()
            for number, right, bound in zip(vector.biases[0], exact[what], bounds[what], strict=True)
            if ratio(number, right, bound, info) > 1
        ]
    assert wrong == []

"""Costs and gradients at the edges, against mpmath: saturation, logits of ±1e4, targets of 0 and 1, subnormals, scales.

What mathematics makes a number of the dtype is finite, and no further from it than K roundings of each number on the
way to it: the bounds of `running_errors.py`. For every cost with every output activation that it takes, in both dtypes
and all formulations.
"""

import itertools

import mpmath
import numpy as np
import pytest
from running_errors import DIGITS, output

import fastbp
from fastbp.formulations import FORMULATIONS
from fastbp.kernels.activations import ACTIVATIONS
from fastbp.kernels.costs import COSTS

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
    """By how many of the errors that are allowed a number is wrong; a NaN and an infinity are wrong by any number."""
    if abs(exact) > float(info.max) / 4:
        return 0.0
    error = abs(mpmath.mpf(float(given)) - exact) if np.isfinite(given) else mpmath.inf
    return float(error / (float(info.eps) * K * bound + float(info.tiny)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("cost", "activation"), PAIRS)
def test_costs_and_errors_at_the_edges(cost, activation, dtype):
    """A layer as wide as there are logits and targets, whose biases are the logits; costs one by one."""
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


def exact_gradient(net, x, y):
    """∂C/∂θ of a sample, tanh and then sigmoid with cross-entropy, by the four equations with mpmath."""
    with mpmath.workdps(DIGITS):
        w, b = ([mpmath.matrix(part.tolist()) for part in parts] for parts in (net.weights, net.biases))
        a0, target = mpmath.matrix(x.tolist()), mpmath.matrix(y.tolist())
        z1 = w[0] * a0 + b[0]
        a1 = z1.apply(mpmath.tanh)
        delta2 = (w[1] * a1 + b[1]).apply(lambda z: 1 / (1 + mpmath.exp(-z))) - target
        back = w[1].T * delta2
        delta1 = mpmath.matrix([back[j] * mpmath.sech(z1[j]) ** 2 for j in range(len(z1))])
        return [list(delta1 * a0.T), list(delta2 * a1.T), list(delta1), list(delta2), list(w[0].T * delta1)]


@pytest.mark.parametrize("scale", [1e-150, 1e-30, 1.0, 40.0])
def test_the_gradient_of_a_whole_net_at_tiny_and_huge_scales(scale):
    """In float64, each layer's to 1e-12 of its largest number."""
    rng = np.random.default_rng(0)
    net = fastbp.Network(
        [3, 4, 2], activation="tanh", output_activation="sigmoid", cost="cross_entropy", dtype="float64", seed=1
    )
    net.parameters[:] *= scale
    for x, y in (
        (rng.standard_normal(3), np.array([0.0, 1.0])),
        (rng.standard_normal(3) / scale, np.array([1.0, 0.3])),
    ):
        exact = exact_gradient(net, x, y)
        for formulation in FORMULATIONS:
            net.formulation = formulation
            gradient = net.gradient(x[None], y[None])
            given = [*gradient.weights, *gradient.biases, net.input_gradient(x[None], y[None])]
            for ours, theirs in zip(given, exact, strict=True):
                expected = np.array([float(v) for v in theirs])
                np.testing.assert_allclose(ours.ravel(), expected, rtol=0, atol=1e-12 * np.abs(expected).max())


ROWS = [
    [0, 0, 0], [1e4, -1e4, 0], [-1e4, -1e4, -1e4], [1e4, 1e4, -3], [30, 0, 0], [-1e18, 0, 1e18], [1e-40, 0, 0],
    [0, 90, 0],
]  # fmt: skip
TARGETS = [[1, 0, 0], [0, 0, 1], [0.5, 0.5, 0], [1e-30, 1, 0]]


def softmax_exactly(cost, z, y):
    """C and δ of a row of logits, and what roundings are relative to: terms that are added, and 1 for log a."""
    with mpmath.workdps(DIGITS):
        below = [mpmath.mpf(v) - max(z) for v in z]
        log_sum = mpmath.log(mpmath.fsum(map(mpmath.exp, below)))
        a, logs = [mpmath.exp(v - log_sum) for v in below], [v - log_sum for v in below]
        total = mpmath.fsum(y)
        value = -mpmath.fsum(t * v for t, v in zip(y, logs, strict=True))
        errors = [p * total - t for p, t in zip(a, y, strict=True)]
        reach = mpmath.fsum(abs(t * v) for t, v in zip(y, logs, strict=True))
        if cost == "poisson":
            value, reach = value + 1, reach + 1
        else:
            errors = [p - t for p, t in zip(a, y, strict=True)]
        return value, errors, reach, [p * total + p + t for p, t in zip(a, y, strict=True)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cost", ["cross_entropy", "poisson"])
def test_softmax_at_the_edges(cost, dtype):
    """Every row of logits with every row of targets; a small cost has all its digits, a large logit loses none."""
    info, wrong = np.finfo(dtype), []
    for z, y in itertools.product(np.array(ROWS, dtype), np.array(TARGETS, dtype)):
        net = fastbp.Network([1, 3], output_activation="softmax", cost=cost, dtype=dtype, initializer="zeros")
        net.biases[0][:] = z
        value, errors, reach, reaches = softmax_exactly(cost, [float(v) for v in z], [float(v) for v in y])
        for formulation in FORMULATIONS:
            net.formulation = formulation
            given = net.evaluate([[0.0]], y[None]).cost
            deltas = net.gradient([[0.0]], y[None]).biases[0]
            pairs = [("C", given, value, reach), *zip("δδδ", deltas, errors, reaches, strict=True)]
            wrong += [
                f"{what} of {formulation}, z = {z}, y = {y}: {number}, not {mpmath.nstr(exact, 8)}"
                for what, number, exact, bound in pairs
                if ratio(number, exact, bound if is_compiled(formulation) else max(bound, 1), info) > 1
            ]
    assert wrong == []

"""Backpropagation against central differences of the cost: activation × cost × formulation, by depth, in float64."""

import math

import numpy as np
import pytest
from conftest import central_difference, relative_difference
from own_functions import ALGEBRAIC, LOG_COSH

import fastbp
from fastbp.formulations import FORMULATIONS
from fastbp.formulations.textbook import feedforward
from fastbp.functions.activations import ACTIVATIONS
from fastbp.functions.costs import COSTS

# The derivative as a function of the output: σ(z) = log(1 + exp z), so exp z = exp a − 1 and σ′ = 1 − exp −a.
SOFTPLUS_BY_A = fastbp.Activation(
    "softplus_by_a", lambda z: math.log(1 + math.exp(z)), lambda a: 1 - math.exp(-a), "a", "(0, inf)"
)

ALL_ACTIVATIONS = {**ACTIVATIONS, "algebraic": ALGEBRAIC, "softplus_by_a": SOFTPLUS_BY_A}
ALL_COSTS = {**COSTS, "log_cosh": LOG_COSH, "huber_0.5": fastbp.Huber(0.5), "quantile_0.9": fastbp.Quantile(0.9)}
DEPTHS = {0: [3, 3], 1: [3, 4, 3], 2: [3, 4, 2, 3]}
# Activations whose outputs are in the open range that a cost needs; listed here, not taken from the package.
FITTING = {
    "cross_entropy": {"sigmoid", "softmax"},
    "poisson": {"sigmoid", "softmax", "softplus", "softplus_by_a", "exponential"},
}
CORNERED = {"relu", "leaky_relu", "elu", "selu"}  # the derivative of elu has a corner, that of selu a step

PAIRS = [(s, c) for s in ALL_ACTIVATIONS for c in ALL_COSTS]
VALID = [(s, c) for s, c in PAIRS if s in FITTING.get(c, ALL_ACTIVATIONS)]
INVALID = [pair for pair in PAIRS if pair not in VALID]
CASES = [(s, c, depth) for depth in DEPTHS for s, c in VALID]


def by_one_depth() -> list[tuple[str, str, int]]:
    """One depth for each activation and cost, so that each activation and most costs meet all depths.

    A layer's σ′ is multiplied to its δ whatever the cost is, and a cost's derivative is taken whatever is below. A cost
    that suits few activations meets all depths with each. All cases are tested by ``pytest -m slow``.
    """
    activations, costs = list(ALL_ACTIVATIONS), list(ALL_COSTS)
    return [
        (s, c, depth)
        for s, c, depth in CASES
        if c in FITTING or (activations.index(s) + costs.index(c)) % len(DEPTHS) == depth
    ]


def network(activation: str, cost: str, depth: int, seed: int) -> fastbp.Network:
    """All layers have one activation; softmax is for the output only, so its hidden layers have tanh."""
    return fastbp.Network(
        DEPTHS[depth],
        activation=ALL_ACTIVATIONS["tanh" if activation == "softmax" else activation],
        output_activation=ALL_ACTIVATIONS[activation],
        cost=ALL_COSTS[cost],
        initializer=fastbp.Initializer(
            "test",
            lambda rng, n_out, n_in: (0.5 * rng.standard_normal((n_out, n_in)), 0.3 * rng.standard_normal(n_out)),
        ),
        dtype="float64",
        seed=seed,
    )


def suited_targets(net: fastbp.Network, outputs, rng):
    """Targets in the domain of the cost and away from its corners: |a − y| is not 0, 0.5 or 1."""
    if net.cost.name == "cross_entropy":
        y = rng.uniform(0.05, 0.95, outputs.shape)
        return y / y.sum(axis=1, keepdims=True) if net.activations[-1].name == "softmax" else y
    if net.cost.name == "poisson":
        return rng.integers(0, 5, outputs.shape).astype(float)
    return outputs + rng.choice([-1.7, -0.75, -0.3, 0.2, 0.8, 1.6], outputs.shape)


def far_from_corners(net: fastbp.Network, X) -> bool:
    corners = [s.name in CORNERED for s in net.activations]
    zs = [feedforward(net._model, x)[0] for x in X]
    return all(np.abs(z).min() > 0.03 for sample in zs for z, corner in zip(sample, corners, strict=True) if corner)


def case(activation: str, cost: str, depth: int):
    """A network, samples and the gradient by differences, for all formulations."""
    for seed in range(1000):
        rng = np.random.default_rng([seed, depth])
        net, X = network(activation, cost, depth, seed), rng.uniform(-1.5, 1.5, (3, 3))
        if far_from_corners(net, X):
            break
    else:
        raise AssertionError("no seed keeps away from the corners")
    Y = suited_targets(net, net.predict(X), rng)
    return net, X, Y, by_differences(net, X, Y)


def by_differences(net: fastbp.Network, X, Y):
    theta = net.parameters.copy()

    def cost_at(parameters):
        net.parameters[:] = parameters
        return FORMULATIONS["vectorized"].costs(net._model, X, Y)[1].mean()

    gradient = central_difference(cost_at, theta)
    net.parameters[:] = theta
    return gradient


@pytest.mark.parametrize(
    ("activation", "cost", "depth"),
    [case if case in by_one_depth() else pytest.param(*case, marks=pytest.mark.slow) for case in CASES],
)
def test_backpropagation_is_the_derivative(activation, cost, depth):
    net, X, Y, expected = case(activation, cost, depth)
    assert np.abs(expected).max() > 1e-4  # a gradient of 0 would prove nothing
    for formulation in FORMULATIONS:
        net.formulation = formulation
        assert relative_difference(net.gradient(X, Y).vector, expected) < 1e-7, formulation


def test_one_depth_is_enough_for_each_activation_and_cost_to_meet_all():
    chosen = by_one_depth()
    assert {(s, c) for s, c, _ in chosen} == set(VALID)
    for kind in (0, 1):
        names = ALL_ACTIVATIONS if kind == 0 else ALL_COSTS
        assert {(case[kind], case[2]) for case in chosen} == {(name, depth) for name in names for depth in DEPTHS}


@pytest.mark.parametrize(("activation", "cost"), INVALID)
def test_a_cost_that_makes_no_sense_on_the_outputs_is_refused(activation, cost):
    with pytest.raises(ValueError, match=f"the cost '{cost}' needs outputs in .* '{activation}' gives"):
        network(activation, cost, 1, 0)


@pytest.mark.parametrize("hidden", [["relu", "sigmoid"], ["gelu", "tanh"], ["elu", "silu"], ["softplus", "leaky_relu"]])
@pytest.mark.parametrize(
    ("output", "cost"),
    [("softmax", "cross_entropy"), ("sigmoid", "cross_entropy"), ("exponential", "poisson"), ("identity", "quadratic")],
)
def test_layers_of_different_activations(hidden, output, cost, formulation):
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        net = fastbp.Network(
            [4, 5, 3, 2],
            activation=hidden,
            output_activation=output,
            cost=cost,
            dtype="float64",
            seed=seed,
            formulation=formulation,
        )
        X = rng.uniform(-1.5, 1.5, (3, 4))
        if far_from_corners(net, X):
            break
    else:
        raise AssertionError("no seed keeps away from the corners")
    Y = suited_targets(net, net.predict(X), rng)
    assert relative_difference(net.gradient(X, Y).vector, by_differences(net, X, Y)) < 1e-7


def test_one_output_and_one_neuron_a_layer(formulation):
    net = fastbp.Network(
        [1, 1, 1, 1], activation="sigmoid", cost="squared_error", dtype="float64", seed=3, formulation=formulation
    )
    X, Y = np.array([[0.7], [-1.1]]), np.array([[1.0], [0.0]])
    assert relative_difference(net.gradient(X, Y).vector, by_differences(net, X, Y)) < 1e-7

"""Costs: values and derivatives against mpmath, parameters, refusals, and `check_derivative`."""

import math

import numpy as np
import pytest

import fastbp
from fastbp.formulations import array_functions
from fastbp.functions.activations import ACTIVATIONS
from fastbp.functions.costs import COSTS

REAL = [(a, y) for a in (-40.0, -1.5, -0.3, 0.2, 1.7, 1e3) for y in (-2.0, 0.0, 0.1, 3.5)]
REAL += [(1e100, -1e100), (1e-300, 0.0), (0.0, 1e-300), (-1e9, 1e9)]
PROBABILITIES = [(a, y) for a in (1e-300, 1e-9, 0.2, 0.5, 0.75, 1 - 1e-9) for y in (0.0, 0.3, 1.0)]
POSITIVE = [(a, y) for a in (1e-300, 1e-9, 0.4, 3.0, 1e9, 1e300) for y in (0.0, 1.0, 0.5, 7.0, 1e6)]
POINTS = {"cross_entropy": PROBABILITIES, "poisson": POSITIVE}


def exact(name: str, a: float, y: float, parameter: float | None):
    """C and ∂C/∂a with 400 digits, so that 1 + 1e-300 differs from 1."""
    mp = pytest.importorskip("mpmath").mp
    with mp.workdps(400):
        a, y = mp.mpf(a), mp.mpf(y)
        p = mp.mpf(parameter if parameter is not None else 0)
        log = lambda factor, x: factor * mp.log(x) if factor else mp.mpf(0)  # noqa: E731 – 0 log 0 = 0
        return {
            "quadratic": lambda: ((a - y) ** 2 / 2, a - y),
            "squared_error": lambda: ((a - y) ** 2, 2 * (a - y)),
            "cross_entropy": lambda: (-log(y, a) - log(1 - y, 1 - a), (a - y) / (a * (1 - a))),
            "absolute": lambda: (abs(a - y), mp.sign(a - y)),
            "huber": lambda: (
                ((a - y) ** 2 / 2, a - y) if abs(a - y) <= p else (p * (abs(a - y) - p / 2), p * mp.sign(a - y))
            ),
            "quantile": lambda: (p * (y - a), -p) if y > a else ((1 - p) * (a - y), (1 - p) * mp.sign(a - y)),
            "poisson": lambda: (a - log(y, a), 1 - y / a),
        }[name]()


EVERY = [*COSTS.values(), fastbp.Huber(0.01), fastbp.Huber(50), fastbp.Quantile(0.9), fastbp.Quantile(0.05)]


@pytest.mark.parametrize("cost", EVERY, ids=lambda cost: f"{cost.name} {cost.parameter or ''}".strip())
def test_values_and_derivatives_are_those_of_mpmath(cost):
    for a, y in POINTS.get(cost.name, REAL):
        value, derivative = exact(cost.name, a, y, cost.parameter)
        assert cost.function(a, y) == pytest.approx(float(value), rel=1e-14, abs=1e-300), (a, y)
        assert cost.derivative(a, y) == pytest.approx(float(derivative), rel=1e-14, abs=1e-300), (a, y)


@pytest.mark.parametrize("cost", [fastbp.Huber, fastbp.Quantile])
def test_a_parameter_may_be_a_numpy_number(cost):
    assert cost(np.float32(0.25)) == cost(0.25) == cost(np.float64(0.25))


def test_the_default_parameters():
    assert COSTS["huber"].parameter == 1 and COSTS["quantile"].parameter == 0.5
    assert COSTS["huber"].function(3.0, 1.0) == 1.5
    assert COSTS["quantile"].function(3.0, 1.0) == 1.0


@pytest.mark.parametrize("cost", [fastbp.Huber, fastbp.Quantile])
@pytest.mark.parametrize("kind", ["cost", "hessian", "gauss_newton"])
def test_one_compilation_serves_all_parameters(cost, kind):
    """Otherwise each new value, in a search or a file, would cost a third of a second."""
    made = array_functions.error_tangent_function if kind != "cost" else array_functions.cost_functions
    kinds, dtype = () if kind == "cost" else (kind,), np.dtype("float64")
    first, second = (made(cost(p), ACTIVATIONS["identity"], dtype, *kinds) for p in (0.25, 0.125))
    assert first == second != made(COSTS["quadratic"], ACTIVATIONS["identity"], dtype, *kinds)


def single_layer(output: str, cost, n: int, formulation: str) -> fastbp.Network:
    """A network whose outputs are σ(x): w = 1, b = 0."""
    net = fastbp.Network([n, n], output_activation=output, cost=cost, dtype="float64", formulation=formulation)
    net.weights[0][:], net.biases[0][:] = np.eye(n), 0
    return net


@pytest.mark.parametrize("z", [-700.0, -40.0, -1.0, 0.0, 0.5, 36.0, 700.0, 1e5])
@pytest.mark.parametrize("y", [0.0, 0.25, 1.0])
def test_sigmoid_with_cross_entropy_is_exact_where_the_output_is_rounded(z, y, formulation):
    """C = log(1 + exp z) − y z and δ = a − y, also where a is 0 or 1 in float64."""
    mp = pytest.importorskip("mpmath").mp
    net = single_layer("sigmoid", "cross_entropy", 1, formulation)
    with mp.workdps(400):
        big = mp.mpf(z)
        cost = float(max(big, 0) + mp.log1p(mp.exp(-abs(big))) - mp.mpf(y) * big)
        a = float(1 / (1 + mp.exp(-big)))
    assert net.evaluate([[z]], [[y]]).cost == pytest.approx(cost, rel=1e-14, abs=1e-16 * max(1, abs(z)))
    assert net.gradient([[z]], [[y]]).biases[0][0] == pytest.approx(a - y, rel=1e-14, abs=1e-15)


@pytest.mark.parametrize("z", [[0.0, 0.0, 0.0], [1.0, 2.0, -1.0], [1000.0, 0.0, -1000.0], [-800.0, -801.0, -900.0]])
@pytest.mark.parametrize("y", [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.2, 0.3, 0.5]])
def test_softmax_with_cross_entropy_is_exact_where_the_output_is_rounded(z, y, formulation):
    mp = pytest.importorskip("mpmath").mp
    net = single_layer("softmax", "cross_entropy", 3, formulation)
    exponentials = [mp.exp(v) for v in z]
    total = sum(exponentials)
    cost = float(sum(t * (mp.log(total) - v) for t, v in zip(y, z, strict=True)))
    delta = [float(e / total - t) for e, t in zip(exponentials, y, strict=True)]
    assert net.evaluate([z], [y]).cost == pytest.approx(cost, rel=1e-13, abs=1e-15)
    assert net.gradient([z], [y]).biases[0] == pytest.approx(delta, rel=1e-13, abs=1e-15)


@pytest.mark.parametrize("z", [-700.0, -5.0, 0.0, 2.0, 300.0])
@pytest.mark.parametrize("y", [0.0, 3.0])
def test_exponential_with_poisson_is_exact(z, y, formulation):
    net = single_layer("exponential", "poisson", 1, formulation)
    assert net.evaluate([[z]], [[y]]).cost == pytest.approx(math.exp(z) - y * z, rel=1e-14, abs=1e-300)
    assert net.gradient([[z]], [[y]]).biases[0][0] == pytest.approx(math.exp(z) - y, rel=1e-14, abs=1e-300)


@pytest.mark.parametrize("name", COSTS)
def test_the_cost_of_a_sample_is_the_sum_over_its_outputs_and_the_mean_is_over_samples(name, formulation):
    output = {"cross_entropy": "sigmoid", "poisson": "softplus"}.get(name, "identity")
    net = single_layer(output, name, 3, formulation)
    X = np.array([[0.3, -1.2, 2.0], [0.1, 0.9, -0.5]])
    Y = np.array([[1.0, 0.0, 0.25], [0.5, 1.0, 0.0]])
    A = net.predict(X)
    expected = [sum(COSTS[name].function(a, y) for a, y in zip(*row, strict=True)) for row in zip(A, Y, strict=True)]
    assert net.evaluate(X, Y).cost == pytest.approx(np.mean(expected), rel=1e-14)


@pytest.mark.parametrize("name", COSTS)
def test_nan_stays_nan(name):
    assert math.isnan(COSTS[name].function(math.nan, 0.5))
    assert math.isnan(COSTS[name].function(math.nan, 1.0))


@pytest.mark.parametrize("name", COSTS)
def test_a_network_of_nan_has_a_cost_of_nan(name, formulation):
    output = COSTS[name].output_activation
    net = fastbp.Network([2, 2], output_activation=output, cost=name, dtype="float64", formulation=formulation)
    net.parameters[:] = np.nan
    assert math.isnan(net.evaluate([[1, 2]], [[0, 1]]).cost)


@pytest.mark.parametrize(
    "cost",
    [*COSTS, fastbp.Huber(0.3), fastbp.Huber(10), fastbp.Quantile(0.9)],
    ids=lambda cost: getattr(cost, "name", cost),
)
def test_check_derivative_passes_for_ours(cost):
    assert fastbp.check_derivative(cost) < 1e-6


PLANTED = {
    "sign": fastbp.Cost("planted", lambda a, y: (a - y) ** 2, lambda a, y: 2 * (y - a)),
    "factor": fastbp.Cost("planted", lambda a, y: (a - y) ** 2, lambda a, y: a - y),
    "constant": fastbp.Cost("planted", lambda a, y: (a - y) ** 2, lambda a, y: 2 * (a - y) + 1e-4),
    "swapped arguments": fastbp.Cost("planted", lambda a, y: a**3 * y, lambda y, a: 3 * a**2 * y),
    "one side only": fastbp.Cost("planted", lambda a, y: abs(a - y), lambda a, y: 1 if a > y else 0),
    "edge targets only": fastbp.Cost(
        "planted", lambda a, y: a * y, lambda a, y: y if y < 1 else 0, target_range="[0, 1]"
    ),
    "NaN": fastbp.Cost("planted", lambda a, y: (a - y) ** 2, lambda a, y: math.nan),
}


@pytest.mark.parametrize("error", PLANTED)
def test_check_derivative_finds_a_planted_error(error):
    with pytest.raises(ValueError, match=r"the derivative of 'planted' is wrong at a = .*, y = .*: it says"):
        fastbp.check_derivative(PLANTED[error])


@pytest.mark.parametrize("delta", [0, -1, math.inf, math.nan, -math.inf])
def test_huber_refuses(delta):
    with pytest.raises(ValueError, match="the Huber cost needs 0 < delta < infinity") as error:
        fastbp.Huber(delta)
    assert str(delta) in str(error.value)


@pytest.mark.parametrize("q", [0, 1, -0.5, 1.5, math.nan])
def test_quantile_refuses(q):
    with pytest.raises(ValueError, match="a quantile needs 0 < q < 1") as error:
        fastbp.Quantile(q)
    assert str(q) in str(error.value)


@pytest.mark.parametrize(
    ("make", "one", "other"), [(fastbp.Huber, 0.5, 2.0), (fastbp.Quantile, 0.25, 0.75), (fastbp.Huber, 1e-3, 1.0)]
)
def test_two_parameters_are_not_mixed_up(make, one, other, formulation):
    """In one process, the caches must tell two networks apart that differ only in this parameter."""
    X, Y = [[0.0]], [[-3.0]]

    def cost_and_gradient(parameter):
        net = single_layer("identity", make(parameter), 1, formulation)
        expected = exact(net.cost.name, 0.0, -3.0, parameter)
        assert net.evaluate(X, Y).cost == pytest.approx(float(expected[0]), rel=1e-14)
        assert net.gradient(X, Y).biases[0][0] == pytest.approx(float(expected[1]), rel=1e-14)
        net.fit(X, Y, epochs=2, optimizer=fastbp.SGD(0.1))
        return net.parameters.tobytes()

    first = cost_and_gradient(one)
    assert cost_and_gradient(other) != first
    assert cost_and_gradient(one) == first


def test_the_constant_that_minimises_the_quantile_cost_is_the_quantile(formulation):
    y = np.arange(100.0)[:, None]
    net = fastbp.Network(
        [1, 1], cost=fastbp.Quantile(0.9), initializer="zeros", dtype="float64", formulation=formulation
    )
    net.fit(0 * y, y, epochs=400, batch_size=100, optimizer=fastbp.SGD(5.0))
    assert 88 <= net.biases[0][0] <= 91


def test_malformed_costs_are_refused():
    with pytest.raises(TypeError, match="the function of cost 'c' is not callable: 3"):
        fastbp.Cost("c", 3, abs)
    with pytest.raises(TypeError, match="the derivative of cost 'c' is not callable: 'abs'"):
        fastbp.Cost("c", abs, "abs")
    for field in ("output_range", "target_range"):
        with pytest.raises(ValueError, match=r"'0\.\.1' is not an interval"):
            fastbp.Cost("c", max, min, **{field: "0..1"})


def test_refusal_says_which_outputs_are_needed_and_which_there_are():
    refusal = COSTS["poisson"].refusal(ACTIVATIONS["tanh"])
    assert refusal == "the cost 'poisson' needs outputs in (0, inf), but the output activation 'tanh' gives (-1, 1)"
    assert COSTS["poisson"].refusal(ACTIVATIONS["softplus"]) is None
    assert COSTS["quadratic"].refusal(ACTIVATIONS["tanh"]) is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ("identity", "quadratic")),
        ({"cost": "cross_entropy"}, ("softmax", "cross_entropy")),
        ({"cost": "poisson"}, ("exponential", "poisson")),
        ({"cost": "huber"}, ("identity", "huber")),
        ({"activation": "sigmoid"}, ("sigmoid", "quadratic")),
        ({"activation": "sigmoid", "cost": "quadratic"}, ("sigmoid", "quadratic")),
        ({"activation": "sigmoid", "cost": "huber"}, ("identity", "huber")),
        ({"activation": "sigmoid", "cost": "squared_error"}, ("sigmoid", "squared_error")),
        ({"activation": ["sigmoid", "tanh"], "cost": "quadratic"}, ("identity", "quadratic")),
        ({"output_activation": "softmax"}, ("softmax", "cross_entropy")),
        ({"output_activation": "sigmoid"}, ("sigmoid", "cross_entropy")),
        ({"output_activation": "exponential"}, ("exponential", "poisson")),
        ({"output_activation": "tanh"}, ("tanh", "quadratic")),
        ({"output_activation": "softmax", "cost": "quadratic"}, ("softmax", "quadratic")),
    ],
)
def test_the_output_activation_and_the_cost_follow_from_each_other(given, expected):
    net = fastbp.Network([2, 3, 3, 2], **given)
    assert (net.activations[-1].name, net.cost.name) == expected


def test_cross_entropy_with_one_output_is_sigmoid():
    net = fastbp.Network([2, 3, 1], cost="cross_entropy")
    assert (net.activations[-1].name, net.cost.name) == ("sigmoid", "cross_entropy")

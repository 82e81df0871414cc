"""Sobolev training: gradients and Jacobians against differences, fits with every kind of optimizer, refusals."""

import numpy as np
import pytest

import fastbp
from fastbp.distributed.shards import in_shards
from fastbp.formulations.interface import PLAIN
from fastbp.training.levenberg_marquardt import NormalEquations
from fastbp.training.with_derivatives import of_samples

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (60, 2))


def f(x):
    return np.stack([np.sin(2 * x[:, 0]) * x[:, 1], x[:, 0] ** 2], axis=1)


def df(x):
    J = np.zeros((len(x), 2, 2))
    J[:, 0, 0], J[:, 0, 1] = 2 * np.cos(2 * x[:, 0]) * x[:, 1], np.sin(2 * x[:, 0])
    J[:, 1, 0] = 2 * x[:, 0]
    return J


def network(sizes=(2, 9, 2), dtype="float64", **options):
    return fastbp.Network(sizes, **{"activation": "tanh", "cost": "quadratic", "dtype": dtype, "seed": 0, **options})


def error(net):
    return float(np.abs(net.jacobian(X) - df(X)).mean())


@pytest.mark.parametrize(
    ("sizes", "activation", "output", "cost"),
    [
        ([2, 5, 1], "tanh", "identity", "quadratic"),
        ([3, 18, 7, 2], "softplus", "tanh", "squared_error"),
        ([1, 20, 40, 1], ["sigmoid", "silu"], "sigmoid", "cross_entropy"),
        ([2, 3], "tanh", "exponential", "poisson"),
        ([2, 6, 35], "gelu", "softplus", "huber"),
    ],
)
def test_the_gradient_is_that_of_differences(sizes, activation, output, cost):
    rng = np.random.default_rng(1)
    inputs, Y = rng.standard_normal((37, sizes[0])), rng.uniform(0, 1, (37, sizes[-1]))
    dY = rng.standard_normal((37, sizes[-1], sizes[0]))
    dY[3], dY[5, 0, 0] = np.nan, np.nan
    net = network(sizes, activation=activation, output_activation=output, cost=cost)
    weight = rng.uniform(0, 1, dY.shape[1:])
    found = fastbp.check_gradient(net, inputs, Y, dY=dY, derivative_weight=weight, at_most=20)
    assert found.ok, str(found)
    wrong = fastbp.Activation("wrong", lambda z: z**3, lambda z: 3 * z**2, second_derivative=lambda z: z)
    net = network(sizes, activation=wrong, output_activation=output, cost=cost)
    assert len(sizes) == 2 or not fastbp.check_gradient(net, inputs, Y, dY=dY, at_most=20).ok


@pytest.mark.parametrize("cost", ["quadratic", "squared_error"])
def test_normal_equations_have_the_gradient_and_the_product_of_the_jacobian(cost):
    net, dY = network(cost=cost), df(X)
    dY[7], dY[9, 0, 1] = np.nan, np.nan
    formulation, samples = of_samples(net._samples(X, f(X)), dY, 0.3, None, net._model)
    G, g = NormalEquations(net._model, in_shards(samples), PLAIN, formulation)()
    expected = np.empty_like(net.parameters)
    formulation.gradient(net._model, samples.X, samples.Y, expected)
    np.testing.assert_allclose(g, expected, atol=1e-13)
    residuals, step = [], 1e-6
    known = ~np.isnan(dY)
    for i in range(net.parameters.size):
        sides = []
        for sign in (1, -1):
            net.parameters[i] += sign * step
            sides.append(np.concatenate([net.predict(X).ravel(), np.sqrt(0.3) * net.jacobian(X)[known]]))
            net.parameters[i] -= sign * step
        residuals.append((sides[0] - sides[1]) / (2 * step))
    J = np.array(residuals)
    np.testing.assert_allclose(G, (2 if cost == "squared_error" else 1) * J @ J.T / len(X), atol=1e-8)


@pytest.mark.parametrize("optimizer", ["trainlm", "lbfgs", fastbp.Adam(0.02)])
def test_derivatives_are_fitted(optimizer):
    kind = {"epochs": 60, "optimizer": optimizer} | ({"batch_size": 20} if not isinstance(optimizer, str) else {})
    both, values = network(), network()
    history = both.fit(X, f(X), dY=df(X), **kind)
    values.fit(X, f(X), **kind)
    assert error(both) < error(values) / 2
    assert history.cost[-1] < history.cost[0] / 10


def test_float32_and_single_steps_at_the_end_of_an_epoch():
    nets = [network(dtype=dtype) for dtype in ("float32", "float64")]
    nets[0].parameters = nets[1].parameters
    for net in nets:
        net.fit(X[:41], f(X[:41]), dY=df(X[:41]), epochs=3, batch_size=20, optimizer=fastbp.SGD(0.05), l2=0.1)
    np.testing.assert_allclose(nets[0].parameters, nets[1].parameters, atol=1e-5)


def test_what_is_nan_or_has_no_weight_does_not_count():
    dY = df(X)
    dY[:, :, 1] = np.nan  # nothing by the second input
    net, same, plain = network(), network(), network()
    net.fit(X, f(X), dY=dY, epochs=2, optimizer=fastbp.SGD(0.1))
    dY[:, :, 1] = 1e6
    same.fit(X, f(X), dY=dY, derivative_weight=[[1.0, 0.0], [1.0, 0.0]], epochs=2, optimizer=fastbp.SGD(0.1))
    np.testing.assert_allclose(net.parameters, same.parameters, rtol=1e-12)
    plain.fit(X, f(X), epochs=2, optimizer=fastbp.SGD(0.1))
    assert not np.allclose(net.parameters, plain.parameters)
    weight = np.ones(len(X))
    weight[:30] = 0
    first, second = network(), network()
    first.fit(X, f(X), dY=df(X), sample_weight=weight, epochs=20, optimizer="lbfgs")
    second.fit(X[30:], f(X[30:]), dY=df(X[30:]), epochs=20, optimizer="lbfgs")
    assert error(first) == pytest.approx(error(second), rel=0.5)
    adam = network()
    adam.fit(X, f(X), dY=df(X), sample_weight=weight, epochs=2)
    assert np.isfinite(adam.parameters).all()


def test_derivatives_in_the_units_from_before_standardising():
    mean, deviation = np.array([3.0, -40.0]), np.array([5.0, 0.1])
    y_mean, y_deviation = f(X).mean(axis=0), f(X).std(axis=0)
    Y, in_units = (f(X) - y_mean) / y_deviation, df(X) / deviation  # of f((u − mean) / deviation) by u
    by_hand, by_units = network(), network()
    by_hand.fit(X, Y, dY=df(X) / y_deviation[:, None], epochs=2)
    by_units.fit(X, Y, dY=in_units, derivative_units=(deviation, y_deviation), epochs=2)
    np.testing.assert_allclose(by_hand.parameters, by_units.parameters, rtol=1e-9)
    assert mean.size == 2


def test_validation_counts_derivatives_of_held_out_rows_only():
    net = network()
    history = net.fit(X, f(X), dY=df(X), validation_split=0.25, epochs=3, validation_data=None)
    assert len(history["validation_cost"]) == 3
    other = network()
    history = other.fit(X, f(X), dY=df(X), validation_data=(X, f(X)), epochs=3)
    assert history["validation_cost"][-1] == pytest.approx(other.evaluate(X, f(X)).cost, rel=1e-9)


def test_two_fits_are_one_and_the_threads_do_not_matter():
    once, twice, optimizer = network(), network(), fastbp.Adam(0.01)
    once.fit(X, f(X), dY=df(X), epochs=4, batch_size=16, optimizer=fastbp.Adam(0.01))
    for _ in range(2):
        with fastbp.threads(2):
            twice.fit(X, f(X), dY=df(X), epochs=2, batch_size=16, optimizer=optimizer)
    assert (once.parameters == twice.parameters).all()


def test_bad_arguments_are_refused_before_anything_changes():
    net, Y, dY = network(), f(X), df(X)
    before = net.parameters.copy()
    refusals = [
        (net, {"dY": dY[:, :, 0]}, r"dY has shape \(60, 2\); needed is \(60, 2, 2\)"),
        (net, {"dY": np.full_like(dY, np.nan)}, "no derivative is known"),
        (net, {"dY": np.where(dY == dY[4, 0, 0], np.inf, dY)}, r"dY\[4, 0, 0\] is infinite"),
        (net, {"dY": dY, "derivative_weight": -1}, "derivative_weight must be at least 0"),
        (net, {"dY": dY, "derivative_weight": [1.0, 2.0]}, r"derivative_weight has shape \(2,\)"),
        (net, {"dY": dY, "derivative_units": (1.0,)}, "derivative_units has 1 entries"),
        (net, {"dY": dY, "derivative_units": (0.0, 1.0)}, r"derivative_units\[0\] is 0.0"),
        (net, {"dY": dY, "dropout": 0.1}, "dropout is not possible with dY"),
        (net, {"dY": dY, "shards": 8}, "shards is not possible with dY"),
        (net, {"dY": dY, "optimizer": fastbp.Adam(layer_rates=[0, 1])}, "layer_rates are not possible with dY"),
        (
            net,
            {"dY": dY, "optimizer": fastbp.LevenbergMarquardt(regularization="evidence")},
            "the evidence is not known with dY",
        ),
        (network(activation="relu"), {"dY": dY}, "relu has no second derivative at its corner"),
        (network(activation="leaky_relu"), {"dY": dY}, "leaky_relu has no second derivative"),
        (network(cost="gaussian_nll", sizes=(2, 5, 4)), {"dY": np.zeros((60, 4, 2))}, "depend on one another"),
    ]
    for other, options, message in refusals:
        with pytest.raises(ValueError, match=message):
            other.fit(X, Y, **{"epochs": 1, **options})
    with pytest.raises(TypeError, match="dY is of dtype"):
        net.fit(X, Y, dY=np.full(dY.shape, "a"))
    with pytest.raises(ValueError, match="not arrays in memory"):
        net.fit(iter([(X, Y)]), dY=dY, epochs=1)
    assert (net.parameters == before).all()

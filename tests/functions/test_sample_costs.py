"""Costs that couple the outputs of a sample: gaussian_nll, quantiles and a user's own."""

import math

import numpy as np
import pytest

import fastbp
from fastbp.formulations import FORMULATIONS

X = np.random.default_rng(0).standard_normal((23, 3))


def mixture(a, y):
    """−log of ½ N(a₀, 1) + ½ N(a₁, 1), and a term that couples a₂ with both, for each target."""
    total = 0.0
    for t in range(y.size):
        m, n, c = a[3 * t], a[3 * t + 1], a[3 * t + 2]
        total += c * c * m * n - math.log(math.exp(-((y[t] - m) ** 2) / 2) + math.exp(-((y[t] - n) ** 2) / 2))
    return total


def mixture_derivative(delta, a, y):
    for t in range(y.size):
        m, n, c = a[3 * t], a[3 * t + 1], a[3 * t + 2]
        first, second = math.exp(-((y[t] - m) ** 2) / 2), math.exp(-((y[t] - n) ** 2) / 2)
        delta[3 * t] = (m - y[t]) * first / (first + second) + c * c * n
        delta[3 * t + 1] = (n - y[t]) * second / (first + second) + c * c * m
        delta[3 * t + 2] = 2 * c * m * n


MIXTURE = fastbp.Cost("mixture", mixture, mixture_derivative, whole_sample=True, outputs_per_target=3)
COSTS = {
    "gaussian_nll": (fastbp.GaussianNLL(), 4, 2),
    "quantiles": (fastbp.Quantiles([0.1, 0.3, 0.5, 0.9]), 4, 1),
    "own": (MIXTURE, 3, 1),
    "own_wide": (MIXTURE, 66, 22),  # wider than a panel
}


def network(which, dtype="float64", **options):
    cost, n_out, n_targets = COSTS[which]
    net = fastbp.Network([3, 5, n_out], activation="tanh", cost=cost, dtype=dtype, seed=1, **options)
    net.parameters[:] = np.random.default_rng(2).standard_normal(net.parameters.size) / 2
    return net, np.random.default_rng(3).standard_normal((len(X), n_targets))


@pytest.mark.parametrize("which", ["gaussian_nll", "quantiles", "own"])
def test_derivatives_are_those_of_differences(which):
    cost, _, _ = COSTS[which]
    assert fastbp.check_derivative(cost) < 1e-6
    net, Y = network(which)
    assert fastbp.check_gradient(net, X, Y).ok


@pytest.mark.parametrize("which", COSTS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_formulations_agree(which, dtype):
    net, Y = network(which, dtype)
    weight = np.linspace(0, 2, len(X))
    expected_costs = net.evaluate(X, Y).cost
    expected = net.gradient(X, Y, sample_weight=weight).vector.copy()
    tolerance = 1e-11 if dtype == "float64" else 3e-4
    for name in FORMULATIONS:
        net.formulation = name
        assert net.evaluate(X, Y).cost == pytest.approx(expected_costs, rel=tolerance)
        found = net.gradient(X, Y, sample_weight=weight).vector
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


def test_gaussian_nll_is_the_logarithm_of_the_density():
    net, Y = network("gaussian_nll")
    A = net.predict(X)
    mean, deviation = A[:, :2], np.exp(A[:, 2:] / 2)
    log_density = -0.5 * ((Y - mean) / deviation) ** 2 - np.log(deviation)
    assert net.evaluate(X, Y).cost == pytest.approx(-log_density.sum(axis=1).mean(), rel=1e-12)


def test_beta_scales_the_derivative_by_the_variance_and_not_the_cost():
    net, Y = network("gaussian_nll")
    like = fastbp.Network(net.sizes, activation="tanh", cost=fastbp.GaussianNLL(0.5), dtype="float64")
    like.parameters = net.parameters
    assert like.evaluate(X[:1], Y[:1]).cost == net.evaluate(X[:1], Y[:1]).cost
    by_output, scaled = net.gradient(X[:1], Y[:1]).biases[1], like.gradient(X[:1], Y[:1]).biases[1]
    log_variance = net.predict(X[:1])[0, 2:]
    np.testing.assert_allclose(scaled / by_output, np.tile(np.exp(0.5 * log_variance), 2), rtol=1e-12)
    for name in ("vectorized", "textbook", "loops"):
        like.formulation = name
        np.testing.assert_allclose(like.gradient(X[:1], Y[:1]).biases[1], scaled, rtol=1e-11)


def test_beta_is_refused_where_costs_and_derivatives_are_compared():
    net = fastbp.Network([3, 2], cost=fastbp.GaussianNLL(0.5))
    before, Y = net.parameters.copy(), np.zeros(len(X))
    for call in (
        lambda: fastbp.check_gradient(net, X, Y),
        lambda: fastbp.check_derivative(fastbp.GaussianNLL(0.5)),
        lambda: net.fit(X, Y, optimizer="lbfgs"),
        lambda: net.hessian(X, Y),
    ):
        with pytest.raises(ValueError, match=r"on purpose|no second_derivative"):
            call()
    assert (net.parameters == before).all()


def test_sigma_does_not_collapse_where_the_targets_are_known_exactly():
    net = fastbp.Network([3, 16, 2], activation="tanh", cost="gaussian_nll", seed=0)
    assert (net.predict(X)[:, 1] == 0).all()  # σ = 1 in the beginning
    history = net.fit(X, X[:, 0], epochs=300, batch_size=8, optimizer=fastbp.Adam(0.01))
    assert history.cost[-1] < -1
    net.biases[1][1] = -1e4
    assert net.predict(X)[:, 1].min() >= -12
    assert np.isfinite(net.gradient(X, 1e3 * X[:, 0]).vector).all()


def test_quantiles_begin_as_those_of_a_normal_distribution():
    net = fastbp.Network([3, 5, 3], cost=fastbp.Quantiles([0.05, 0.5, 0.975]), dtype="float64", seed=0)
    distances = np.diff(net.predict(np.random.default_rng(0).normal(size=(9, 3))), axis=1)
    assert np.allclose(distances, [1.6448536269514722, 1.959963984540054], rtol=1e-12)  # of every sample
    assert np.ptp(net.predict(np.eye(3))[:, 0]) > 0  # but not in the same place


def test_quantiles_do_not_cross_and_cover_what_they_say():
    rng = np.random.default_rng(0)
    inputs = rng.uniform(-1, 1, (3000, 1))
    targets = np.sin(3 * inputs[:, 0]) + (0.2 + 0.5 * np.abs(inputs[:, 0])) * rng.standard_normal(3000)
    net = fastbp.Network([1, 20, 3], activation="tanh", cost=fastbp.Quantiles([0.1, 0.5, 0.9]), seed=0)
    schedule = fastbp.CosineDecay(30)
    net.fit(inputs[:2000], targets[:2000], epochs=30, optimizer=fastbp.Adam(0.01), schedule=schedule)
    A = net.predict(inputs[2000:])
    assert (np.diff(A, axis=1) >= 0).all()
    np.testing.assert_allclose((targets[2000:, None] < A).mean(axis=0), [0.1, 0.5, 0.9], atol=0.03)
    assert (np.diff(net.predict(100 * inputs), axis=1) >= 0).all()


@pytest.mark.parametrize("which", ["gaussian_nll", "quantiles"])
def test_second_derivatives_are_differences_of_gradients(which):
    net, Y = network(which)
    hessian, step = net.hessian(X, Y), 1e-6
    for i in range(0, net.parameters.size, 7):
        sides = []
        for sign in (1, -1):
            net.parameters[i] += sign * step
            sides.append(net.gradient(X, Y).vector.copy())
            net.parameters[i] -= sign * step
        difference = (sides[0] - sides[1]) / (2 * step)
        np.testing.assert_allclose(hessian[i], difference, atol=3e-7 * max(1, np.abs(hessian).max()))
    V = np.random.default_rng(4).standard_normal(X.shape)
    np.testing.assert_allclose(net.jvp(X, V), np.einsum("sik,sk->si", net.jacobian(X), V), rtol=1e-10, atol=1e-12)


def test_fisher_of_gaussian_nll_is_the_expected_product_of_gradients():
    net, _ = network("gaussian_nll")
    v = np.random.default_rng(5).standard_normal(net.parameters.size)
    A, rng = net.predict(X), np.random.default_rng(6)
    total, n = np.zeros(v.size), 1000
    for _ in range(n):
        Y = A[:, :2] + np.exp(A[:, 2:] / 2) * rng.standard_normal((len(X), 2))
        total += net.empirical_fisher_vector_product(X, Y, v).vector
    fisher = net.fisher_vector_product(X, v).vector
    assert np.linalg.norm(total / n - fisher) < 0.1 * np.linalg.norm(fisher)


def test_a_file_has_beta_and_levels(tmp_path):
    for cost, n_out in ((fastbp.GaussianNLL(0.5), 2), (fastbp.Quantiles([0.25, 0.5]), 2)):
        net = fastbp.Network([3, n_out], cost=cost, seed=0)
        net.save(tmp_path / "net.safetensors")
        read = fastbp.load(tmp_path / "net.safetensors")
        assert read.cost == cost
        assert (read.predict(X) == net.predict(X)).all()


def test_members_of_a_population_train_as_alone():
    Y = X[:, 0] - X[:, 1]
    nets = [fastbp.Network([3, 4, 2], cost="gaussian_nll", seed=seed) for seed in range(9)]
    alone = fastbp.Network([3, 4, 2], cost="gaussian_nll", seed=3)
    fastbp.Population(nets).fit(X, Y, epochs=2, batch_size=8)
    alone.fit(X, Y, epochs=2, batch_size=8)
    assert (nets[3].parameters == alone.parameters).all()


def test_validation_data_metrics_and_missing_targets():
    net, Y = network("gaussian_nll")
    weight = np.ones(len(X))
    Y[4], weight[4] = np.nan, 0

    def mean_error(outputs, targets):
        assert outputs.shape[1] == 4 and targets.shape[1] == 2
        return float(np.abs(outputs[:, :2] - targets).mean())

    kept = weight > 0
    history = net.fit(
        X, Y, epochs=2, sample_weight=weight, validation_data=(X[kept], Y[kept]), metrics={"error": mean_error}
    )
    assert len(history["validation_error"]) == 2


def test_shapes_that_do_not_fit_are_explained():
    net, Y = network("gaussian_nll")
    with pytest.raises(ValueError, match=r"needed is \(n_samples, 2\): with 4 outputs the cost 'gaussian_nll' has 2"):
        net.fit(X, np.zeros((len(X), 4)))
    with pytest.raises(ValueError, match="last layer has 3 outputs, but the cost 'gaussian_nll' has 2 for each target"):
        fastbp.Network([3, 3], cost="gaussian_nll")
    with pytest.raises(ValueError, match="and at most 3"):
        fastbp.Network([3, 6], cost="quantiles")
    with pytest.raises(ValueError, match="gaussian_nll outputs depend on one another"):
        net.fit(X, Y, sample_weight=np.random.default_rng(0).uniform(size=(len(X), 4)))
    with pytest.raises(ValueError, match="compares each output with its target"):
        net.fit(X, Y, validation_data=(X, Y), metrics=["r2"])
    with pytest.raises(ValueError, match="one output after the other"):
        net.gauss_newton_diagonal(X, Y)
    with pytest.raises(ValueError, match="beta is 2"):
        fastbp.GaussianNLL(2)
    for levels in ([0.5], [0.5, 0.5], [0, 0.5], "ab", 3):
        with pytest.raises(ValueError, match="q is"):
            fastbp.Quantiles(levels)
    with pytest.raises(ValueError, match="outputs_per_target is 2"):
        fastbp.Cost("c", mixture, mixture_derivative, outputs_per_target=2)


def test_trace_shows_the_numbers_of_a_sample():
    net, Y = network("quantiles")
    trace = net.trace(X[0], Y[0])
    assert trace.cost == pytest.approx(net.evaluate(X[:1], Y[:1]).cost)
    np.testing.assert_allclose(trace.layers[2].delta, net.gradient(X[:1], Y[:1]).biases[1], rtol=1e-12)

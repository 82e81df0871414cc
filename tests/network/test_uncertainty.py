"""The Laplace approximation against its definition with the naive Jacobian, and what it promises."""

import math
import warnings

import numpy as np
import pytest
from naive_second_order import output_jacobian

import fastbp
from fastbp.derivatives import laplace

pytestmark = pytest.mark.filterwarnings("ignore:the network is not at a minimum")
X = np.random.default_rng(0).uniform(-1, 1, (60, 2))
Z = np.random.default_rng(1).uniform(-2, 2, (7, 2))


def regression(dtype="float64", n_out=2, **options):
    net = fastbp.Network([2, 6, n_out], activation="tanh", dtype=dtype, seed=3, **options)
    rng = np.random.default_rng(2)
    Y = np.sin(2 * X @ rng.standard_normal((2, n_out))) + 0.1 * rng.standard_normal((len(X), n_out))
    net.fit(X, Y, epochs=100, optimizer=fastbp.LevenbergMarquardt(regularization="evidence"))
    return net, Y


def classifier(n_out=3):
    labels = (X[:, 0] > 0).astype(int) + (n_out > 2) * (X[:, 1] > 0.2)
    net = fastbp.Network([2, 5, n_out], activation="tanh", cost="cross_entropy", dtype="float64", seed=4)
    net.fit(X, labels, epochs=300, optimizer="lbfgs", l2=0.5)
    return net, np.eye(3)[labels] if n_out > 2 else labels[:, None].astype(float)


def of_logits(net):
    same = fastbp.Network(net.sizes, activation="tanh", output_activation="identity", dtype="float64")
    same.parameters = net.parameters
    return same


def jacobians(net, inputs):
    return np.stack([output_jacobian(net, x) for x in inputs])


def matrix(kind, H, n_last):
    if kind == "diagonal":
        return np.diag(np.diag(H))
    return H[-n_last:, -n_last:] if kind == "last_layer" else H


@pytest.mark.parametrize("kind", ["full", "last_layer", "diagonal"])
def test_regression_follows_the_definition(kind, monkeypatch):
    monkeypatch.setattr(laplace, "JACOBIAN_BYTES", 17 * 8 * 2 * 32)  # several blocks of samples
    net, Y = regression()
    posterior = net.laplace(X, Y, kind=kind, precision=0.7, noise=0.2)
    J, n_last = jacobians(net, X).reshape(-1, net.parameters.size), 7 * 2
    J_new = jacobians(net, Z)
    theta = net.parameters[-n_last:] if kind == "last_layer" else net.parameters
    J_new = J_new[:, :, -len(theta) :]
    precision = matrix(kind, J.T @ J / 0.2**2, n_last) + 0.7 * np.eye(len(theta))
    variance = np.einsum("scp,pq,scq->sc", J_new, np.linalg.inv(precision), J_new)
    mean, deviation = posterior.predict(Z)
    np.testing.assert_allclose(mean, net.predict(Z), rtol=1e-12)
    np.testing.assert_allclose(deviation, np.sqrt(variance + 0.2**2), rtol=1e-9)
    np.testing.assert_allclose(posterior.predict(Z, noise=False)[1], np.sqrt(variance), rtol=1e-8)
    residuals = (net.predict(X) - Y).ravel()
    log_likelihood = -0.5 * (residuals / 0.2) @ (residuals / 0.2) - residuals.size * math.log(
        0.2 * math.sqrt(2 * math.pi)
    )
    log_det = np.linalg.slogdet(precision)[1] - len(theta) * math.log(0.7)
    expected = log_likelihood - 0.5 * (0.7 * theta @ theta + log_det)
    assert posterior.log_evidence == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("n_out", [1, 3])
@pytest.mark.parametrize("kind", ["full", "last_layer", "diagonal"])
def test_classes_follow_the_definition(n_out, kind):
    net, Y = classifier(n_out)
    posterior = net.laplace(X, Y, kind=kind, precision=0.5)
    J, J_new = (jacobians(of_logits(net), inputs) for inputs in (X, Z))
    n_last = 6 * n_out
    A, H = net.predict(X), np.zeros((net.parameters.size,) * 2)
    for a, J_s in zip(A, J, strict=True):
        H += J_s.T @ (np.diag(a) - np.outer(a, a)) @ J_s if n_out > 1 else J_s.T * (a * (1 - a)) @ J_s
    H = matrix(kind, H, n_last)
    variance = np.einsum(
        "scp,pq,scq->sc", J_new[..., -len(H) :], np.linalg.inv(H + 0.5 * np.eye(len(H))), J_new[..., -len(H) :]
    )
    probability, deviation = posterior.predict(Z)
    np.testing.assert_allclose(deviation, np.sqrt(variance), rtol=1e-8)
    z = of_logits(net).predict(Z) / np.sqrt(1 + math.pi / 8 * variance)
    expected = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True) if n_out > 1 else 1 / (1 + np.exp(-z))
    np.testing.assert_allclose(probability, expected, rtol=1e-9)


@pytest.mark.parametrize("kind", ["full", "last_layer", "diagonal"])
def test_the_evidence_is_largest_at_the_precision_and_noise_it_chooses(kind):
    net, Y = regression(n_out=1)
    best = net.laplace(X, Y, kind=kind)
    assert 0 < best.gamma < net.parameters.size
    for factor in (0.8, 1.25):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for precision, noise in ((factor * best.precision, best.noise), (best.precision, factor * best.noise)):
                other = net.laplace(X, Y, kind=kind, precision=precision, noise=noise)
                assert other.log_evidence < best.log_evidence


def test_trainbr_and_the_posterior_agree_on_the_noise_and_on_the_strength_of_l2():
    net, Y = regression(n_out=1)
    net.fit(X, Y, epochs=200)
    posterior = net.laplace(X, Y)
    assert posterior.l2 == pytest.approx(net._training.state.first[1] * len(X), rel=1e-3)
    assert 0.07 < posterior.noise < 0.14
    assert posterior.gradient_norm < 1e-2


def test_samples_of_networks_have_the_deviation_of_the_posterior():
    net, Y = regression(n_out=1)
    posterior = net.laplace(X, Y, precision=2e4, noise=0.05)
    before = net.parameters.copy()
    members = posterior.sample(400, seed=0)
    outputs = np.stack([member.predict(X[:5]) for member in members])
    np.testing.assert_allclose(outputs.std(axis=0), posterior.predict(X[:5], noise=False)[1], rtol=0.15)
    assert (posterior.sample(1, seed=0)[0].parameters == members[0].parameters).all()
    net.parameters[:] = 0  # the posterior is of the network as it was
    assert (posterior.predict(X)[0] != 0).any()
    assert (before != 0).all()
    for kind in ("last_layer", "diagonal"):
        drawn = net.laplace(X, Y, kind=kind, precision=1.0, noise=1.0).sample(1, seed=0)[0]
        assert (drawn.parameters[:-7] != 0).any() == (kind == "diagonal")


def test_a_net_far_from_a_minimum_is_warned_of_with_the_norm_of_the_gradient():
    net = fastbp.Network([2, 6, 1], activation="tanh", dtype="float64", seed=0)
    with pytest.warns(UserWarning, match=r"not at a minimum: the norm of the gradient .* is [\d.e+]+"):
        net.laplace(X, X[:, 0], precision=1.0, noise=0.1)


def test_float32_agrees_with_float64():
    net, Y = regression()
    narrow = fastbp.Network(net.sizes, activation="tanh", seed=0)
    narrow.parameters = net.parameters
    wide = net.laplace(X, Y, precision=1.0, noise=0.1).predict(Z)[1]
    np.testing.assert_allclose(narrow.laplace(X, Y, precision=1.0, noise=0.1).predict(Z)[1], wide, rtol=1e-3)


def test_what_it_cannot_do_is_said():
    net, Y = regression(n_out=1)
    with pytest.raises(ValueError, match="the cost is 'absolute' with identity outputs; a Laplace approximation needs"):
        fastbp.Network([2, 1], cost="absolute").laplace(X, Y)
    with pytest.raises(ValueError, match="unknown kind 'whole'"):
        net.laplace(X, Y, kind="whole")
    for options in ({"precision": 0}, {"noise": -1.0}):
        with pytest.raises(ValueError, match=r"is (0|-1.0); it must be"):
            net.laplace(X, Y, **options)
    with pytest.raises(ValueError, match="noise is 1, but the cost is 'cross_entropy'"):
        fastbp.Network([2, 1], cost="cross_entropy").laplace(X, np.zeros(len(X)), noise=1)
    posterior = net.laplace(X, Y)
    with pytest.raises(ValueError, match="Z has 3 features, but the network expects 2"):
        posterior.predict(np.zeros((1, 3)))
    with pytest.raises(ValueError, match="n is 0"):
        posterior.sample(0)

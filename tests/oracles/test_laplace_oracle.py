"""The full Laplace approximation against laplace-torch (`pip install "fastbp[laplace]"`), float64."""

import warnings

import numpy as np
import pytest

import fastbp

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    laplace = pytest.importorskip("laplace", reason="laplace-torch is not installed")

X = np.random.default_rng(0).uniform(-1, 1, (50, 2))
Z = np.random.default_rng(1).uniform(-2, 2, (9, 2))


def fitted(module, likelihood, targets, **options):
    from torch.utils.data import DataLoader, TensorDataset

    found = laplace.Laplace(
        module, likelihood, subset_of_weights="all", hessian_structure="full", prior_precision=0.8, **options
    )
    found.fit(DataLoader(TensorDataset(torch.tensor(X), targets), batch_size=20))
    return found


@pytest.mark.filterwarnings("ignore")
def test_regression():
    net = fastbp.Network([2, 7, 2], activation="tanh", dtype="float64", seed=0)
    Y = np.stack([np.sin(3 * X[:, 0]), X[:, 0] * X[:, 1]], axis=1)
    net.fit(X, Y, epochs=20, optimizer="trainlm", l2=0.1)
    theirs = fitted(net.to_torch(), "regression", torch.tensor(Y), sigma_noise=0.3)
    mean, variance = theirs(torch.tensor(Z), pred_type="glm")
    ours = net.laplace(X, Y, precision=0.8, noise=0.3)
    found_mean, deviation = ours.predict(Z, noise=False)
    np.testing.assert_allclose(found_mean, mean.numpy(), rtol=1e-6)
    expected = np.sqrt(np.diagonal(variance.numpy(), axis1=1, axis2=2))
    np.testing.assert_allclose(deviation, expected, rtol=1e-6)
    assert ours.log_evidence == pytest.approx(float(theirs.log_marginal_likelihood()), rel=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_classes():
    labels = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.3)
    net = fastbp.Network([2, 6, 3], activation="tanh", cost="cross_entropy", dtype="float64", seed=0)
    net.fit(X, labels, epochs=100, optimizer="lbfgs", l2=0.5)
    module = torch.nn.Sequential(*[layer for layer in net.to_torch() if not isinstance(layer, torch.nn.Softmax)])
    theirs = fitted(module, "classification", torch.tensor(labels))
    probability = theirs(torch.tensor(Z), pred_type="glm", link_approx="probit")
    ours = net.laplace(X, labels, precision=0.8)
    np.testing.assert_allclose(ours.predict(Z)[0], probability.numpy(), rtol=1e-6)
    assert ours.log_evidence == pytest.approx(float(theirs.log_marginal_likelihood()), rel=1e-6)

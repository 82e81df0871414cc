"""Gradients of the new costs, and of training on derivatives, against torch.func, float64, random nets."""

from itertools import pairwise

import numpy as np
import pytest

import fastbp
from fastbp.training.with_derivatives import of_samples

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

X = np.random.default_rng(0).standard_normal((21, 3))


def outputs(theta, x, sizes, sigma=torch.tanh):
    """a of the last layer, from θ in fastbp's order, for a linear output layer."""
    at, a = 0, x
    for l, (n_in, n) in enumerate(pairwise(sizes)):
        w, b = theta[at : at + n * n_in].reshape(n, n_in), theta[at + n * n_in : at + n * (n_in + 1)]
        at, a = at + n * (n_in + 1), w @ a + b
        a = sigma(a) if l < len(sizes) - 2 else a
    return a


def gradient(cost, net):
    theta = torch.tensor(net.parameters.copy())
    return torch.func.grad(cost)(theta).numpy()


def close(found, expected):
    assert np.abs(found - expected).max() <= 1e-9 * np.abs(expected).max()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("sizes", [[3, 9, 2], [3, 33, 7, 4]])
def test_derivatives(sizes, seed):
    rng, n = np.random.default_rng(seed), len(X)
    Y, D, weight = (
        rng.standard_normal((n, sizes[-1])),
        rng.standard_normal((n, sizes[-1], 3)),
        rng.uniform(0, 2, (sizes[-1], 3)),
    )
    net = fastbp.Network(sizes, activation="tanh", cost="quadratic", dtype="float64", seed=seed)
    formulation, samples = of_samples(net._samples(X, Y), D, weight, None, net._model)
    found = np.empty_like(net.parameters)
    value = formulation.gradient(net._model, samples.X, samples.Y, found)
    inputs, y, d, v = (torch.tensor(array) for array in (X, Y, D, weight))

    def cost(theta):
        def of_sample(x, y_s, d_s):
            J = torch.func.jacrev(lambda x_s: outputs(theta, x_s, sizes))(x)
            return 0.5 * ((outputs(theta, x, sizes) - y_s) ** 2).sum() + 0.5 * (v * (J - d_s) ** 2).sum()

        return torch.func.vmap(of_sample)(inputs, y, d).mean()

    close(found, gradient(cost, net))
    assert value == pytest.approx(float(cost(torch.tensor(net.parameters.copy()))), rel=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_gaussian_nll(seed):
    sizes, Y = [3, 8, 4], np.random.default_rng(seed).standard_normal((len(X), 2))
    net = fastbp.Network(sizes, activation="tanh", cost="gaussian_nll", dtype="float64", seed=seed)
    net.parameters[:] = np.random.default_rng(seed).standard_normal(net.parameters.size)
    inputs, y = torch.tensor(X), torch.tensor(Y)

    def cost(theta):
        z = torch.func.vmap(lambda x: outputs(theta, x, sizes))(inputs)
        variance = torch.exp(12 * torch.tanh(z[:, 2:] / 12))
        loss = torch.nn.functional.gaussian_nll_loss(z[:, :2], y, variance, reduction="none", eps=1e-300)
        return loss.sum(dim=1).mean()

    close(net.gradient(X, Y).vector, gradient(cost, net))


@pytest.mark.parametrize("seed", range(3))
def test_quantiles(seed):
    sizes, q = [3, 8, 4], [0.1, 0.2, 0.5, 0.9]
    Y = np.random.default_rng(seed).standard_normal((len(X), 1))
    net = fastbp.Network(sizes, activation="tanh", cost=fastbp.Quantiles(q), dtype="float64", seed=seed)
    inputs, y, levels = torch.tensor(X), torch.tensor(Y), torch.tensor(q, dtype=torch.float64)

    def cost(theta):
        z = torch.func.vmap(lambda x: outputs(theta, x, sizes))(inputs)
        a = torch.cumsum(torch.cat([z[:, :1], torch.nn.functional.softplus(z[:, 1:])], dim=1), dim=1)
        return torch.maximum(levels * (y - a), (levels - 1) * (y - a)).sum(dim=1).mean()

    close(net.gradient(X, Y).vector, gradient(cost, net))

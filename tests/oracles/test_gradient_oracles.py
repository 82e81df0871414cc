"""Gradients against the automatic differentiation of PyTorch and JAX."""

import math
from itertools import pairwise

import numpy as np
import pytest
from conftest import relative_difference
from covering import in_turn

import fastbp

SIZES, SAMPLES = [7, 40, 33, 5], 21
ACTIVATIONS = ["identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "softplus", "silu", "mish", "gelu"]
OUTPUTS = {
    "softmax": ["cross_entropy", "quadratic"],
    "sigmoid": ["cross_entropy", "squared_error"],
    "exponential": ["poisson"],
    "identity": ["quadratic", "absolute", "huber"],
}
PAIRS = [(output, cost) for output, costs in OUTPUTS.items() for cost in costs]
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


def case(hidden, output, cost, dtype):
    rng = np.random.default_rng(0)
    net = fastbp.Network(
        SIZES, activation=hidden, output_activation=output, cost=cost, dtype=dtype, seed=3, initializer="glorot"
    )
    for b in net.biases:
        b[:] = rng.standard_normal(b.size) / 4
    X = rng.standard_normal((SAMPLES, SIZES[0])).astype(dtype)
    Y = rng.random((SAMPLES, SIZES[-1])).astype(dtype)
    return net, X, Y / Y.sum(axis=1, keepdims=True)


def cost_with(library, functions, theta, X, Y, hidden, output, cost):
    """The mean cost, computed with another library's functions."""
    a, start = X, 0
    for l, (n_in, n_out) in enumerate(pairwise(SIZES)):
        w = theta[start : start + n_in * n_out].reshape(n_out, n_in)
        start += n_in * n_out
        z = a @ w.T + theta[start : start + n_out]
        start += n_out
        a = functions[hidden if l < len(SIZES) - 2 else output](z)
    d = a - Y
    if cost == "cross_entropy":
        logs = Y * library.log(a) if output == "softmax" else Y * library.log(a) + (1 - Y) * library.log(1 - a)
        return -logs.sum() / SAMPLES
    sums = {
        "quadratic": lambda: (d * d).sum() / 2,
        "squared_error": lambda: (d * d).sum(),
        "absolute": lambda: abs(d).sum(),
        "huber": lambda: library.where(abs(d) <= 1, d * d / 2, abs(d) - 0.5).sum(),
        "poisson": lambda: (a - Y * library.log(a)).sum(),
    }
    return sums[cost]() / SAMPLES


@pytest.mark.parametrize(("hidden", "pair", "dtype"), in_turn(ACTIVATIONS, PAIRS, ["float32", "float64"]))
def test_gradient_is_pytorchs(hidden, pair, dtype):
    output, cost = pair
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: it comes with the extra `peers`")
    functions = {
        "identity": lambda z: z, "sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu,
        "leaky_relu": lambda z: torch.nn.functional.leaky_relu(z, 0.01), "elu": torch.nn.functional.elu,
        "softplus": torch.nn.functional.softplus, "silu": torch.nn.functional.silu,
        "selu": torch.selu, "mish": torch.nn.functional.mish,
        "gelu": torch.nn.functional.gelu, "exponential": torch.exp, "softmax": lambda z: torch.softmax(z, dim=1),
    }  # fmt: skip
    net, X, Y = case(hidden, output, cost, dtype)
    theta = torch.tensor(net.parameters.astype(np.float64), requires_grad=True)
    value = cost_with(
        torch, functions, theta, torch.tensor(X, dtype=torch.float64), torch.tensor(Y, dtype=torch.float64),
        hidden, output, cost,
    )  # fmt: skip
    value.backward()
    assert relative_difference(net.gradient(X, Y).vector, theta.grad.numpy()) < TOLERANCE[dtype]
    assert math.isclose(net.evaluate(X, Y).cost, value.item(), rel_tol=TOLERANCE[dtype])


def test_weights_of_outputs_are_those_of_pytorchs_cross_entropy():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: it comes with the extra `peers`")
    net, X, Y = case("tanh", "sigmoid", "cross_entropy", "float64")
    W = np.random.default_rng(1).uniform(-1, 2, Y.shape) * (Y > 0.1)
    theta, a, start = torch.tensor(net.parameters, requires_grad=True), torch.tensor(X), 0
    for l, (n_in, n_out) in enumerate(pairwise(SIZES)):
        w, start = theta[start : start + n_in * n_out].reshape(n_out, n_in), start + n_in * n_out
        z, start = a @ w.T + theta[start : start + n_out], start + n_out
        a = torch.tanh(z) if l < len(SIZES) - 2 else z
    kind = {"weight": torch.tensor(W), "reduction": "sum"}
    value = torch.nn.functional.binary_cross_entropy_with_logits(a, torch.tensor(Y), **kind) / SAMPLES
    value.backward()
    missing = np.where(W == 0, np.nan, Y)
    found = net.gradient(X, missing, sample_weight=W).vector
    assert relative_difference(found, theta.grad.numpy()) < TOLERANCE["float64"]
    assert math.isclose(net.evaluate(X, missing, sample_weight=W).cost, value.item(), rel_tol=1e-12)


@pytest.mark.parametrize(("pair", "hidden"), in_turn(PAIRS, ["sigmoid", "tanh", "relu", "softplus"]))
def test_gradient_is_jaxs(pair, hidden):
    """JAX takes half a second for each case, and PyTorch has told of all hidden activations with all pairs."""
    output, cost = pair
    jax = pytest.importorskip("jax", reason="JAX is not installed: it comes with the extra `peers`")
    functions = {
        "identity": lambda z: z, "sigmoid": jax.nn.sigmoid, "tanh": jax.numpy.tanh, "relu": jax.nn.relu,
        "softplus": jax.nn.softplus, "exponential": jax.numpy.exp, "softmax": lambda z: jax.nn.softmax(z, axis=1),
    }  # fmt: skip
    net, X, Y = case(hidden, output, cost, "float64")
    with jax.enable_x64(True):
        gradient = jax.grad(lambda theta: cost_with(jax.numpy, functions, theta, X, Y, hidden, output, cost))
        expected = np.asarray(gradient(jax.numpy.asarray(net.parameters)))
    assert expected.dtype == np.float64
    assert relative_difference(net.gradient(X, Y).vector, expected) < TOLERANCE["float64"]

"""Naive twins of the second-order derivatives: NumPy, one sample at a time, from the definitions.

The whole Jacobian of the outputs by the parameters, and sums over samples of Jᵀ H J; no matrix-free products.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastbp
from fastbp.formulations.numpy_functions import backward
from fastbp.formulations.textbook import feedforward
from fastbp.functions.cost_pairs import PAIRS


def output_jacobian(net: fastbp.Network, x: NDArray[Any], of: str = "a") -> NDArray[Any]:
    """∂a⁽ᴸ⁾/∂θ of one sample, or ∂z⁽ᴸ⁾/∂θ: (n_out, P)."""
    zs, activations = feedforward(net._model, x)
    rows = []
    for c in range(net.sizes[-1]):
        delta = np.eye(net.sizes[-1])[c]
        if of == "a":
            delta = backward(net.activations[-1])(delta, zs[-1], activations[-1])
        parts = []
        for l in range(len(net.sizes) - 2, -1, -1):
            parts = [np.outer(delta, activations[l]).ravel(), delta, *parts]
            if l > 0:
                delta = backward(net.activations[l - 1])(net.weights[l].T @ delta, zs[l - 1], activations[l])
        rows.append(np.concatenate(parts))
    return np.array(rows)


def input_jacobian(net: fastbp.Network, x: NDArray[Any]) -> NDArray[Any]:
    """∂a⁽ᴸ⁾/∂x of one sample, (n_out, n_in): the chain rule as a product of matrices."""
    zs, activations = feedforward(net._model, x)
    J = np.eye(len(x))
    for w, z, a, activation in zip(net.weights, zs, activations[1:], net.activations, strict=True):
        sigma_jacobian = np.array([backward(activation)(unit, z, a) for unit in np.eye(len(z))])
        J = sigma_jacobian @ w @ J
    return J


def gauss_newton(net: fastbp.Network, X: NDArray[Any], Y: NDArray[Any]) -> NDArray[Any]:
    """1/n Σ_s Jᵀ H J, (P, P): for a fused pair J = ∂z/∂θ and H = ∂a/∂z, otherwise J = ∂a/∂θ and H = ∂²C/∂a²."""
    pair = PAIRS.get((net.activations[-1].function, net.cost.function))
    fused = pair is not None and pair.is_fused
    total = np.zeros((net.parameters.size, net.parameters.size))
    for x, y in zip(X, Y, strict=True):
        zs, activations = feedforward(net._model, x)
        z, a = zs[-1], activations[-1]
        if fused:
            H = np.array([backward(net.activations[-1])(unit, z, a) for unit in np.eye(len(z))])
        else:
            H = np.diag([float(net.cost.second_derivative(*pair)) for pair in zip(a, y, strict=True)])
        J = output_jacobian(net, x, "z" if fused else "a")
        total += J.T @ H @ J
    return total / len(X)


def empirical_fisher(net: fastbp.Network, X: NDArray[Any], Y: NDArray[Any]) -> NDArray[Any]:
    """1/n Σ_s g gᵀ, (P, P)."""
    gradients = np.array([net.gradient(x[None], y[None]).vector for x, y in zip(X, Y, strict=True)])
    return gradients.T @ gradients / len(X)

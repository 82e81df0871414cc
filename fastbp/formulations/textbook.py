"""Backpropagation as in chapter 2 of Nielsen's book: one sample at a time, in NumPy.

It is the slowest formulation, and the reference for all others.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastbp.formulations.interface import PLAIN, BatchGradient, NumPyFormulation
from fastbp.formulations.numpy_functions import as_if_compiled, backward, cost_and_error, sigma, weighted
from fastbp.formulations.step_options import StepOptions
from fastbp.model import Array, Model, ParameterVector
from fastbp.optimizers import Optimizer


class Textbook(NumPyFormulation):
    """One sample at a time."""

    name = "textbook"

    @as_if_compiled
    def outputs(self, model: Model, X: Array, out: Array | None = None) -> Array:
        """Return a⁽ᴸ⁾ of every row, in `out` if that is given."""
        return np.stack([feedforward(model, x)[1][-1] for x in X], out=out)

    @as_if_compiled
    def costs(self, model: Model, X: Array, Y: Array, sample_weight: Array | None = None) -> tuple[Array, Array]:
        """Return a⁽ᴸ⁾ and the cost of every row."""
        cost, _ = cost_and_error(model.cost, model.activations[-1])
        outputs, costs = [], []
        for s, (x, y) in enumerate(zip(X, Y, strict=True)):
            zs, activations = feedforward(model, x)
            outputs.append(activations[-1])
            costs.append(cost(zs[-1], activations[-1], y, None if sample_weight is None else sample_weight[s]))
        return np.array(outputs), np.array(costs, dtype=np.float64)

    @as_if_compiled
    def gradient(self, model: Model, X: Array, Y: Array, gradient: Array, sample_weight: Array | None = None) -> float:
        """Write the mean of w_s ∇C_s over the samples; return the mean of w_s C_s."""
        return self._mean(model, X, Y, ParameterVector(model.sizes, gradient), [], sample_weight)

    def _mean(
        self, model: Model, X: Array, Y: Array, mean: ParameterVector, kept: Sequence[Array], weight: Array | None
    ) -> float:
        nabla_w = [np.zeros(w.shape, model.dtype) for w in model.parameters.weights]
        nabla_b = [np.zeros(b.shape, model.dtype) for b in model.parameters.biases]
        total_cost = 0.0
        for s, (x, y) in enumerate(zip(X, Y, strict=True)):
            of_sample = None if weight is None else weight[s]
            delta_nabla_w, delta_nabla_b, cost = backprop(model, x, y, [layer[s] for layer in kept], of_sample)
            nabla_w = [nw + dnw for nw, dnw in zip(nabla_w, delta_nabla_w, strict=True)]
            nabla_b = [nb + dnb for nb, dnb in zip(nabla_b, delta_nabla_b, strict=True)]
            total_cost += cost
        for l in range(model.n_layers):
            mean.weights[l][:] = nabla_w[l] / len(X)
            mean.biases[l][:] = nabla_b[l] / len(X)
        return total_cost / len(X)

    def batch_gradient(self, model: Model) -> BatchGradient:
        """Return the function that computes the gradient of a mini-batch, sample by sample."""
        return lambda X, Y, *rest: self._mean(model, X, Y, *rest) * len(X)

    def step_bytes(self, model: Model, optimizer: Optimizer, batch_size: int, options: StepOptions = PLAIN) -> int:
        """Return how much memory a trainer allocates: ∇C, that of one sample, and their sum."""
        return 3 * model.parameters.vector.nbytes


def feedforward(model: Model, x: Array, kept: Sequence[Array] = ()) -> tuple[list[Array], list[Array]]:
    """Return z of layers 1…L and a of layers 0…L for one sample x. With dropout, a ⊙ kept goes on to the next layer."""
    activation = x
    zs, activations = [], [x]
    for l, (w, b, activation_function) in enumerate(
        zip(model.parameters.weights, model.parameters.biases, model.activations, strict=True)
    ):
        if kept and l > 0:
            activation = activation * kept[l - 1]
        z = np.dot(w, activation) + b
        activation = sigma(activation_function)(z)
        zs.append(z)
        activations.append(activation)
    return zs, activations


def backprop(
    model: Model, x: Array, y: Array, kept: Sequence[Array] = (), weight: Any = None
) -> tuple[list[Array], list[Array], float]:
    """Return ∇C_x by the weights and by the biases of each layer, and C_x.

    kept: with dropout, what a of each hidden layer is multiplied by before it goes on to the next layer. weight: of the
    sample, a number, or of each of its outputs.
    """
    weights, n_layers = model.parameters.weights, model.n_layers
    cost, output_error = cost_and_error(model.cost, model.activations[-1])
    nabla_w = [np.zeros(w.shape, model.dtype) for w in weights]
    nabla_b = [np.zeros(b.shape, model.dtype) for b in model.parameters.biases]
    zs, activations = feedforward(model, x, kept)
    passed_on = list(activations)
    for l, factors in enumerate(kept, 1):
        passed_on[l] = activations[l] * factors
    delta = weighted(output_error(zs[-1], activations[-1], y), weight)  # BP1
    nabla_b[-1] = delta  # BP3
    nabla_w[-1] = np.outer(delta, passed_on[-2])  # BP4
    for l in range(2, n_layers + 1):  # l = 1 is the last layer of neurons, l = 2 the one before it, as in the book
        error = np.dot(weights[-l + 1].transpose(), delta)
        if kept:
            error = error * kept[-l + 1]
        delta = backward(model.activations[-l])(error, zs[-l], activations[-l])  # BP2
        nabla_b[-l] = delta
        nabla_w[-l] = np.outer(delta, passed_on[-l - 1])
    return nabla_w, nabla_b, float(cost(zs[-1], activations[-1], y, weight))

"""Backpropagation as Nielsen's book prints it (chapter 2): one sample at a time, columns of NumPy.

The slowest formulation, and the oracle of all others.
"""

import numpy as np
import numpy.typing as npt

from fastbp.formulations.interface import Trainer
from fastbp.formulations.numpy_functions import backward, cost_and_error, sigma
from fastbp.optimizers import Optimizer, OptimizerState
from fastbp.parameters import Array, Model, ParameterVector


class Textbook:
    """One sample at a time."""

    name = "textbook"

    def outputs(self, model: Model, X: Array) -> Array:
        """Return a⁽ᴸ⁾ of every row."""
        return np.array([feedforward(model, x)[1][-1] for x in X])

    def costs(self, model: Model, X: Array, Y: Array) -> tuple[Array, Array]:
        """Return a⁽ᴸ⁾ and the cost of every row."""
        cost, _ = cost_and_error(model.cost, model.activations[-1])
        outputs, costs = [], []
        for x, y in zip(X, Y, strict=True):
            zs, activations = feedforward(model, x)
            outputs.append(activations[-1])
            costs.append(cost(zs[-1], activations[-1], y))
        return np.array(outputs), np.array(costs, dtype=np.float64)

    def gradient(self, model: Model, X: Array, Y: Array, gradient: Array) -> float:
        """Write the mean of ∇C_x over the samples, return the mean cost."""
        nabla = ParameterVector(model.sizes, gradient)
        gradient[:] = 0
        total_cost = 0.0
        for x, y in zip(X, Y, strict=True):
            total_cost += backprop(model, x, y, nabla)
        gradient /= len(X)
        return total_cost / len(X)

    def trainer(
        self, model: Model, optimizer: Optimizer, state: OptimizerState, X: Array, Y: Array, batch_size: int
    ) -> Trainer:
        """Return stochastic gradient descent over mini-batches."""
        gradient = np.empty_like(model.parameters.vector)

        def train(order: npt.NDArray[np.int64]) -> float:
            total_cost = 0.0
            for start in range(0, len(order), batch_size):
                mini_batch = order[start : start + batch_size]
                total_cost += self.gradient(model, X[mini_batch], Y[mini_batch], gradient) * len(mini_batch)
                state.t[0] += 1
                optimizer.step(model.parameters.vector, gradient, state)
            return total_cost

        return train


def feedforward(model: Model, x: Array) -> tuple[list[Array], list[Array]]:
    """Return z of layers 1…L, and a of layers 0…L, for one sample x."""
    activation = x
    zs, activations = [], [x]
    for w, b, activation_function in zip(
        model.parameters.weights, model.parameters.biases, model.activations, strict=True
    ):
        z = np.dot(w, activation) + b
        activation = sigma(activation_function)(z)
        zs.append(z)
        activations.append(activation)
    return zs, activations


def backprop(model: Model, x: Array, y: Array, nabla: ParameterVector) -> float:
    """Add ∇C_x to `nabla`, return C_x."""
    cost, output_error = cost_and_error(model.cost, model.activations[-1])
    zs, activations = feedforward(model, x)
    delta = output_error(zs[-1], activations[-1], y)  # BP1
    nabla.biases[-1][:] += delta  # BP3
    nabla.weights[-1][:] += np.outer(delta, activations[-2])  # BP4
    for l in range(2, model.n_layers + 1):  # l = 1 is the last layer, l = 2 the one before it
        error = np.dot(model.parameters.weights[-l + 1].transpose(), delta)
        delta = backward(model.activations[-l])(error, zs[-l], activations[-l])  # BP2
        nabla.biases[-l][:] += delta
        nabla.weights[-l][:] += np.outer(delta, activations[-l - 1])
    return float(cost(zs[-1], activations[-1], y))

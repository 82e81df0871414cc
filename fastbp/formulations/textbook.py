"""Backpropagation as Nielsen's book prints it (chapter 2): one sample at a time, in NumPy.

The slowest formulation, and the oracle of all others.
"""

import numpy as np
import numpy.typing as npt

from fastbp.formulations.interface import InPlaceTrainer, Trainer
from fastbp.formulations.numpy_functions import as_if_compiled, backward, cost_and_error, sigma
from fastbp.optimizers import Optimizer, OptimizerState
from fastbp.parameters import Array, Model, ParameterVector


class Textbook:
    """One sample at a time."""

    name = "textbook"

    @as_if_compiled
    def outputs(self, model: Model, X: Array) -> Array:
        """Return a⁽ᴸ⁾ of every row."""
        return np.array([feedforward(model, x)[1][-1] for x in X])

    @as_if_compiled
    def costs(self, model: Model, X: Array, Y: Array) -> tuple[Array, Array]:
        """Return a⁽ᴸ⁾ and the cost of every row."""
        cost, _ = cost_and_error(model.cost, model.activations[-1])
        outputs, costs = [], []
        for x, y in zip(X, Y, strict=True):
            zs, activations = feedforward(model, x)
            outputs.append(activations[-1])
            costs.append(cost(zs[-1], activations[-1], y))
        return np.array(outputs), np.array(costs, dtype=np.float64)

    @as_if_compiled
    def gradient(self, model: Model, X: Array, Y: Array, gradient: Array) -> float:
        """Write the mean of ∇C_x over the samples, return the mean cost."""
        nabla_w = [np.zeros(w.shape, model.dtype) for w in model.parameters.weights]
        nabla_b = [np.zeros(b.shape, model.dtype) for b in model.parameters.biases]
        total_cost = 0.0
        for x, y in zip(X, Y, strict=True):
            delta_nabla_w, delta_nabla_b, cost = backprop(model, x, y)
            nabla_w = [nw + dnw for nw, dnw in zip(nabla_w, delta_nabla_w, strict=True)]
            nabla_b = [nb + dnb for nb, dnb in zip(nabla_b, delta_nabla_b, strict=True)]
            total_cost += cost
        mean = ParameterVector(model.sizes, gradient)
        for l in range(model.n_layers):
            mean.weights[l][:] = nabla_w[l] / len(X)
            mean.biases[l][:] = nabla_b[l] / len(X)
        return total_cost / len(X)

    def step_bytes(self, model: Model, optimizer: Optimizer, batch_size: int) -> int:
        """Return how much memory a trainer allocates: ∇C, that of one sample, and their sum."""
        return 3 * model.parameters.vector.nbytes

    def trainer(
        self, model: Model, optimizer: Optimizer, state: OptimizerState, X: Array, Y: Array, batch_size: int
    ) -> Trainer:
        """Return stochastic gradient descent over mini-batches."""
        gradient = np.empty_like(model.parameters.vector)

        @as_if_compiled
        def train(order: npt.NDArray[np.int64]) -> float:
            total_cost = 0.0
            for start in range(0, len(order), batch_size):
                mini_batch = order[start : start + batch_size]
                total_cost += self.gradient(model, X[mini_batch], Y[mini_batch], gradient) * len(mini_batch)
                state.t[0] += 1
                optimizer.step(model.parameters.vector, gradient, state)
            return total_cost

        return InPlaceTrainer(train)


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


def backprop(model: Model, x: Array, y: Array) -> tuple[list[Array], list[Array], float]:
    """Return ∇C_x, by layer, the derivatives by weights and those by biases; and C_x."""
    weights, n_layers = model.parameters.weights, model.n_layers
    cost, output_error = cost_and_error(model.cost, model.activations[-1])
    nabla_w = [np.zeros(w.shape, model.dtype) for w in weights]
    nabla_b = [np.zeros(b.shape, model.dtype) for b in model.parameters.biases]
    zs, activations = feedforward(model, x)
    delta = output_error(zs[-1], activations[-1], y)  # BP1
    nabla_b[-1] = delta  # BP3
    nabla_w[-1] = np.outer(delta, activations[-2])  # BP4
    for l in range(2, n_layers + 1):  # l = 1 is the last layer of neurons, l = 2 the one before it, as in the book
        error = np.dot(weights[-l + 1].transpose(), delta)
        delta = backward(model.activations[-l])(error, zs[-l], activations[-l])  # BP2
        nabla_b[-l] = delta
        nabla_w[-l] = np.outer(delta, activations[-l - 1])
    return nabla_w, nabla_b, float(cost(zs[-1], activations[-1], y))

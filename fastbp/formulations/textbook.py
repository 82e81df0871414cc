"""Backpropagation as Nielsen's book prints it (chapter 2): one sample at a time, in NumPy.

The slowest formulation, and the oracle of all others.
"""

import math

import numpy as np
import numpy.typing as npt

from fastbp.formulations.interface import PLAIN, InPlaceTrainer, Trainer
from fastbp.formulations.numpy_functions import as_if_compiled, backward, cost_and_error, sigma
from fastbp.formulations.step_options import StepOptions
from fastbp.model import Array, Model, ParameterVector
from fastbp.optimizers import Optimizer, OptimizerState


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
    def gradient(self, model: Model, X: Array, Y: Array, gradient: Array, sample_weight: Array | None = None) -> float:
        """Write the mean of ∇C_x over the samples, each times its weight; return that of the costs."""
        return self._gradient(model, X, Y, ParameterVector(model.sizes, gradient), None, sample_weight)

    def _gradient(
        self, model: Model, X: Array, Y: Array, mean: ParameterVector, kept: list[Array] | None, weight: Array | None
    ) -> float:
        nabla_w = [np.zeros(w.shape, model.dtype) for w in model.parameters.weights]
        nabla_b = [np.zeros(b.shape, model.dtype) for b in model.parameters.biases]
        total_cost = 0.0
        for s, (x, y) in enumerate(zip(X, Y, strict=True)):
            kept_x = None if kept is None else [layer[s] for layer in kept]
            delta_nabla_w, delta_nabla_b, cost = backprop(model, x, y, kept_x)
            share = 1 if weight is None else weight[s]
            nabla_w = [nw + share * dnw for nw, dnw in zip(nabla_w, delta_nabla_w, strict=True)]
            nabla_b = [nb + share * dnb for nb, dnb in zip(nabla_b, delta_nabla_b, strict=True)]
            total_cost += float(share) * cost
        for l in range(model.n_layers):
            mean.weights[l][:] = nabla_w[l] / len(X)
            mean.biases[l][:] = nabla_b[l] / len(X)
        return total_cost / len(X)

    def step_bytes(self, model: Model, optimizer: Optimizer, batch_size: int, options: StepOptions = PLAIN) -> int:
        """Return how much memory a trainer allocates: ∇C, that of one sample, and their sum."""
        return 3 * model.parameters.vector.nbytes

    def trainer(
        self,
        model: Model,
        optimizer: Optimizer,
        state: OptimizerState,
        X: Array,
        Y: Array,
        batch_size: int,
        options: StepOptions = PLAIN,
    ) -> Trainer:
        """Return stochastic gradient descent over mini-batches."""
        gradient = ParameterVector(model.sizes, np.empty_like(model.parameters.vector))

        @as_if_compiled
        def train(order: npt.NDArray[np.int64]) -> float:
            total_cost = 0.0
            for start in range(0, len(order), batch_size):
                mini_batch = order[start : start + batch_size]
                options.steps[0] += 1
                t = int(state.t[0]) + 1
                kept = None
                if any(options.dropout):
                    layers = enumerate(model.sizes[1:-1], 1)
                    kept = [options.kept(l, len(mini_batch), n, model.dtype) for l, n in layers]
                weight, l2, penalty = options.of_batch(mini_batch, model.parameters)
                mean_cost = self._gradient(model, X[mini_batch], Y[mini_batch], gradient, kept, weight)
                total_cost += mean_cost * len(mini_batch) + penalty
                options.of_gradient(gradient, model.parameters, float(state.rate[0]), l2)
                optimizer.step(model.parameters.vector, gradient.vector, state)
                state.t[0] = t  # also where a user's own optimizer does not count
                options.of_weights(model.parameters)
                if not math.isfinite(total_cost):
                    break
            return total_cost

        return InPlaceTrainer(train)


def feedforward(model: Model, x: Array, kept: list[Array] | None = None) -> tuple[list[Array], list[Array]]:
    """Return z of layers 1…L, and a of layers 0…L, for one sample x; what is passed on is a ⊙ kept."""
    activation = x
    zs, activations = [], [x]
    for l, (w, b, activation_function) in enumerate(
        zip(model.parameters.weights, model.parameters.biases, model.activations, strict=True)
    ):
        if kept is not None and l > 0:
            activation = activation * kept[l - 1]
        z = np.dot(w, activation) + b
        activation = sigma(activation_function)(z)
        zs.append(z)
        activations.append(activation)
    return zs, activations


def backprop(
    model: Model, x: Array, y: Array, kept: list[Array] | None = None
) -> tuple[list[Array], list[Array], float]:
    """Return ∇C_x, by layer, the derivatives by weights and those by biases; and C_x.

    kept: for each hidden layer what its a is multiplied by on the way on, where neurons are dropped.
    """
    weights, n_layers = model.parameters.weights, model.n_layers
    cost, output_error = cost_and_error(model.cost, model.activations[-1])
    nabla_w = [np.zeros(w.shape, model.dtype) for w in weights]
    nabla_b = [np.zeros(b.shape, model.dtype) for b in model.parameters.biases]
    zs, activations = feedforward(model, x, kept)
    passed_on = activations if kept is None else [x, *(a * k for a, k in zip(activations[1:-1], kept, strict=True))]
    passed_on = [*passed_on[:n_layers], activations[-1]]
    delta = output_error(zs[-1], activations[-1], y)  # BP1
    nabla_b[-1] = delta  # BP3
    nabla_w[-1] = np.outer(delta, passed_on[-2])  # BP4
    for l in range(2, n_layers + 1):  # l = 1 is the last layer of neurons, l = 2 the one before it, as in the book
        error = np.dot(weights[-l + 1].transpose(), delta)
        if kept is not None:
            error = error * kept[-l + 1]
        delta = backward(model.activations[-l])(error, zs[-l], activations[-l])  # BP2
        nabla_b[-l] = delta
        nabla_w[-l] = np.outer(delta, passed_on[-l - 1])
    return nabla_w, nabla_b, float(cost(zs[-1], activations[-1], y))

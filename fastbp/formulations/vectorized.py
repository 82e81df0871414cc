"""Backpropagation over a whole mini-batch in NumPy: each sum over a layer is one matrix product.

A is (m, n), a row for each sample: the book's Wᵀδ is Δ W here, and its outer products summed over samples are Δᵀ A.
"""

from collections.abc import Sequence
from itertools import zip_longest

import numpy as np

from fastbp.formulations.interface import PLAIN, BatchGradient, NumPyFormulation, mean_of_blocks
from fastbp.formulations.numpy_functions import as_if_compiled, backward, cost_and_error, sigma, weighted
from fastbp.formulations.step_options import StepOptions
from fastbp.model import Array, Model, ParameterVector
from fastbp.optimizers import Optimizer

ROWS_AT_ONCE = 1024


class Vectorized(NumPyFormulation):
    """A mini-batch at a time."""

    name = "vectorized"

    @as_if_compiled
    def outputs(self, model: Model, X: Array, out: Array | None = None) -> Array:
        """Return a⁽ᴸ⁾ of every row, in `out` if that is given."""
        return np.concatenate([Pass(model).forward(block) for block in _blocks(X)], out=out)

    @as_if_compiled
    def costs(self, model: Model, X: Array, Y: Array, sample_weight: Array | None = None) -> tuple[Array, Array]:
        """Return a⁽ᴸ⁾ and the cost of every row."""
        step, outputs, costs = Pass(model), [], []
        weights = [None] * len(X) if sample_weight is None else _blocks(sample_weight)
        for block, targets, weight in zip(_blocks(X), _blocks(Y), weights, strict=False):
            outputs.append(step.forward(block))
            costs.append(step.cost(step.Z[-1], step.A[-1], targets, weight))
        return np.concatenate(outputs), np.concatenate(costs).astype(np.float64)

    @as_if_compiled
    def gradient(self, model: Model, X: Array, Y: Array, gradient: Array, sample_weight: Array | None = None) -> float:
        """Write the gradient of the mean cost, return the mean cost."""
        step, part = Pass(model), ParameterVector(model.sizes, np.empty_like(gradient))

        def block(start: int, stop: int) -> tuple[Array, float]:
            weight = None if sample_weight is None else sample_weight[start:stop]
            return part.vector, step.gradient(X[start:stop], Y[start:stop], part, weight=weight)

        return mean_of_blocks(gradient, len(X), ROWS_AT_ONCE, block)

    def step_bytes(self, model: Model, optimizer: Optimizer, batch_size: int, options: StepOptions = PLAIN) -> int:
        """Return how much memory a trainer allocates: z, a and δ of a mini-batch, ∇C."""
        return 3 * batch_size * sum(model.sizes) * model.dtype.itemsize + model.parameters.vector.nbytes

    def batch_gradient(self, model: Model) -> BatchGradient:
        """Return the function that computes the gradient of a mini-batch."""
        return Pass(model).gradient


class Pass:
    """The forward and backward pass of a mini-batch through a model."""

    def __init__(self, model: Model):
        self.weights, self.biases = model.parameters.weights, model.parameters.biases
        self.sigmas = [sigma(activation) for activation in model.activations]
        self.backwards = [backward(activation) for activation in model.activations]
        self.cost, self.output_error = cost_and_error(model.cost, model.activations[-1])
        self.Z: list[Array] = []
        self.A: list[Array] = []
        self.passed_on: list[Array] = []

    def forward(self, X: Array, kept: Sequence[Array] = ()) -> Array:
        """Z = A_previous Wᵀ + b, A = σ(Z). Stores Z and A for the backward pass; with dropout, A ⊙ kept goes on."""
        self.Z, self.A, self.passed_on = [], [], [X]
        for w, b, activate, factors in zip_longest(self.weights, self.biases, self.sigmas, kept):
            Z = self.passed_on[-1] @ w.T
            Z += b
            self.Z.append(Z)
            self.A.append(activate(Z))
            self.passed_on.append(self.A[-1] if factors is None else self.A[-1] * factors)
        return self.A[-1]

    def gradient(
        self, X: Array, Y: Array, gradient: ParameterVector, kept: Sequence[Array] = (), weight: Array | None = None
    ) -> float:
        """Write the gradient of the mean cost; return the sum of the costs."""
        self.forward(X, kept)
        delta = self.output_error(self.Z[-1], self.A[-1], Y)  # BP1
        costs = self.cost(self.Z[-1], self.A[-1], Y, weight)
        delta /= len(X)
        delta = weighted(delta, weight)
        for l in range(len(self.weights) - 1, -1, -1):
            np.matmul(delta.T, self.passed_on[l], out=gradient.weights[l])  # BP4
            delta.sum(axis=0, out=gradient.biases[l])  # BP3
            if l > 0:
                delta = self.backwards[l - 1](delta @ self.weights[l], self.Z[l - 1], self.A[l - 1])  # BP2
                if kept:
                    delta *= kept[l - 1]
        return float(costs.sum())


def _blocks(X: Array) -> list[Array]:
    return [X[start : start + ROWS_AT_ONCE] for start in range(0, len(X), ROWS_AT_ONCE)]

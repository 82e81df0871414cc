"""The Laplace approximation: a normal distribution of the parameters around θ, from Gauss–Newton matrix and prior.

    H = Σ_s J_sᵀ Λ_s J_s        J_s = ∂f/∂θ, f the outputs, or for classes the z before sigmoid or softmax
    p(θ | data) ≈ N(θ̂, (H + α I)⁻¹)        α the precision of the prior N(0, I/α)

Λ = I/σ² for a sum of squares with noise σ; a (1 − a) for sigmoid and diag(a) − a aᵀ for softmax with cross_entropy. H
is kept as eigenvalues and eigenvectors, so that every α and σ after the first one costs next to nothing. Of the last
layer alone, H is that of a network of one layer whose inputs are the a of the last hidden layer; as a diagonal, its
eigenvectors are the axes.

Sources: D. J. C. MacKay, *A practical Bayesian framework for backpropagation networks*, 1992 (evidence, γ, α, σ);
Daxberger et al., *Laplace redux: effortless Bayesian deep learning*, 2021 (last layer, linearised prediction).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fastbp.derivatives.curvature import OutputJacobian
from fastbp.formulations.tiles.formulation import Tiled
from fastbp.functions.activations import ACTIVATIONS, sigmoid
from fastbp.functions.costs import COSTS, cross_entropy, quadratic, squared_error
from fastbp.functions.softmax import softmax
from fastbp.model import Array, Model, ParameterVector

Kind = Literal["full", "last_layer", "diagonal"]
MOST_FULL = 5000  # parameters of a full matrix: 200 MB
JACOBIAN_BYTES = 32 * 2**20  # of the rows of J that are computed at once, in float64
SMALLEST, LARGEST = 1e-12, 1e12  # of α and of 1/σ², which the evidence may drive to 0 or infinity


def is_regression(model: Model) -> bool:
    """Whether the cost is a sum of squares."""
    return model.cost.function in (quadratic, squared_error)


def refusal(model: Model) -> str | None:
    """Why there is no Laplace approximation of this model; None if there is one."""
    pair = model.cost.function is cross_entropy and model.activations[-1].function in (sigmoid, softmax)
    if is_regression(model) or pair:
        return None
    return (
        f"the cost is {model.cost.name!r} with {model.activations[-1].name} outputs; a Laplace approximation needs "
        "quadratic or squared_error, or cross_entropy with sigmoid or softmax outputs"
    )


def default_kind(model: Model) -> Kind:
    """Return what fits into memory and time."""
    if model.parameters.vector.size <= MOST_FULL:
        return "full"
    return "last_layer" if ParameterVector.count(model.sizes[-2:]) <= MOST_FULL else "diagonal"


@dataclass
class Linearised:
    """The outputs as a linear function of the chosen parameters, at θ: f(x) + J (θ′ − θ)."""

    model: Model  # whose Jacobian counts: with identity outputs for classes, of one layer for the last layer
    below: Model | None  # the layers before it, if it is the last one alone

    @classmethod
    def of(cls, model: Model, kind: Kind) -> "Linearised":
        """Return it for a model, which shares its parameters."""
        sizes, sigmas, vector = model.sizes, model.activations, model.parameters.vector
        output = sigmas[-1] if is_regression(model) else ACTIVATIONS["identity"]
        if kind != "last_layer":
            return cls(Model(sizes, (*sigmas[:-1], output), COSTS["quadratic"], ParameterVector(sizes, vector)), None)
        n, last = vector.size - ParameterVector.count(sizes[-2:]), sizes[-2:]
        top = Model(last, (output,), COSTS["quadratic"], ParameterVector(last, vector[n:]))
        if len(sizes) == 2:
            return cls(top, None)
        lower = Model(sizes[:-1], sigmas[:-1], COSTS["quadratic"], ParameterVector(sizes[:-1], vector[:n]))
        return cls(top, lower)

    @property
    def theta(self) -> Array:
        """The parameters that are uncertain, in float64."""
        return self.model.parameters.vector.astype(np.float64)

    def blocks(self, X: Array) -> Iterator[tuple[int, Array, Array]]:
        """Yield the first sample, J (m, n_out, P) and f (m, n_out), in float64, of blocks of samples."""
        inputs = X if self.below is None else Tiled().outputs(self.below, X)
        n_out, n = self.model.sizes[-1], self.theta.size
        jacobian = OutputJacobian(self.model, inputs, max(1, JACOBIAN_BYTES // (8 * n_out * n)))
        for start in range(0, len(X), jacobian.samples_at_once):
            J, f = jacobian(start)
            yield start, J.astype(np.float64).reshape(len(f), n_out, n), f.astype(np.float64)


def root_of_curvature(J: Array, f: Array, model: Model) -> Array:
    """Return B J with Bᵀ B = Λ, without the 1/σ² of a sum of squares. Shapes: J (m, n_out, P), f (m, n_out)."""
    if is_regression(model):
        return J
    a = probabilities(f, model)
    if model.activations[-1].function is sigmoid:
        return np.asarray(np.sqrt(a * (1 - a))[:, :, None] * J)
    mean = np.einsum("sc,scp->sp", a, J)
    return np.asarray(np.sqrt(a)[:, :, None] * (J - mean[:, None, :]))


def probabilities(f: Array, model: Model) -> Array:
    """Return sigmoid or softmax of f."""
    if model.activations[-1].function is sigmoid:
        half = 0.5 + 0.5 * np.tanh(0.5 * f)
        return np.asarray(half)
    e: Array = np.exp(f - f.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


class Laplace:
    """The posterior of the parameters of a model that nobody changes, at θ̂ = its parameters.

    `precision` is α and `noise` σ, 1 for classes; `gamma` is the number of parameters that the data determine. `damped`
    is how negative an eigenvalue was that is 0 now.
    """

    def __init__(self, model: Model, X: Array, Y: Array, kind: Kind):
        self.model, self.kind, self.regression = model, kind, is_regression(model)
        self.linearised = Linearised.of(model, kind)
        self.theta = self.linearised.theta
        self.n_samples, self.n_numbers = len(X), Y.size
        self.precision, self.noise = 1.0, 1.0
        _, costs = Tiled().costs(model, X, Y)
        total = float(costs.sum())
        self.squares = total * (2 if model.cost.function is quadratic else 1)  # Σ (a − y)², of a sum of squares
        self._total = total
        self._eigen(X, Y)

    def _eigen(self, X: Array, Y: Array) -> None:
        """Find H and g = Σ Jᵀ ∂C/∂f, both without 1/σ², for a sum of squares with C = ½ Σ (a − y)²."""
        n = self.theta.size
        H, self.gradient = np.zeros((n,) if self.kind == "diagonal" else (n, n)), np.zeros(n)
        for start, J, f in self.linearised.blocks(X):
            y = Y[start : start + len(f)].astype(np.float64)
            delta = (f if self.regression else probabilities(f, self.model)) - y
            self.gradient += np.einsum("sc,scp->p", delta, J)
            rows = root_of_curvature(J, f, self.model).reshape(-1, n)
            H += np.einsum("rp,rp->p", rows, rows) if self.kind == "diagonal" else rows.T @ rows
        self.axes: Array | None = None
        if self.kind == "diagonal":
            self.eigenvalues: Array = H
        else:
            self.eigenvalues, self.axes = np.linalg.eigh(H)
        self.damped = float(max(0.0, -self.eigenvalues.min()))
        self.eigenvalues = np.maximum(self.eigenvalues, 0)

    @property
    def scaled(self) -> Array:
        """The eigenvalues of H."""
        return self.eigenvalues / self.noise**2

    @property
    def gamma(self) -> float:
        """Σ λ / (λ + α)."""
        return float((self.scaled / (self.scaled + self.precision)).sum())

    def fit_evidence(self, precision: float | None, noise: float | None) -> None:
        """Choose α = γ / ‖θ‖² and σ² = Σ (a − y)² / (N − γ), or only the one that is not given (MacKay 1992)."""
        self.precision = precision or 1.0
        norm = max(float(self.theta @ self.theta), 1e-300)
        if self.regression:
            self.noise = noise or math.sqrt(max(self.squares / self.n_numbers, 1 / LARGEST))
        for _ in range(1000):
            before, gamma = (self.precision, self.noise), self.gamma
            if precision is None:
                self.precision = min(LARGEST, max(SMALLEST, gamma / norm))
            if noise is None and self.regression:
                variance = self.squares / max(self.n_numbers - gamma, 1e-3 * self.n_numbers)
                self.noise = math.sqrt(max(variance, 1 / LARGEST))
            if np.allclose(before, (self.precision, self.noise), rtol=1e-10, atol=0):
                break

    @property
    def log_likelihood(self) -> float:
        """Log p(Y | X, θ̂)."""
        if not self.regression:
            return -self._total
        constant = self.n_numbers * (math.log(self.noise) + 0.5 * math.log(2 * math.pi))
        return -0.5 * self.squares / self.noise**2 - constant

    @property
    def log_evidence(self) -> float:
        """Log p(Y | X) ≈ log p(Y | X, θ̂) − ½ α ‖θ̂‖² − ½ log |I + H/α|."""
        ratio = float(np.log1p(self.scaled / self.precision).sum())
        return self.log_likelihood - 0.5 * (self.precision * float(self.theta @ self.theta) + ratio)

    def variance(self, X: Array) -> tuple[Array, Array]:
        """Return f and the diagonals of J (H + α I)⁻¹ Jᵀ, (n, n_out) both."""
        outputs, variances = [], []
        for _, J, f in self.linearised.blocks(X):
            along = J if self.axes is None else J @ self.axes
            outputs.append(f)
            variances.append((along * along / (self.scaled + self.precision)).sum(axis=2))
        return np.concatenate(outputs), np.concatenate(variances)

    def distance(self) -> tuple[float, float]:
        """Return the norm of the gradient g of −log p(θ | data), and gᵀ (H + α I)⁻¹ g: θ̂ to the minimum, squared.

        In posterior deviations: that of a sample from the posterior is about the number of parameters.
        """
        g = self.gradient / self.noise**2 + self.precision * self.theta
        along = g if self.axes is None else g @ self.axes
        return float(np.linalg.norm(g)), float((along * along / (self.scaled + self.precision)).sum())

    def draw(self, rng: np.random.Generator) -> Array:
        """Return a vector of all parameters, with the uncertain ones from the posterior."""
        step = rng.standard_normal(self.theta.size) / np.sqrt(self.scaled + self.precision)
        vector: Array = self.model.parameters.vector.astype(np.float64)
        vector[vector.size - self.theta.size :] += step if self.axes is None else self.axes @ step
        return vector

"""Training on the full batch with Levenberg–Marquardt: the normal equations, and the choice of steps."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

import numpy as np
import numpy.typing as npt

from fastbp import derivatives
from fastbp.batches.samples import Samples
from fastbp.distributed.shards import Sharded
from fastbp.formulations import Formulation
from fastbp.formulations.step_options import StepOptions
from fastbp.functions.costs import Cost, quadratic, squared_error
from fastbp.model import Array, Model, ParameterVector
from fastbp.optimizers import LevenbergMarquardt, OptimizerState, layer_rates

JACOBIAN_BYTES = 32 * 2**20  # of the rows of J that are computed at once, in float64
SMALLEST_DAMPING = 1e-20
FIRST_STRENGTH = 2e-3  # λ/n before the first step, if the evidence chooses it, as a multiple of the mean cost
_BENDS: dict[Any, float] = {quadratic: 1.0, squared_error: 2.0}  # ∂²C/∂a²


def check_cost(cost: Cost, sample_weight: Array | None) -> None:
    """Raise ValueError unless the cost is a sum of squares."""
    if sample_weight is not None and (sample_weight < 0).any():
        raise ValueError(
            f"sample_weight has {sample_weight.min():g}, but LevenbergMarquardt minimizes sums of squares, with "
            "weights of at least 0: use another optimizer, such as LBFGS"
        )
    if cost.function not in _BENDS:
        raise ValueError(
            f"the cost is {cost.name!r}, but LevenbergMarquardt minimizes sums of squares: use the cost quadratic or "
            "squared_error, or another optimizer, such as LBFGS"
        )


def check_regularization(optimizer: LevenbergMarquardt, l2: float) -> None:
    """Raise ValueError if λ is given, but is to be chosen by the evidence."""
    if optimizer.regularization == "evidence" and l2 > 0:
        raise ValueError('l2 is given, but LevenbergMarquardt(regularization="evidence") chooses it: leave l2 out')


def bytes_needed(model: Model, n_spares: int = 0) -> int:
    """Return the memory of a step: G, a damped copy, the solver's copy, a product, and two parts of J.

    `n_spares` are those of `Sharded`, of G each.
    """
    n = model.parameters.vector.size
    return 8 * ((4 + n_spares) * n * n + 2 * _samples_at_once(model) * model.sizes[-1] * n)


def _samples_at_once(model: Model) -> int:
    return max(1, JACOBIAN_BYTES // (8 * model.sizes[-1] * model.parameters.vector.size))


class NormalEquations:
    """G and g of the mean cost over all shards, without a penalty, in float64, at the current θ of the model.

    With weights, √w_s or √w_sj multiplies the residuals of a sample, or of an output, and their rows of J.
    """

    def __init__(self, model: Model, samples: Sharded, options: StepOptions, formulation: Formulation):
        assert isinstance(samples.samples, Samples)
        self._model, self._samples = model, samples
        self._X, self._Y = samples.samples.X, samples.samples.Y
        self._with_derivatives = formulation if isinstance(formulation, derivatives.sobolev.WithDerivatives) else None
        self._root = None if options.weight is None else np.sqrt(options.weight.astype(np.float64))
        self._jacobian = derivatives.curvature.OutputJacobian(model, samples.samples.X, _samples_at_once(model))

    def __call__(self) -> tuple[Array, Array]:
        """Return G, (P, P), and g, (P,)."""
        n_parameters = self._model.parameters.vector.size
        both = self._samples.total(self._of_shard, np.empty(n_parameters * n_parameters + n_parameters))
        matrix, vector = _parts(both, n_parameters)
        share = _BENDS[self._model.cost.function] / len(self._samples)
        matrix *= share
        vector *= share
        return matrix, vector

    def _of_shard(self, i: int, out: Array) -> None:
        """Σ JᵀJ and Σ Jᵀe of a shard of this rank. Writes: out, both one behind the other."""
        out[:], own = 0, self._samples.slices[i]
        matrix, vector = _parts(out, self._model.parameters.vector.size)
        for start in range(own.start, own.stop, self._jacobian.samples_at_once):
            J, outputs = self._jacobian(start, own.stop)
            J = J.astype(np.float64, copy=False)
            Y = self._Y[start : start + len(outputs)]
            residuals = (outputs - Y[:, : outputs.shape[1]]).astype(np.float64).ravel()
            if self._root is not None:
                root = self._root[start : start + len(outputs)]
                root = root.ravel() if root.ndim == 2 else np.repeat(root, outputs.shape[1])
                J *= root[:, None]
                residuals *= root
            matrix += J.T @ J
            vector += J.T @ residuals
            if self._with_derivatives is not None:
                X, at_once = self._X[start : start + len(outputs)], self._derivatives_at_once
                for s in range(0, len(X), at_once):
                    J, residuals = self._with_derivatives.jacobian(self._model, X[s : s + at_once], Y[s : s + at_once])
                    share = 1 / _BENDS[self._model.cost.function]  # which the weights have already
                    matrix += share * (J.T @ J)
                    vector += share * (J.T @ residuals)

    @property
    def _derivatives_at_once(self) -> int:
        n_rows = (self._Y.shape[1] - self._model.sizes[-1]) // 2
        return max(1, JACOBIAN_BYTES // (8 * int(n_rows) * self._model.parameters.vector.size))


class Penalty:
    """½ λ/n Σ w², with the λ of `fit`, or with one that the evidence chooses in every step, of biases too.

    `strength` is λ/n, `gamma` how many parameters the data determine.
    """

    def __init__(self, model: Model, optimizer: LevenbergMarquardt, state: OptimizerState, l2: float, n_numbers: int):
        self._theta, self._state, self._n_numbers = model.parameters.vector, state, n_numbers
        self.by_evidence = optimizer.regularization == "evidence"
        penalized = ParameterVector(model.sizes, np.full(self._theta.size, float(self.by_evidence)))
        for w in penalized.weights:
            w[:] = 1
        self._penalized = penalized.vector
        self.strength = max(0.0, float(state.first[1])) if self.by_evidence else l2
        self.gamma = float(self._theta.size)

    @property
    def cost(self) -> float:
        """½ λ/n Σ w²."""
        theta = self._theta.astype(np.float64)
        return 0.5 * self.strength * float(np.dot(self._penalized * theta, theta)) if self.strength > 0 else 0.0

    def choose(self, matrix: Array, cost: float, trained: npt.NDArray[np.intp]) -> None:
        """Choose λ by the evidence: λ/n → 2 C γ / ((N − γ) ‖θ‖²), from G without penalty and the mean cost C.

        That is λ = σ² γ / ‖θ‖² with σ² = Σ r² / (N − γ), for quadratic and squared_error alike; γ = P − λ/n tr (G +
        λ/n)⁻¹. It begins small, and goes half the way at once, in its logarithm: before the network has learned
        anything, all that is left over looks like noise, and λ would drive all weights to 0.
        """
        n, theta = len(trained), self._theta[trained].astype(np.float64)
        if self.strength == 0:
            self.strength = FIRST_STRENGTH * cost
        else:
            damped = matrix[np.ix_(trained, trained)]
            damped[np.diag_indices_from(damped)] += self.strength
            self.gamma = n - self.strength * float(np.trace(np.linalg.inv(damped)))
            gamma = min(max(self.gamma, 1e-3), n, 0.9 * self._n_numbers)
            found = 2 * cost * gamma / ((self._n_numbers - gamma) * max(float(theta @ theta), 1e-300))
            self.strength = math.sqrt(self.strength * found)
        self._state.first[1] = self.strength

    def add_to(self, matrix: Array, vector: Array) -> None:
        """Add λ/n to the diagonal of G, and λ/n w to g."""
        matrix[np.diag_indices_from(matrix)] += self.strength * self._penalized
        vector += self.strength * self._penalized * self._theta


def _parts(both: Array, n: int) -> tuple[Array, Array]:
    """Return views of a matrix and a vector that are one behind the other."""
    return both[: n * n].reshape(n, n), both[n * n :]


def iterations(
    formulation: Formulation,
    model: Model,
    optimizer: LevenbergMarquardt,
    state: OptimizerState,
    samples: Sharded,
    epochs: int,
    options: StepOptions,
) -> Generator[tuple[int, float], bool | None, str]:
    """Take up to `epochs` steps: `full_batch.iterations`."""
    equations, theta = NormalEquations(model, samples, options, formulation), model.parameters.vector
    penalty = Penalty(model, optimizer, state, options.l2, len(samples) * model.sizes[-1])
    trained = np.flatnonzero(layer_rates.trained(model.sizes, layer_rates.of_layers(optimizer, model.n_layers)))

    def of_shard(i: int, out: Array) -> None:
        own = samples.slices[i]
        some, weight = samples.samples.part(own), None if options.weight is None else options.weight[own]
        assert isinstance(some, Samples)
        out[0] = formulation.costs(model, some.X, some.Y, weight)[1].sum()

    def costs() -> tuple[float, float]:
        mean = float(samples.total(of_shard, np.empty(1))[0]) / len(samples)
        return mean, mean + penalty.cost

    def ended(why: str) -> str:
        effective = f"; the data determine {penalty.gamma:.1f} of {len(trained)} parameters"
        return why + effective if penalty.by_evidence else why

    cost, total = costs()
    for epoch in range(1, epochs + 1):
        if not math.isfinite(total):
            yield epoch, cost
            return "the cost is not finite"
        matrix, gradient = equations()
        if penalty.by_evidence:
            penalty.choose(matrix, cost, trained)
            total = cost + penalty.cost
        penalty.add_to(matrix, gradient)
        if len(trained) < len(theta):  # frozen parameters are constants
            matrix, gradient = matrix[np.ix_(trained, trained)], gradient[trained]
        if np.abs(gradient).max() <= optimizer.gradient_tolerance:
            return ended("converged: no element of the gradient is larger than gradient_tolerance")
        before = theta.copy()
        while True:
            theta[trained] = before[trained] + _step(matrix, gradient, float(state.first[0]))
            cost, new_total = costs()
            if new_total < total:
                break
            theta[:] = before
            state.first[0] *= optimizer.increase
            if not state.first[0] <= optimizer.largest_damping:
                state.first[0] = optimizer.largest_damping
                return ended("converged: no step makes the cost smaller, up to largest_damping")
        total = new_total
        state.first[0] = max(SMALLEST_DAMPING, state.first[0] * optimizer.decrease)
        state.t[0] += 1
        if (yield epoch, cost):
            return "it was told to stop"
    return ended("the last epoch was reached")


def _step(matrix: Array, gradient: Array, damping: float) -> Array:
    """Return d of (G + μ I) d = −g; NaN if there is no solution, so that the cost is NaN too."""
    damped = matrix.copy()
    damped[np.diag_indices_from(damped)] += damping
    try:
        return np.linalg.solve(damped, -gradient)
    except np.linalg.LinAlgError:
        return np.full_like(gradient, np.nan)

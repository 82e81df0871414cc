"""Training on the full batch with Levenberg–Marquardt: the normal equations, and the choice of steps."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

import numpy as np

from fastbp.batches.samples import Samples
from fastbp.derivatives.curvature import OutputJacobian
from fastbp.distributed.shards import Sharded
from fastbp.formulations import Formulation
from fastbp.formulations.step_options import StepOptions
from fastbp.functions.costs import Cost, quadratic, squared_error
from fastbp.model import Array, Model, ParameterVector
from fastbp.optimizers import LevenbergMarquardt, OptimizerState, layer_rates

JACOBIAN_BYTES = 32 * 2**20  # of the rows of J that are computed at once, in float64
SMALLEST_DAMPING = 1e-20
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


def bytes_needed(model: Model, n_spares: int = 0) -> int:
    """Return the memory of a step: G, a damped copy, the solver's copy, a product, and two parts of J.

    `n_spares` are those of `Sharded`, of G each.
    """
    n = model.parameters.vector.size
    return 8 * ((4 + n_spares) * n * n + 2 * _samples_at_once(model) * model.sizes[-1] * n)


def _samples_at_once(model: Model) -> int:
    return max(1, JACOBIAN_BYTES // (8 * model.sizes[-1] * model.parameters.vector.size))


class NormalEquations:
    """G and g of the mean cost over all shards and the penalty, in float64, at the current θ of the model.

    With weights, √w_s or √w_sj multiplies the residuals of a sample, or of an output, and their rows of J.
    """

    def __init__(self, model: Model, samples: Sharded, options: StepOptions):
        assert isinstance(samples.samples, Samples)
        self._model, self._samples, self._Y, self._l2 = model, samples, samples.samples.Y, options.l2
        self._root = None if options.weight is None else np.sqrt(options.weight.astype(np.float64))
        self._jacobian = OutputJacobian(model, samples.samples.X, _samples_at_once(model))

    def __call__(self) -> tuple[Array, Array]:
        """Return G, (P, P), and g, (P,)."""
        n_parameters = self._model.parameters.vector.size
        both = self._samples.total(self._of_shard, np.empty(n_parameters * n_parameters + n_parameters))
        matrix, vector = _parts(both, n_parameters)
        share = _BENDS[self._model.cost.function] / len(self._samples)
        matrix *= share
        vector *= share
        if self._l2 > 0:
            penalty = ParameterVector(self._model.sizes, np.zeros(n_parameters))
            for w in penalty.weights:
                w[:] = self._l2
            matrix[np.diag_indices_from(matrix)] += penalty.vector
            vector += penalty.vector * self._model.parameters.vector
        return matrix, vector

    def _of_shard(self, i: int, out: Array) -> None:
        """Σ JᵀJ and Σ Jᵀe of a shard of this rank. Writes: out, both one behind the other."""
        out[:], own = 0, self._samples.slices[i]
        matrix, vector = _parts(out, self._model.parameters.vector.size)
        for start in range(own.start, own.stop, self._jacobian.samples_at_once):
            J, outputs = self._jacobian(start, own.stop)
            J = J.astype(np.float64, copy=False)
            residuals = (outputs - self._Y[start : start + len(outputs)]).astype(np.float64).ravel()
            if self._root is not None:
                root = self._root[start : start + len(outputs)]
                root = root.ravel() if root.ndim == 2 else np.repeat(root, outputs.shape[1])
                J *= root[:, None]
                residuals *= root
            matrix += J.T @ J
            vector += J.T @ residuals


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
    equations, theta, l2 = NormalEquations(model, samples, options), model.parameters.vector, options.l2
    trained = np.flatnonzero(layer_rates.trained(model.sizes, layer_rates.of_layers(optimizer, model.n_layers)))

    def of_shard(i: int, out: Array) -> None:
        own = samples.slices[i]
        some, weight = samples.samples.part(own), None if options.weight is None else options.weight[own]
        assert isinstance(some, Samples)
        out[0] = formulation.costs(model, some.X, some.Y, weight)[1].sum()

    def costs() -> tuple[float, float]:
        mean = float(samples.total(of_shard, np.empty(1))[0]) / len(samples)
        squares = sum(float(np.vdot(w, w)) for w in model.parameters.weights) if l2 > 0 else 0.0
        return mean, mean + 0.5 * l2 * squares

    cost, total = costs()
    for epoch in range(1, epochs + 1):
        if not math.isfinite(total):
            yield epoch, cost
            return "the cost is not finite"
        matrix, gradient = equations()
        if len(trained) < len(theta):  # frozen parameters are constants
            matrix, gradient = matrix[np.ix_(trained, trained)], gradient[trained]
        if np.abs(gradient).max() <= optimizer.gradient_tolerance:
            return "converged: no element of the gradient is larger than gradient_tolerance"
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
                return "converged: no step makes the cost smaller, up to largest_damping"
        total = new_total
        state.first[0] = max(SMALLEST_DAMPING, state.first[0] * optimizer.decrease)
        state.t[0] += 1
        if (yield epoch, cost):
            return "it was told to stop"
    return "the last epoch was reached"


def _step(matrix: Array, gradient: Array, damping: float) -> Array:
    """Return d of (G + μ I) d = −g; NaN if there is no solution, so that the cost is NaN too."""
    damped = matrix.copy()
    damped[np.diag_indices_from(damped)] += damping
    try:
        return np.linalg.solve(damped, -gradient)
    except np.linalg.LinAlgError:
        return np.full_like(gradient, np.nan)

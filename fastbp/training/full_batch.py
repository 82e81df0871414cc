"""Training on the full batch with L-BFGS and conjugate gradient: repeat a direction and a search along it."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass, fields, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from fastbp.batches.samples import AnySamples
from fastbp.distributed.shards import Sharded, in_shards
from fastbp.formulations import Formulation
from fastbp.formulations.step_options import StepOptions
from fastbp.model import Array, Model, ParameterVector
from fastbp.optimizers import LBFGS, ConjugateGradient, LevenbergMarquardt, Optimizer, OptimizerState, layer_rates
from fastbp.optimizers.directions import Conjugate, Place, QuasiNewton, dot
from fastbp.optimizers.line_search import Point, wolfe_step
from fastbp.training import levenberg_marquardt


@dataclass
class Objective:
    """C(θ) + (λ/2n) Σ w² and its gradient, for a θ in float64 that is rounded to the dtype of the model.

    C = (1/n) Σ_s w_s C_s with the weights of samples, or of outputs, or 1, over the samples of all ranks if they are in
    shards. Blocks of samples are the same in memory and in files, and so are the bits.
    """

    formulation: Formulation
    model: Model
    samples: AnySamples | Sharded
    l2: float  # λ/n
    sample_weight: Array | None = None  # (n,) or (n, n_out)
    trained: npt.NDArray[np.bool_] | None = None  # which parameters are not frozen; None: all

    def __post_init__(self) -> None:
        self._gradient, self._shards = np.empty_like(self.model.parameters.vector), in_shards(self.samples)

    def penalty(self) -> float:
        """Return (λ/2n) Σ w² of the model's weights, not of its biases."""
        if self.l2 == 0:
            return 0.0
        weights = self.model.parameters.weights
        return 0.5 * self.l2 * sum(float(np.einsum("jk,jk->", w, w, dtype=np.float64)) for w in weights)

    def here(self) -> Place:
        """Return the place of the model's parameters."""
        theta = self.model.parameters.vector.astype(np.float64)
        return Place(theta, *self(theta))

    def __call__(self, theta: Array) -> tuple[float, Array]:
        """Return value and gradient, both in float64; that of frozen parameters is 0. Writes the model's parameters."""
        self.go_to(theta)
        mean = self._shards.total(self._of_shard, np.empty(self._gradient.size + 1))
        cost, sums = float(mean[-1]), mean[:-1]
        gradient = ParameterVector(self.model.sizes, sums)
        if self.l2 > 0:
            for dw, w in zip(gradient.weights, self.model.parameters.weights, strict=True):
                dw += self.l2 * w
        if self.trained is not None:
            sums[~self.trained] = 0
        return cost + self.penalty(), gradient.vector

    def _of_shard(self, i: int, out: Array) -> None:
        """The part of a shard of this rank: of the gradient, and behind it of the cost. Writes: out."""
        out[:], start = 0, self._shards.slices[i].start
        for block in self._shards.blocks(i):
            share, stop = len(block) / len(self.samples), start + len(block)
            weight = None if self.sample_weight is None else self.sample_weight[start:stop]
            out[-1] += share * self.formulation.gradient(self.model, block.X, block.Y, self._gradient, weight)
            out[:-1] += share * self._gradient.astype(np.float64)
            start = stop

    def go_to(self, theta: Array) -> None:
        """Write the model's parameters, except the frozen ones."""
        vector = self.model.parameters.vector
        np.copyto(vector, theta, casting="same_kind", where=True if self.trained is None else self.trained)


# After each iteration: its number, from 1, and the mean cost of the model's parameters without the penalty, or NaN if
# cost or gradient are not finite. The answer is whether to stop. At the end, in words, why they ended.
Iterations: TypeAlias = Generator[tuple[int, float], bool | None, str]


def iterations(
    formulation: Formulation,
    model: Model,
    optimizer: Optimizer,
    state: OptimizerState,
    samples: AnySamples | Sharded,
    epochs: int,
    options: StepOptions | None = None,
) -> Iterations:
    """Train on all samples at once, also of all ranks, for up to `epochs` iterations.

    `state` is the memory from one call to the next: a call with two epochs takes the steps of two calls with one.
    Numbers may become infinite: whoever runs the iterations checks the cost, as in compiled code, and lets NumPy ignore
    the rest. Raises ValueError for options other than `l2` and `sample_weight`, which are part of the cost, or a cost
    that does not suit the optimizer.
    """
    options = StepOptions() if options is None else options
    check_options(optimizer, options)
    if isinstance(optimizer, LevenbergMarquardt):
        levenberg_marquardt.check_cost(model.cost, options.weight)
        chosen = formulation, model, optimizer, state, in_shards(samples), epochs, options
        why = yield from levenberg_marquardt.iterations(*chosen)
        return why
    assert isinstance(optimizer, LBFGS | ConjugateGradient)
    directions = QuasiNewton(state) if isinstance(optimizer, LBFGS) else Conjugate(state)
    cost_tolerance = optimizer.cost_tolerance if isinstance(optimizer, LBFGS) else -math.inf
    trained = layer_rates.trained(model.sizes, layer_rates.of_layers(optimizer, model.n_layers))
    objective = Objective(formulation, model, samples, options.l2, options.weight, None if trained.all() else trained)
    here = objective.here()
    for epoch in range(1, epochs + 1):
        if not (math.isfinite(here.cost) and np.isfinite(here.gradient).all()):
            yield epoch, math.nan
            return "the cost or its gradient is not finite"
        if np.abs(here.gradient).max() <= optimizer.gradient_tolerance:
            return "converged: no element of the gradient is larger than gradient_tolerance"
        before = here
        while (after := _step(objective, directions, before)) is None:
            if not directions.forget():
                return "converged: the line search finds no lower cost"
        here = after
        state.t[0] += 1
        if (yield epoch, here.cost - objective.penalty()):
            return "it was told to stop"
        if not np.array_equal(model.parameters.vector, here.theta):  # a callback has changed them
            here = objective.here()
        elif before.cost - here.cost <= cost_tolerance * max(abs(before.cost), abs(here.cost), 1):
            return "converged: the cost falls by less than cost_tolerance"
    return "the last epoch was reached"


def _step(objective: Objective, directions: QuasiNewton | Conjugate, here: Place) -> Place | None:
    """Search along a line, and remember the step. Return None, and change no parameter, if no point is lower."""
    direction, alpha = directions.next(here)

    def phi(alpha: float) -> Point:
        cost, gradient = objective(here.theta + alpha * direction)
        return Point(np.float64(alpha), np.float64(cost), dot(gradient, direction), gradient)

    start = Point(np.float64(0), np.float64(here.cost), dot(here.gradient, direction), here.gradient)
    found = wolfe_step(phi, start, alpha, directions.decrease, directions.curvature)
    theta = objective.model.parameters.vector
    if found is None or not found.value < here.cost:
        objective.go_to(here.theta)
        return None
    objective.go_to(here.theta + found.alpha * direction)
    after = Place(theta.astype(np.float64), float(found.value), found.gradient)
    directions.went(here, after, direction)
    return after


def check_derivative(optimizer: Optimizer, model: Model) -> None:
    """Raise ValueError if the derivative of the cost is not that of its value, which a line search compares."""
    if not model.cost.derivative_is_exact:
        raise ValueError(
            f"{type(optimizer).__name__} compares costs with their derivatives, but the derivative of "
            f"{model.cost.name!r} with these parameters is on purpose another one: use another optimizer, such as "
            "Adam, or for gaussian_nll beta=0"
        )


def check_options(optimizer: Optimizer, options: StepOptions) -> None:
    """Raise ValueError for an option that only makes sense with mini-batches."""
    names = [option.name for option in fields(StepOptions) if option.name not in ("l2", "sample_weight", "seed")]
    on = [name for name in names if not replace(StepOptions(), **{name: getattr(options, name)}).plain]
    if on:
        raise ValueError(
            f"{' and '.join(on)} given with {type(optimizer).__name__}, which minimizes the cost of all samples and "
            "takes only sample_weight and l2: leave it out, or use another optimizer, such as Adam"
        )

"""Training on the full batch: SciPy chooses direction and length of each step, fastbp gives cost and gradient.

Levenberg–Marquardt needs no SciPy and has a file of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from fastbp import levenberg_marquardt
from fastbp.formulations import Formulation
from fastbp.optimizers import LBFGS, ConjugateGradient, LevenbergMarquardt, Optimizer, OptimizerState
from fastbp.parameters import Array, Model, ParameterVector
from fastbp.samples import AnySamples, Samples
from fastbp.step_options import StepOptions


@dataclass
class Objective:
    """C(θ) + (λ/2n) Σ w², and its gradient, as SciPy asks for them: of a θ in float64.

    Samples come in pieces, which are the same in memory and in files: so the bits are.
    """

    formulation: Formulation
    model: Model
    samples: AnySamples
    l2: float  # λ/n

    def __post_init__(self) -> None:
        self._gradient = np.empty_like(self.model.parameters.vector)

    def penalty(self) -> float:
        """Return (λ/2n) Σ w² of the model's weights, not of its biases."""
        if self.l2 == 0:
            return 0.0
        weights = self.model.parameters.weights
        return 0.5 * self.l2 * sum(float(np.einsum("jk,jk->", w, w, dtype=np.float64)) for w in weights)

    def __call__(self, theta: Array) -> tuple[float, Array]:
        """Return value and gradient, both in float64. Writes the model's parameters."""
        self.model.parameters.vector[:] = theta
        cost, sums = 0.0, np.zeros(self._gradient.size)
        for block in self.samples.blocks():
            share = len(block) / len(self.samples)
            cost += share * self.formulation.gradient(self.model, block.X, block.Y, self._gradient)
            sums += share * self._gradient.astype(np.float64)
        gradient = ParameterVector(self.model.sizes, sums)
        if self.l2 > 0:
            for dw, w in zip(gradient.weights, self.model.parameters.weights, strict=True):
                dw += self.l2 * w
        return cost + self.penalty(), gradient.vector


def minimize(
    formulation: Formulation,
    model: Model,
    optimizer: Optimizer,
    state: OptimizerState,
    samples: AnySamples,
    epochs: int,
    epoch_done: Callable[[int, float], bool],
    options: StepOptions | None = None,
) -> str:
    """Train on all samples at once, up to `epochs` iterations, and return in words why it ended.

    Parameters
    ----------
    formulation, model, optimizer, state
        What computes, what is trained, how, and what counts the steps.
    samples
        All of them, in memory or in files.
    epochs : int
        The largest number of iterations. It may end before: converged, or the line search finds nothing lower, which
        in float32 is the same thing in other words.
    epoch_done : callable
        Called after each iteration with its number from 1 and the mean cost that it has reached, without the penalty;
        with NaN if cost or gradient are not finite to begin with.
        The model has the parameters of that cost. True ends the training.
    options : StepOptions, optional
        Of which `l2` is part of the cost, and the others are refused.

    Raises
    ------
    ImportError
        SciPy is not installed.
    ValueError
        An option other than `l2` is on, or the cost is not one for this optimizer.
    """
    check_options(optimizer, options)
    l2 = 0.0 if options is None else options.l2
    if isinstance(optimizer, LevenbergMarquardt):
        levenberg_marquardt.check_cost(model.cost)
        assert isinstance(samples, Samples)
        chosen = formulation, model, optimizer, state, samples, epochs, epoch_done, l2
        return levenberg_marquardt.minimize(*chosen)
    objective = Objective(formulation, model, samples, l2)
    accepted = model.parameters.vector.copy()

    def after_iteration(intermediate_result: Any) -> None:  # SciPy goes by this name
        model.parameters.vector[:] = intermediate_result.x
        accepted[:] = model.parameters.vector
        state.t[0] += 1
        if epoch_done(int(state.t[0] - t_before), float(intermediate_result.fun) - objective.penalty()):
            raise StopIteration

    t_before = int(state.t[0])
    method, settings = _scipy_settings(optimizer)
    settings["maxiter"] = epochs
    scipy_minimize, start = _scipy().minimize, accepted.astype(np.float64)
    with np.errstate(all="ignore"):  # whoever looks at the cost finds what is not finite, as in compiled code
        result = scipy_minimize(objective, start, jac=True, method=method, callback=after_iteration, options=settings)
    model.parameters.vector[:] = accepted  # and not what the line search tried last
    if state.t[0] == t_before and not (np.isfinite(result.fun) and np.isfinite(result.jac).all()):
        epoch_done(1, math.nan)  # there was nowhere to begin, which SciPy does not say
    return str(result.message)


def check_options(optimizer: Optimizer, options: StepOptions | None) -> None:
    """Raise ValueError if an option is on that only makes sense for steps over mini-batches."""
    names = [option.name for option in fields(StepOptions) if option.name not in ("l2", "seed")]
    on = [name for name in names if options and not replace(StepOptions(), **{name: getattr(options, name)}).plain]
    if on:
        raise ValueError(
            f"{' and '.join(on)} given with {type(optimizer).__name__}, which minimizes the cost of all samples and l2 "
            "only: leave it out, or use another optimizer, such as Adam"
        )


def _scipy_settings(optimizer: Optimizer) -> tuple[str, dict[str, Any]]:
    """Return the name that SciPy has for a method, and its options."""
    if isinstance(optimizer, LBFGS):
        return "L-BFGS-B", {
            "maxcor": optimizer.memory, "gtol": optimizer.gradient_tolerance, "ftol": optimizer.cost_tolerance,
            "maxfun": UNLIMITED,
        }  # fmt: skip
    if isinstance(optimizer, ConjugateGradient):
        return "CG", {"gtol": optimizer.gradient_tolerance}
    raise TypeError(f"{optimizer!r} is none that SciPy knows; use LBFGS or ConjugateGradient")


UNLIMITED = 2**31 - 1  # evaluations: the number of iterations is what ends it


def _scipy() -> Any:
    try:
        import scipy.optimize
    except ImportError:
        raise ImportError(
            "LBFGS and ConjugateGradient need SciPy: install it with `pip install 'fastbp[scipy]'`, or use another "
            "optimizer, such as Adam"
        ) from None
    return scipy.optimize

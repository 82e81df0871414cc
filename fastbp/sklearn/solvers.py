"""`solver` and its parameters as an optimizer of fastbp with its state, and the learning rate between epochs."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastbp.optimizers import SGD, AdamEpsilonHat, Momentum, Nesterov, Optimizer, OptimizerState
from fastbp.training import plan as fitting

SMALLEST_RATE = 1e-6  # at which `learning_rate="adaptive"` stops


@dataclass
class Solver:
    """An optimizer, what it remembers, and how its learning rate changes: kept from one `partial_fit` to the next."""

    optimizer: Optimizer
    state: OptimizerState
    rule: str  # constant, invscaling or adaptive
    power_t: float

    @property
    def rate(self) -> float:
        """η of the next step."""
        return float(self.state.rate[0])

    @rate.setter
    def rate(self, value: float) -> None:
        self.state.rate[0] = value

    def epoch_done(self, samples_seen: int) -> None:
        """Change the rate after an epoch, where that is a function of the samples seen in all `fit`s so far."""
        if self.rule == "invscaling":
            self.rate = float(self.optimizer.learning_rate) / (samples_seen + 1) ** self.power_t

    def no_improvement(self) -> tuple[bool, str]:
        """Return whether to stop where the loss has not improved for long, and what to say."""
        if self.rule != "adaptive":
            return True, "Stopping."
        if self.rate <= SMALLEST_RATE:
            return True, "Learning rate too small. Stopping."
        self.rate /= 5.0
        return False, f"Setting learning rate to {self.rate:f}"


@dataclass(frozen=True, eq=False)
class _Undamped(Momentum):
    """Momentum that never fades, which scikit-learn allows: μ = 1."""

    def __post_init__(self) -> None:
        pass


@dataclass(frozen=True, eq=False)
class _UndampedNesterov(Nesterov):
    def __post_init__(self) -> None:
        pass


def new_solver(parameters: Any, n_parameters: int, dtype: np.dtype[Any]) -> Solver:
    """Return the solver that the parameters of an estimator mean, before its first step."""
    p = parameters
    optimizer: Optimizer = fitting.optimizer(p.optimizer) if p.optimizer is not None else _of_name(p)
    rule = p.learning_rate if p.optimizer is None and p.solver == "sgd" else "constant"
    return Solver(optimizer, optimizer.new_state(n_parameters, dtype), rule, float(p.power_t))


def _of_name(p: Any) -> Optimizer:
    rate = float(p.learning_rate_init)
    if p.solver == "adam":
        return AdamEpsilonHat(rate, float(p.beta_1), float(p.beta_2), float(p.epsilon))
    if p.momentum == 0:
        return SGD(rate)
    if p.momentum == 1:
        return (_UndampedNesterov if p.nesterovs_momentum else _Undamped)(rate, 1.0)
    return (Nesterov if p.nesterovs_momentum else Momentum)(rate, float(p.momentum))

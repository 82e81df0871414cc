"""`solver` and its parameters as an optimizer of fastbp with its state, and the learning rate between epochs."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastbp.optimizers import SGD, AdamEpsilonHat, Momentum, Nesterov, Optimizer, OptimizerState
from fastbp.training import plan as fitting

SMALLEST_RATE = 1e-6  # at which `learning_rate="adaptive"` stops


@dataclass
class Solver:
    """An optimizer, its state, and how its learning rate changes; one `partial_fit` hands it to the next."""

    optimizer: Optimizer
    state: OptimizerState
    rule: str  # constant, invscaling or adaptive
    power_t: float

    @property
    def changes(self) -> bool:
        """Whether the learning rate is another one in every epoch."""
        return self.rule == "invscaling"

    def epoch_done(self, samples_seen: int) -> None:
        """Change the rate after an epoch, if it is a function of the samples seen so far in all `fit`s."""
        if self.changes:
            self.state.rate[0] = float(self.optimizer.learning_rate) / (samples_seen + 1) ** self.power_t

    def no_improvement(self) -> tuple[bool, str]:
        """Return whether to stop after many epochs without improvement, and what to print."""
        rate = self.state.rate
        if self.rule != "adaptive":
            return True, "Stopping."
        if rate[0] <= SMALLEST_RATE:
            return True, "Learning rate too small. Stopping."
        rate[0] = float(rate[0]) / 5.0
        return False, f"Setting learning rate to {rate[0]:f}"


def new_solver(parameters: Any, n_parameters: int, dtype: np.dtype[Any]) -> Solver:
    """Return the solver for the parameters of an estimator, before its first step."""
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
    optimizer = (Nesterov if p.nesterovs_momentum else Momentum)(rate, float(p.momentum) if p.momentum < 1 else 0.0)
    if p.momentum == 1:
        object.__setattr__(optimizer, "momentum", 1.0)  # scikit-learn allows it; the check of fastbp's class does not
    return optimizer

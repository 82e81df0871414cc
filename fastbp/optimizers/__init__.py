"""Optimizers: frozen hyperparameters; their state is an `OptimizerState`.

Each has its recurrence twice: compiled in `updates.py`, and as `step` in NumPy for the formulations that are not
compiled. LBFGS, ConjugateGradient and LevenbergMarquardt have neither: `training/full_batch.py` runs them.
"""

from typing import Any

from fastbp.optimizers.adaptive import Adagrad, Adam, AdamEpsilonHat, AdamW, RMSProp
from fastbp.optimizers.base import Optimizer, OptimizerState
from fastbp.optimizers.descent import SGD, Momentum, Nesterov
from fastbp.optimizers.full_batch import LBFGS, ConjugateGradient, LineSearch
from fastbp.optimizers.levenberg_marquardt import LevenbergMarquardt
from fastbp.optimizers.rprop import Rprop

# Optimizers for mini-batches, by their names on the command line.
OPTIMIZERS: dict[str, type[SGD] | type[Momentum] | type[Adam] | type[RMSProp] | type[Adagrad]] = {
    "sgd": SGD, "momentum": Momentum, "nesterov": Nesterov,
    "adam": Adam, "adamw": AdamW, "rmsprop": RMSProp, "adagrad": Adagrad,
}  # fmt: skip

# All optimizers, by the names that `fit` takes.
BY_NAME: dict[str, type[Any]] = OPTIMIZERS | {
    "rprop": Rprop, "lbfgs": LBFGS, "conjugate_gradient": ConjugateGradient, "levenberg_marquardt": LevenbergMarquardt,
}  # fmt: skip

__all__ = [
    "BY_NAME", "LBFGS", "OPTIMIZERS", "SGD", "Adagrad", "Adam", "AdamEpsilonHat", "AdamW", "ConjugateGradient",
    "LevenbergMarquardt", "LineSearch", "Momentum", "Nesterov", "Optimizer", "OptimizerState", "RMSProp", "Rprop",
]  # fmt: skip

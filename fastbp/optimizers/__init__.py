"""Optimizers: frozen hyperparameters here, explicit state in `OptimizerState`, recurrences in `optimizers/updates.py`.

Every one has its recurrence twice: compiled, and as `step` in NumPy for the formulations that are not compiled. Those
of `line_search.py` and `LevenbergMarquardt` have none: `full_batch.py` drives them.
"""

from typing import Any

from fastbp.optimizers.adaptive import Adagrad, Adam, AdamEpsilonHat, AdamW, RMSProp
from fastbp.optimizers.base import Optimizer, OptimizerState
from fastbp.optimizers.descent import SGD, Momentum, Nesterov
from fastbp.optimizers.full_batch import LBFGS, ConjugateGradient, LineSearch
from fastbp.optimizers.levenberg_marquardt import LevenbergMarquardt
from fastbp.optimizers.rprop import Rprop

# Those that take mini-batches, by their names on the command line.
OPTIMIZERS: dict[str, type[SGD] | type[Momentum] | type[Adam] | type[RMSProp] | type[Adagrad]] = {
    "sgd": SGD,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "adam": Adam,
    "adamw": AdamW,
    "rmsprop": RMSProp,
    "adagrad": Adagrad,
}

# All of them, by the names that `fit` takes.
BY_NAME: dict[str, type[Any]] = {
    **OPTIMIZERS,
    "rprop": Rprop,
    "lbfgs": LBFGS,
    "conjugate_gradient": ConjugateGradient,
    "levenberg_marquardt": LevenbergMarquardt,
}

__all__ = [
    "BY_NAME",
    "LBFGS",
    "OPTIMIZERS",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamEpsilonHat",
    "AdamW",
    "ConjugateGradient",
    "LevenbergMarquardt",
    "LineSearch",
    "Momentum",
    "Nesterov",
    "Optimizer",
    "OptimizerState",
    "RMSProp",
    "Rprop",
]

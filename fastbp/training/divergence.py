"""A training that diverges: the error, and when it is raised."""

from __future__ import annotations  # so that naming a Training imports nothing

import math
from collections.abc import Sequence

from fastbp import validation
from fastbp.training.state import Training


class DivergenceError(ArithmeticError):
    """Training diverged: the cost or a weight is no longer finite. The network has its last finite weights.

    Examples
    --------
    >>> import fastbp
    >>> net = fastbp.Network([1, 1], cost="quadratic", seed=0)
    >>> net.fit([[1.0]], [[0.0]], epochs=9, optimizer=fastbp.SGD(1e30), progress=False)
    Traceback (most recent call last):
        ...
    fastbp.training.divergence.DivergenceError: ...
    """


def is_finite(costs: Sequence[float], training: Training) -> bool:
    """Whether the costs of epochs and all parameters are finite."""
    return all(map(math.isfinite, costs)) and validation.all_finite(training.model.parameters.vector)


def check_finite(epoch: int, cost: float, training: Training) -> None:
    """Raise DivergenceError if the cost of an epoch, counted from 1, or a parameter is not finite."""
    if is_finite([cost], training):
        return
    smaller = f"Try a smaller learning rate than {training.optimizer.learning_rate:g}"
    advice = "Scale X and Y, or begin with smaller weights" if training.optimizer.full_batch else smaller
    raise DivergenceError(
        f"training diverged in epoch {epoch}: the cost or a weight is no longer finite. The network has the weights "
        f"from before that epoch. {advice}"
    )

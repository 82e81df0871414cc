"""What every formulation can do. The same three sums, written in different ways, behind one interface."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from fastbp.formulations.step_options import StepOptions
from fastbp.model import Array, Model
from fastbp.optimizers import Optimizer, OptimizerState

PLAIN = StepOptions()


def of_weights(sample_weight: Array | None) -> StepOptions:
    """Return the options of a gradient: the weights of its samples, if it has any, and nothing else."""
    return PLAIN if sample_weight is None else StepOptions(sample_weight=sample_weight)


class Trainer(Protocol):
    """Trains a model in place, from `begin` on, and nobody else does."""

    def begin(self) -> None:
        """Bring the parameters to where training finds them."""

    def train(self, order: npt.NDArray[np.int64]) -> float:
        """Train on the samples of `order`, mini-batch by mini-batch, and return the sum of their costs."""

    def end_epoch(self) -> None:
        """Bring a copy of them back to the model."""


@dataclass
class InPlaceTrainer:
    """A trainer that leaves the parameters where they are."""

    train: Callable[[npt.NDArray[np.int64]], float]

    def begin(self) -> None:
        """Do nothing."""

    def end_epoch(self) -> None:
        """Do nothing."""


class Formulation(Protocol):
    """X is (n, n_in) and Y (n, n_out), C-contiguous, read-only, of the model's dtype: the façade has seen to it."""

    name: str

    def outputs(self, model: Model, X: Array) -> Array:
        """Return a⁽ᴸ⁾ of every row of X, (n, n_out)."""

    def costs(self, model: Model, X: Array, Y: Array) -> tuple[Array, Array]:
        """Return a⁽ᴸ⁾ and the cost of every row, (n, n_out) and (n,) in float64."""

    def gradient(self, model: Model, X: Array, Y: Array, gradient: Array, sample_weight: Array | None = None) -> float:
        """Write the gradient of the mean cost into `gradient`, of the layout of θ. Return the mean cost.

        With `sample_weight`, (n,), that is (1/n) Σ_s w_s C_s; without, w_s = 1.
        """

    def step_bytes(self, model: Model, optimizer: Optimizer, batch_size: int, options: StepOptions = PLAIN) -> int:
        """Return how much memory a trainer allocates."""

    def trainer(
        self,
        model: Model,
        optimizer: Optimizer,
        state: OptimizerState,
        X: Array,
        Y: Array,
        batch_size: int,
        options: StepOptions = PLAIN,
    ) -> Trainer:
        """Return what trains the model in place, with all memory that a step needs."""


def mean_of_blocks(
    gradient: Array, n: int, rows: int, block_gradient: Callable[[int, int], tuple[Any, float]]
) -> float:
    """Write the gradient over n samples, which is the mean of those over blocks of `rows`, weighted by their sizes."""
    gradient[:] = 0
    cost = 0.0
    for start in range(0, n, rows):
        stop = min(n, start + rows)
        part, part_cost = block_gradient(start, stop)
        gradient += part * gradient.dtype.type((stop - start) / n)
        cost += part_cost / n
    return cost

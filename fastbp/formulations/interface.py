"""The interface of all formulations, and what several of them share."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from fastbp.formulations.numpy_functions import as_if_compiled
from fastbp.formulations.rounds import Row
from fastbp.formulations.step_options import StepOptions
from fastbp.model import Array, Model, ParameterVector
from fastbp.optimizers import Optimizer, OptimizerState, layer_rates

PLAIN = StepOptions()


def of_weights(sample_weight: Array | None) -> StepOptions:
    """Return the options of a gradient: the weights of its samples, if given, and nothing else."""
    return PLAIN if sample_weight is None else StepOptions(sample_weight=sample_weight)


class Trainer(Protocol):
    """Trains a model in place; from `begin` to `end_epoch` nothing else changes the parameters."""

    def fits(self, batch_size: int) -> bool:
        """Whether it may `take` mini-batches of this size, with the bits of a trainer made for them."""

    def take(self, X: Array, Y: Array, sample_weight: Array, batch_size: int) -> None:
        """Train on other samples from now on; all else stays as it is."""

    def let_go(self) -> None:
        """Release the samples: they are the caller's, and may be large."""

    def begin(self, moments: bool = True) -> None:
        """Copy the parameters and, if asked for, the moments into the trainer's own memory, if it has any."""

    def train(self, order: npt.NDArray[np.int64]) -> float:
        """Train on the samples of `order`, mini-batch by mini-batch, and return the sum of their costs."""

    def row(self, orders: Sequence[npt.NDArray[np.int64]]) -> Row | None:
        """Prepare the same for a round of many networks, with an order for each epoch.

        Return None if this trainer cannot join one.
        """

    def end_epoch(self, parameters: bool = True, moments: bool = True) -> None:
        """Copy the parameters back to the model, the moments to the state."""

    def step_alone(self, X: Array, Y: Array, order: npt.NDArray[np.int64]) -> float | None:
        """Do all of this for one step on these samples, without weights, in one call; the moments stay in the trainer.

        Return the sum of the costs: NaN, with θ as it was, if it or a parameter would no longer be finite. None, and
        nothing is done, if the trainer has no such call.
        """


def no_row(orders: Sequence[npt.NDArray[np.int64]]) -> None:
    """Return None: see `Trainer.row`."""


@dataclass(eq=False)
class InPlaceTrainer:
    """A trainer that works on the parameters of the model itself."""

    train: Callable[[npt.NDArray[np.int64]], float]
    row: Callable[[Sequence[npt.NDArray[np.int64]]], Row | None] = no_row

    def fits(self, batch_size: int) -> bool:
        """Return False: another one is quick to make."""
        return False

    def take(self, X: Array, Y: Array, sample_weight: Array, batch_size: int) -> None:
        """Do nothing."""

    def let_go(self) -> None:
        """Do nothing."""

    def begin(self, moments: bool = True) -> None:
        """Do nothing."""

    def step_alone(self, X: Array, Y: Array, order: npt.NDArray[np.int64]) -> float | None:
        """Return None: the other calls cost little."""
        return None

    def end_epoch(self, parameters: bool = True, moments: bool = True) -> None:
        """Do nothing."""


class Formulation(Protocol):
    """X is (n, n_in) and Y (n, n_out), C-contiguous, read-only, of the model's dtype: `batches.samples` checks them."""

    name: str

    def outputs(self, model: Model, X: Array, out: Array | None = None) -> Array:
        """Return a⁽ᴸ⁾ of every row of X, (n, n_out); in `out` if that is given."""

    def costs(self, model: Model, X: Array, Y: Array, sample_weight: Array | None = None) -> tuple[Array, Array]:
        """Return a⁽ᴸ⁾ and the cost of every row, with its weights, (n, n_out) and (n,) in float64."""

    def gradient(self, model: Model, X: Array, Y: Array, gradient: Array, sample_weight: Array | None = None) -> float:
        """Write the gradient of the mean cost into `gradient`, which has the layout of θ. Return the mean cost.

        The mean is (1/n) Σ_s w_s C_s with w = `sample_weight`, (n,), or (1/n) Σ_s Σ_j w_sj C_sj with (n, n_out);
        without it, w_s = 1.
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
        """Return a trainer that has all memory for a step of `batch_size` samples."""

    def apply(
        self, model: Model, optimizer: Optimizer, state: OptimizerState, gradient: Array, options: StepOptions
    ) -> None:
        """Take one step down a gradient, (n_parameters,), with the rules of the options, except those of samples."""


# Of a mini-batch X, Y: writes the gradient of the mean cost, returns the sum of the costs. Its last arguments are what
# dropout multiplies each hidden layer's a by, empty without dropout, and the weights of the samples or None.
BatchGradient = Callable[[Array, Array, ParameterVector, Sequence[Array], Array | None], float]


class NumPyFormulation:
    """What the formulations in NumPy share: gradient descent over mini-batches."""

    def batch_gradient(self, model: Model) -> BatchGradient:
        """Return the function that computes the gradient of a mini-batch."""
        raise NotImplementedError

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
        """Return a trainer that works on the parameters of the model itself."""
        batch_gradient = self.batch_gradient(model)
        gradient = ParameterVector(model.sizes, np.empty_like(model.parameters.vector))
        rates = layer_rates.of_layers(optimizer, model.n_layers)
        layers = list(enumerate(model.sizes[1:-1], 1)) if any(options.dropout) else []

        @as_if_compiled
        def train(order: npt.NDArray[np.int64]) -> float:
            total_cost = 0.0
            for start in range(0, len(order), batch_size):
                mini_batch = order[start : start + batch_size]
                options.steps[0] += 1
                kept = [options.kept(l, len(mini_batch), n, model.dtype) for l, n in layers]
                weight, l2, penalty = options.of_batch(mini_batch, model.parameters)
                total_cost += penalty + batch_gradient(X[mini_batch], Y[mini_batch], gradient, kept, weight)
                _step(model, optimizer, state, gradient, options, l2, rates)
                if not math.isfinite(total_cost):
                    break
            return total_cost

        return InPlaceTrainer(train)

    @as_if_compiled
    def apply(
        self, model: Model, optimizer: Optimizer, state: OptimizerState, gradient: Array, options: StepOptions
    ) -> None:
        """Take one step down a gradient."""
        options.steps[0] += 1
        rates = layer_rates.of_layers(optimizer, model.n_layers)
        _step(model, optimizer, state, model.parameters.like(gradient.copy()), options, options.l2, rates)


def _step(
    model: Model,
    optimizer: Optimizer,
    state: OptimizerState,
    gradient: ParameterVector,
    options: StepOptions,
    l2: float,
    rates: npt.NDArray[np.float64],
) -> None:
    """Take one step down a gradient, with the rules of the options. Writes: θ, the gradient, the state."""
    t = int(state.t[0]) + 1
    options.of_gradient(gradient, model.parameters, float(state.rate[0]), l2, rates)
    for part, factor in layer_rates.parts(model.sizes, rates):
        optimizer.step(model.parameters.vector[part], gradient.vector[part], state.part(part, factor))
    state.t[0] = t  # also where a user's own optimizer does not count
    options.of_weights(model.parameters, rates)


def mean_of_blocks(
    gradient: Array, n: int, rows: int, block_gradient: Callable[[int, int], tuple[Any, float]]
) -> float:
    """Write the gradient of n samples: the mean of the gradients of blocks of `rows`, weighted by their sizes."""
    gradient[:] = 0
    cost = 0.0
    for start in range(0, n, rows):
        stop = min(n, start + rows)
        part, part_cost = block_gradient(start, stop)
        gradient += part * gradient.dtype.type((stop - start) / n)
        cost += part_cost / n
    return cost

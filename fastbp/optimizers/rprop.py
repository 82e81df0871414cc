"""Rprop: steps that depend on the sign of the gradient only."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from fastbp.model import Array
from fastbp.optimizers.base import Optimizer, OptimizerState


@dataclass(frozen=True, eq=False)
class Rprop(Optimizer):
    """Resilient backpropagation: every parameter has a step of its own, and only the sign of its gradient counts.

    Δ grows by the factor η⁺ while the sign of g stays and shrinks by η⁻ when it changes, within its limits;
    θ ← θ − sign(g) Δ. Where the sign has changed, θ skips one step. Signs need the gradient of all samples: without
    `batch_size` every step uses all of them. Raises TypeError or ValueError for
    a hyperparameter out of its range; `fit` raises ValueError for mini-batches smaller than the data.

    Parameters
    ----------
    learning_rate : float, default 0.01
        Δ of the first step, greater than 0. Later steps have no rate, so a schedule has no effect.
    decrease, increase : float, default 0.5 and 1.2
        η⁻, between 0 and 1, and η⁺, greater than 1.
    smallest_step, largest_step : float, default 1e-6 and 50
        The limits of Δ.
    layer_rates : list, optional
        0 for each layer to freeze, else 1; see `Optimizer`.

    References
    ----------
    Riedmiller & Braun, *A direct adaptive method for faster backpropagation learning: the RPROP algorithm*, 1993; in
    without undoing steps, as in PyTorch: Igel & Hüsken, *Improving the Rprop learning algorithm*, 2000, iRprop⁻.

    Examples
    --------
    >>> import fastbp
    >>> net = fastbp.Network([2, 3, 1], activation="tanh", seed=0)
    >>> X, Y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
    >>> history = net.fit(X, Y, epochs=100, optimizer=Rprop())
    >>> bool(history.cost[-1] < history.cost[0])
    True
    """

    update: ClassVar[str] = "rprop"
    n_moments: ClassVar[int] = 2
    has_rate: ClassVar[bool] = False

    learning_rate: float = 0.01
    decrease: float = 0.5
    increase: float = 1.2
    smallest_step: float = 1e-6
    largest_step: float = 50.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.smallest_step > self.largest_step:
            raise ValueError(
                f"Rprop: smallest_step is {self.smallest_step}; it must be at most largest_step, {self.largest_step}"
            )

    def new_state(self, n_parameters: int, dtype: npt.DTypeLike) -> OptimizerState:
        """Return the state before the first step: Δ is the learning rate everywhere."""
        state = super().new_state(n_parameters, dtype)
        state.second[:] = self.learning_rate
        return state

    def check(self, batch_size: int, n_samples: int) -> None:
        """Raise ValueError unless every step sees all samples."""
        if batch_size < n_samples:
            raise ValueError(
                f"batch_size is {batch_size} of {n_samples:,} samples; Rprop needs the gradient of all of them in "
                "every step: leave batch_size out, or use another optimizer"
            )

    def step(self, theta: Array, gradient: Array, state: OptimizerState) -> None:
        """The recurrence above; `first` is the last gradient, `second` Δ."""
        state.t += 1
        agreement = np.sign(gradient) * np.sign(state.first)
        state.second[agreement > 0] *= self.increase
        state.second[agreement < 0] *= self.decrease
        np.clip(state.second, self.smallest_step, self.largest_step, out=state.second)
        state.first[:] = gradient
        state.first[agreement < 0] = 0
        theta -= np.sign(state.first) * state.second

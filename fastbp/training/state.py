"""The state of a training between two epochs, and snapshots of it."""

from __future__ import annotations  # so that naming numpy.random does not import it

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fastbp.formulations.interface import Trainer
from fastbp.model import Array, Model, aligned_copy
from fastbp.optimizers import Optimizer, OptimizerState


class Training:
    """Everything that the next epoch depends on: restoring it undoes an epoch.

    `steps`, (1,), are the mini-batches of this network so far, for dropout.
    """

    def __init__(
        self,
        model: Model,
        optimizer: Optimizer,
        state: OptimizerState,
        rng: np.random.Generator,
        steps: npt.NDArray[np.int64],
    ):
        self.model, self.optimizer, self._state, self.rng, self.steps = model, optimizer, state, rng, steps
        self.kept: Any = None  # the trainer of the last training, if it can be used again: `kept.py`
        self._holder: Trainer | None = None
        self._before: Array | None = None

    @property
    def state(self) -> OptimizerState:
        """The state of the optimizer, with the moments of the last step."""
        if self._holder is not None:
            self._holder.end_epoch(parameters=False)
            self._holder = None
        return self._state

    def begin_step(self) -> None:
        """Keep θ for `undo_step`, and let the learning rate be the optimizer's."""
        theta = self.model.parameters.vector
        if self._before is None:
            self._before = np.empty_like(theta)
        self._before[:] = theta
        self.reset_rate()

    def reset_rate(self) -> None:
        """Let the learning rate be the optimizer's, whatever a schedule has made of it."""
        self._state.rate[0] = self.optimizer.learning_rate

    def undo_step(self) -> None:
        """Go back to θ of `begin_step`, with a new state."""
        self.model.parameters.vector[:] = self._before
        self.begin_anew()

    def begin_anew(self) -> None:
        """Go on with a new state of the optimizer: that of before a step which diverged is lost."""
        theta = self.model.parameters.vector
        self._state = self.optimizer.new_state(theta.size, theta.dtype)
        self.kept = self._holder = None

    def hold(self, trainer: Trainer) -> None:
        """Leave the moments in the memory of a trainer until somebody asks for the state."""
        self._holder = trainer

    def holds(self, trainer: Trainer) -> bool:
        """Whether the moments are in the memory of this trainer, and only there."""
        return self._holder is trainer

    def let_go(self) -> None:
        """Take the moments back from the trainer that has them, and keep no trainer."""
        self.kept, self._state = None, self.state

    def __reduce__(self) -> tuple[Any, ...]:
        return _of_a_copy, (self.model, self.optimizer, self.state, self.rng, self.steps)

    def copy(self, epochs_done: int) -> Snapshot:
        """Return a snapshot after so many epochs."""
        theta = self.model.parameters.vector.copy()
        return Snapshot(epochs_done, theta, self.state.copy(), self.rng.bit_generator.state, int(self.steps[0]))

    def copy_to(self, spare: Snapshot, epochs_done: int) -> Snapshot:
        """Return the same as `copy`, in the memory of a snapshot that is not needed any more."""
        spare.theta[:] = self.model.parameters.vector
        self.state.copy_to(spare.state)
        spare.epochs_done, spare.generator, spare.steps = epochs_done, self.rng.bit_generator.state, int(self.steps[0])
        return spare

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot."""
        self.model.parameters.vector[:] = snapshot.theta
        snapshot.state.copy_to(self.state)
        self.rng.bit_generator.state = snapshot.generator
        self.steps[0] = snapshot.steps


def _of_a_copy(model: Model, optimizer: Optimizer, state: Any, rng: Any, steps: Any) -> Training:
    return Training(model, optimizer, state, rng, aligned_copy(steps))


@dataclass
class Snapshot:
    """Parameters, optimizer state, random generator and count of steps at the end of an epoch."""

    epochs_done: int
    theta: Array
    state: OptimizerState
    generator: Any
    steps: int

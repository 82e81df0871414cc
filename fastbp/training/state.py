"""The state of a training between two epochs, and snapshots of it."""

from __future__ import annotations  # so that naming numpy.random does not import it

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fastbp.model import Array, Model, aligned_copy
from fastbp.optimizers import Optimizer, OptimizerState


@dataclass
class Training:
    """Everything that the next epoch depends on: restoring it undoes an epoch."""

    model: Model
    optimizer: Optimizer
    state: OptimizerState
    rng: np.random.Generator
    steps: npt.NDArray[np.int64]  # (1,): mini-batches of this network so far, for dropout

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, steps=aligned_copy(state["steps"]))

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


@dataclass
class Snapshot:
    """Parameters, optimizer state, random generator and count of steps at the end of an epoch."""

    epochs_done: int
    theta: Array
    state: OptimizerState
    generator: Any
    steps: int

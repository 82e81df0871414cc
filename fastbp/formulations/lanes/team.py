"""Networks of a population that train in the lanes of a register: their trainers, and the rows of rounds of a team."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fastbp.formulations.interface import InPlaceTrainer, Trainer
from fastbp.formulations.lanes.trainer import LanesTrainer, Workspaces, lanes_trainer
from fastbp.formulations.rounds import Row, until_not_finite
from fastbp.formulations.step_options import StepOptions
from fastbp.formulations.tiles.formulation import Tiled
from fastbp.model import Array, Model
from fastbp.optimizers import Optimizer, OptimizerState

TILES = Tiled()
MOST_KEPT = 4  # groups of a team: those that go on after a halving are others


class Team(Tiled):
    """`tiles` for networks of equal sizes, activations and cost, which `suits` them, on the same X and Y.

    Its trainers work on the parameters of their models. Those that train on equally many samples can do so together.
    """

    def __init__(self, n: int) -> None:
        self.n_training = n  # its trainers that have not ended, also those that are still to come
        self._made: dict[tuple[TeamTrainer, ...], LanesTrainer] = {}  # of those that have trained together

    def _trainer(self, *arguments: Any) -> Any:
        return TeamTrainer(self, *arguments)

    def row(
        self, trainers: Sequence[TeamTrainer], orders: Sequence[Sequence[Any]], kept: Workspaces
    ) -> tuple[Row, Callable[[], list[list[float]]]]:
        """Return the row that trains some of them, each on its orders of epochs.

        And what returns their costs afterwards, of each its epochs up to the first that is not finite. Rows with the
        same `kept` run one after the other.
        """
        if (*trainers,) not in self._made:
            if len(self._made) == MOST_KEPT:
                self._made.clear()
            columns = zip(*((t.model, t.optimizer, t.state, t.options) for t in trainers), strict=True)
            models, optimizers, states, options = map(list, columns)
            X, Y, batch_size = trainers[0].X, trainers[0].Y, trainers[0].batch_size
            self._made[*trainers,] = lanes_trainer(models, optimizers, states, X, Y, batch_size, options)
        lanes = self._made[*trainers,]
        if any(trainer.held_by is not lanes for trainer in trainers):
            lanes.begin()
            for trainer in trainers:
                trainer.held_by = lanes

        def costs() -> list[list[float]]:
            lanes.end_epoch()
            return [until_not_finite(of_one) for of_one in lanes.costs.T.tolist()]

        return lanes.row(np.array([*zip(*orders, strict=True)], np.int64), kept), costs

    def leave(self) -> None:
        """Let a trainer end: forget those that have trained together, and their samples."""
        self.n_training -= 1
        self._made.clear()


class TeamTrainer(InPlaceTrainer):
    """A trainer of a team. It works on the parameters of its model; alone it is that of `tiles`."""

    held_by: LanesTrainer | None = None  # that has the same parameters and moments in lanes

    def __init__(
        self,
        team: Team,
        model: Model,
        optimizer: Optimizer,
        state: OptimizerState,
        X: Array,
        Y: Array,
        batch_size: int,
        options: StepOptions,
    ):
        super().__init__(self._train_alone)
        self.team, self.model, self.optimizer, self.state = team, model, optimizer, state
        self.X, self.Y, self.batch_size, self.options = X, Y, batch_size, options
        self._alone: Trainer | None = None

    def begin(self, moments: bool = True) -> None:
        """Take the parameters and moments of the model again: they have changed."""
        self.held_by = None

    def let_go(self) -> None:
        """Release the samples: they are the caller's, and may be large."""
        self.held_by = None
        self.X = self.Y = np.empty((0, 0), self.model.dtype)
        self._alone = None
        self.team.leave()

    def _train_alone(self, order: npt.NDArray[np.int64]) -> float:
        if self._alone is None:
            of_model = self.model, self.optimizer, self.state
            self._alone = TILES.trainer(*of_model, self.X, self.Y, self.batch_size, self.options)
        self.begin()
        self._alone.begin()
        cost = self._alone.train(order)
        self._alone.end_epoch()
        return cost

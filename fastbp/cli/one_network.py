"""One network, as the options describe it; what they leave open about a table, `recipe_of` decides."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import fastbp
from fastbp.cli import mpi, report
from fastbp.cli.models import NetworkModel
from fastbp.cli.tables import Problem, split_rows
from fastbp.cli.trainings import Trained, Training
from fastbp.distributed.ranks import Ranks
from fastbp.optimizers import OPTIMIZERS
from fastbp.tables.arrays import Array
from fastbp.tables.preprocessor import Preprocessor
from fastbp.training.history import History

if TYPE_CHECKING:
    from fastbp.tables.target import Target

FEW_ROWS = 60  # training rows: with fewer, none are held out to stop early
VALIDATION_SHARE = 0.15  # of the training rows otherwise


@dataclass(frozen=True)
class Recipe:
    """How a table is learned, where no option says so."""

    hidden: list[int]
    epochs: int
    batch_size: int
    patience: int | None  # None: all epochs


def recipe_of(n_rows: int, early_stopping: bool) -> Recipe:
    """Return how a table with so many training rows is learned: the one place that decides.

    >>> recipe_of(800, True)
    Recipe(hidden=[64, 64], epochs=200, batch_size=32, patience=20)
    """
    batch_size = 32 if n_rows < 5_000 else 64 if n_rows < 20_000 else 256
    return Recipe([64, 64], 200 if early_stopping else 60, batch_size, 20 if early_stopping else None)


class OneNetwork(Training):
    """Trains one network. Of a table, a part of the training rows may decide when training stops.

    With several ranks it is rank 0's; the others call `train_together` alone.
    """

    def __init__(self, problem: Problem, options: argparse.Namespace, ranks: Ranks, why: str):
        self._options, self._ranks, self.recipe = options, ranks, f"one network: {why}"
        self.preprocessor: Preprocessor | None = None
        self._target: Target | None = None
        self._patience: int | None = None
        self._held_out: tuple[Array, ...] = ()
        if problem.target is None:
            self._training, self._held_out = (problem.training, problem.y), (problem.test, problem.y_test)
            self.n_rows, self.n_validation = len(problem.y), 0
        else:
            self._prepare(problem)
        self._model = NetworkModel(self._new_network(problem), self.preprocessor, self._target)

    def _prepare(self, problem: Problem) -> None:
        """Hold rows out, and learn from the others what the columns and the target are."""
        options, n, held_out = self._options, len(problem.y), np.arange(0)
        train = np.arange(n)
        if not options.no_early_stopping and n >= FEW_ROWS:
            labels = None if problem.classes is None else problem.y
            train, held_out = split_rows(n, VALIDATION_SHARE, options.seed + 1, labels)
        rows, drop, categorical = problem.training.rows(train), options.drop, options.categorical
        self.preprocessor = Preprocessor(drop=drop, categorical=categorical, dtype=options.dtype).fit(rows)
        assert problem.target is not None
        target = problem.target if options.cost == "poisson" else problem.target.scaled_to(problem.y[train])
        self._target = target
        self._training = self._prepared(problem, train)
        if len(held_out):
            self._held_out = self._prepared(problem, held_out)
        self.n_rows, self.n_validation = len(train), len(held_out)
        recipe = recipe_of(len(train), bool(len(held_out)))
        for name in ("hidden", "epochs", "batch_size"):
            if getattr(options, name) is None:
                setattr(options, name, getattr(recipe, name))
        self._patience = recipe.patience

    def _prepared(self, problem: Problem, rows: Array) -> tuple[Array, Array]:
        """Return the features and targets of some rows, as the network gets them."""
        assert self.preprocessor is not None and self._target is not None
        return self.preprocessor.transform(problem.training.rows(rows)), self._target.scaled(problem.y[rows])

    def _new_network(self, problem: Problem) -> fastbp.Network:
        options = self._options
        cost = options.cost or ("cross_entropy" if problem.classes else "quadratic")
        if problem.classes:
            output = "softmax" if cost == "cross_entropy" else "sigmoid"
        elif cost == "cross_entropy":
            raise ValueError(
                "cost cross_entropy is for classes, but the target is numbers: choose another, or --classify"
            )
        else:
            output = "exponential" if cost == "poisson" else "identity"
        sizes = [self._training[0].shape[1], *options.hidden, problem.n_outputs]
        return fastbp.Network(
            sizes, activation=options.activation, output_activation=output, cost=cost, dtype=options.dtype,
            seed=options.seed, formulation=options.formulation,
        )  # fmt: skip

    def lines(self) -> list[str]:
        """Return what is trained, and how."""
        net, options = self._model.net, self._options
        until = "at most " if self._patience else ""
        steps = f"{until}{options.epochs} epochs, mini-batches of {options.batch_size}"
        rate = f"{options.optimizer} with learning rate {options.learning_rate:g}"
        return [
            f"network   {report.architecture(net)}",
            f"          {net.parameters.size:,} parameters in {net.dtype}",
            f"training  {steps}, {rate}, seed {options.seed}",
        ]

    def run(self) -> Trained:
        """Train, together with the other ranks."""
        options = self._options
        stopping = None
        if options.goal is not None:
            stopping = fastbp.EarlyStopping("training_cost", patience=None, goal=options.goal, restore_best=False)
        elif self._patience is not None:
            stopping = fastbp.EarlyStopping(patience=self._patience)
        optimizer = OPTIMIZERS[options.optimizer](learning_rate=options.learning_rate)
        asked = {
            "epochs": options.epochs, "batch_size": options.batch_size, "optimizer": optimizer,
            "progress": not options.quiet, "early_stopping": stopping, "shards": options.shards,
        }  # fmt: skip
        history = train_together(self._ranks, (self._model.net, asked), [*self._training, *self._held_out])
        made = {
            "epochs": len(history), "batch_size": options.batch_size, "optimizer": options.optimizer,
            "learning_rate": options.learning_rate, "seed": options.seed,
        }  # fmt: skip
        time = report.timing(history) if len(history) else ""
        return Trained(
            self._model, made, float(np.sum(history.seconds)), time, str(len(history)), history.interrupted,
            history.stopped, history=history,
        )  # fmt: skip


def train_together(ranks: Ranks, said: Any = None, arrays: Sequence[Array] = ()) -> History:
    """Train a network on all ranks, each on its rows; return what `fit` returns. After Ctrl-C it has not raised.

    Rank 0 says (the network, the arguments of `fit`), and has X and Y, and perhaps those that are held out. It hands
    out both: the others neither read a file nor hold rows that are not theirs.
    """
    (net, asked), (X, Y, *held_out) = mpi.handed_out(ranks, said, arrays)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "training was interrupted", RuntimeWarning)
        asked["validation_data"] = tuple(held_out) or None
        history: History = net.fit(X, Y, communicator=ranks.communicator, **asked)
    return history

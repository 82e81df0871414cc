"""A bag of networks for a table, by the recipe of the estimators of `fastbp.tabular`."""

from __future__ import annotations

import argparse
import time
import warnings
from dataclasses import replace

import numpy as np

from fastbp.cli import report
from fastbp.cli.models import BagModel
from fastbp.cli.tables import Problem
from fastbp.cli.trainings import Trained, Training
from fastbp.tabular.classes import Classes
from fastbp.tabular.learner import Learner, seed_of
from fastbp.tabular.numbers import Numbers
from fastbp.tabular.recipe import Recipe

EPOCHS = 32  # half of the estimators', for half of the time: the docstring of `fastbp.tabular` has the same error


class Bag(Training):
    """Trains the networks of a bag at once, each on all training rows but a fold of its own."""

    n_validation = 0

    def __init__(self, problem: Problem, options: argparse.Namespace):
        assert problem.target is not None
        self._options, self._target, self.n_rows = options, problem.target, len(problem.y)
        recipe = replace(Recipe(), epochs=EPOCHS)
        self._learner: Learner = Numbers() if problem.classes is None else Classes()
        y = problem.y[:, 0] if problem.classes is None else np.array(problem.classes)[problem.y]
        self.preprocessor = recipe.preprocessor(options.drop, options.categorical)
        self._prepared = self._learner._prepare(problem.training, y, recipe, self.preprocessor)
        self.recipe = f"{recipe.n_members} networks, each without a fold of the rows, and their mean"

    def lines(self) -> list[str]:
        """Return what is trained, and how."""
        recipe, net = self._prepared.recipe, self._prepared.network(0)
        rate = f"adamw with learning rate {recipe.learning_rate:g}"
        return [
            f"network   {report.architecture(net)}",
            f"          {recipe.n_members} × {net.parameters.size:,} parameters in {net.dtype}",
            f"training  {recipe.epochs} epochs, mini-batches of {recipe.batch_size}, {rate}, seed {self._options.seed}",
        ]

    def run(self) -> Trained:
        """Train all networks."""
        options, recipe, start = self._options, self._prepared.recipe, time.perf_counter()
        with warnings.catch_warnings(record=True) as given:
            warnings.simplefilter("always")
            self._learner._train(self._prepared, seed_of(options.seed), progress=not options.quiet)
        seconds = time.perf_counter() - start
        histories = [net.history for net in self._learner.population_]
        done = [len(history) for history in histories if history is not None]
        epochs = f"{min(done)}" if min(done) in (0, max(done)) else f"{min(done)} to {max(done)}"
        interrupted = any(history is not None and history.interrupted for history in histories)
        warned = [str(each.message) for each in given]
        made = {
            "networks": len(done), "epochs": recipe.epochs, "batch_size": recipe.batch_size, "optimizer": "adamw",
            "learning_rate": recipe.learning_rate, "seed": options.seed,
            **({"interrupted_after_epoch": epochs} if interrupted else {}),
            **{name: list(given) for name in ("drop", "categorical") if (given := getattr(options, name))},
        }  # fmt: skip
        words = f"{len(done)} networks, {epochs} epochs each, in {seconds:.2f} s"
        return Trained(
            BagModel(self._learner, self._target), made, seconds, words, epochs, interrupted,
            warnings=[line for line in warned if not line.startswith("training was interrupted")],
        )  # fmt: skip

"""What learns a table: its columns become features, a bag of networks is trained, and its outputs are averaged.

A learner needs NumPy only. The estimators are learners with scikit-learn's interface; `fastbp train` takes a learner as
it is.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np

from fastbp.batches.orders import Order
from fastbp.model import Array
from fastbp.population import Population
from fastbp.tables import Column, Preprocessor, Table
from fastbp.tables.terms import Rows
from fastbp.tabular import bag, stacked
from fastbp.tabular.bag import Prepared
from fastbp.tabular.recipe import Recipe

LARGEST_SEED = np.iinfo(np.int32).max


def seed_of(random_state: int | np.random.RandomState) -> int:
    """Return the seed of a bag for the `random_state` of an estimator."""
    state = np.random.RandomState(random_state % 2**32) if isinstance(random_state, int) else random_state
    return int(state.randint(LARGEST_SEED))


class Learner:
    """The steps of training and prediction. `Classes` and `Numbers` know what is learned.

    Attributes
    ----------
    preprocessor_ : Preprocessor
    population_ : Population
    metadata_ : dict
        What a file holds besides.
    """

    estimator: ClassVar[str]  # the name of the class that files name
    preprocessor_: Preprocessor
    population_: Population
    metadata_: dict[str, Any]

    def _prepare(self, table: Table, y: Array, recipe: Recipe, preprocessor: Preprocessor) -> Prepared:
        """Learn what the columns of a table and its target are; return what a bag is trained on."""
        Z = preprocessor.fit_transform(table)
        self.preprocessor_, self.metadata_ = preprocessor, {}
        targets, n_classes = self._learn_target(y, table, Z, recipe)
        return Prepared(Z, targets, n_classes, recipe.for_rows(len(Z)))

    def _train(self, prepared: Prepared, seed: int, limit: float | None = None, progress: bool = False) -> None:
        """Train the bag, as `bag.trained` does."""
        self.population_, held_out = bag.trained(prepared, seed, limit, progress)
        self._calibrate(prepared, held_out if prepared.recipe.tempered else [])

    def _calibrate(self, prepared: Prepared, held_out: list[Order]) -> None:
        """Learn from the rows that each member has left out, if there are any."""

    @abstractmethod
    def _learn_target(self, y: Array, table: Table, Z: Array, recipe: Recipe) -> tuple[Array, int]:
        """Learn what y is; return what networks learn, and the number of classes, 0 for numbers."""

    @abstractmethod
    def _target_words(self) -> dict[str, Any]:
        """Return what a file holds of the target, as plain JSON."""

    @abstractmethod
    def _take_target(self, words: Any) -> None:
        """Learn the target from a file. Raises ValueError if that does not fit."""

    @property
    def _output(self) -> tuple[str, int]:
        """The activation and the number of the outputs of a member."""
        raise NotImplementedError

    @property
    def columns_(self) -> list[Column]:
        """What each column of the training table was taken for."""
        return self.preprocessor_.columns

    def _rows(self, table: Table) -> Rows:
        """Return what each row of a table adds to the first layers."""
        return self.preprocessor_.terms.of(self.preprocessor_.checked(table))

    def _outputs(self, rows: Rows) -> Array:
        """Return z of the last layer of all members, (n_members, n, n_out)."""
        return stacked.outputs(self.population_, self.preprocessor_, rows)

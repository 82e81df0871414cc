"""What the estimators share: tables become features, a bag of networks is trained, and its outputs are averaged."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from fastbp.batches.orders import Order
from fastbp.functions.activations import ACTIVATIONS
from fastbp.model import Array
from fastbp.population import Population
from fastbp.tables import Column, Preprocessor, Table
from fastbp.tables.terms import Rows
from fastbp.tabular import bag, files, stacked
from fastbp.tabular.explained import Explained
from fastbp.tabular.exported import Exported
from fastbp.tabular.recipe import Recipe, batch_size_for

LARGEST_SEED = np.iinfo(np.int32).max

PARAMETERS = """\
    hidden_layer_sizes : tuple of int, default (32, 32)
        How many neurons each hidden layer of a network has.
    n_members : int, default 8
        How many networks are trained. Each leaves out a fold of the rows, on which its best epoch is chosen.
    activation : str, default "relu"
        σ of the hidden layers, as in `fastbp.Network`.
    epochs : int, default 64
        How many times a network sees each of its rows.
    batch_size : int, optional
        Rows of a step; left out, about √n / 2 for n rows, a power of two from 32 to 1024.
    learning_rate, weight_decay : float, default 0.005 and 0.02
        Of `fastbp.AdamW` at the start; the rate falls along a `fastbp.CosineDecay`.
    dropout : float, optional
        As in `Network.fit`.
    numbers : "scaled", "piecewise_linear" or "both", default "both"
        What a number becomes: itself, scaled and clipped smoothly, or its place in `n_bins` bins of equally many
        rows (`fastbp.tables.Preprocessor`).
    n_bins : int, default 16
    categorical, drop : tuple of str, default ()
        Columns of numbers that stand for categories, and columns to leave out.
    time_limit : float, optional
        Seconds after which training stops, with the best epochs so far. The learning rate falls with the clock then, so
        results are not the same each time.
    random_state : int, RandomState or None, default None
        Draws the folds, the first weights and the order of the rows.
    progress : bool, default False
        Whether a terminal shows a progress bar."""

ATTRIBUTES = """\
    preprocessor_ : fastbp.tables.Preprocessor
        What was learned of the columns; `columns_` says what each was taken for.
    population_ : fastbp.Population
        The networks.
    n_features_in_, feature_names_in_ : int, array
        As everywhere in scikit-learn; names only where X had some."""


class BaseTabular(Explained, Exported, BaseEstimator):
    """The steps of `fit` and `predict`. The classes for use are `TabularClassifier` and `TabularRegressor`."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "hidden_layer_sizes": [tuple, list],
        "n_members": [Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions({name for name, a in ACTIVATIONS.items() if not a.whole_layer})],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left"), None],
        "numbers": [StrOptions({"scaled", "piecewise_linear", "both"})],
        "n_bins": [Interval(Integral, 2, None, closed="left")],
        "categorical": [tuple, list],
        "drop": [tuple, list],
        "time_limit": [Interval(Real, 0, 1e9, closed="right"), None],
        "random_state": ["random_state"],
        "progress": ["boolean"],
    }
    label_smoothing: float = 0.0  # a parameter of the classifier
    preprocessor_: Preprocessor
    population_: Population
    n_features_in_: int

    def __init_subclass__(cls, **options: Any) -> None:
        """Write the shared texts into the docstring."""
        super().__init_subclass__(**options)
        for name, shared in (("parameters", PARAMETERS), ("attributes", ATTRIBUTES)):
            cls.__doc__ = cls.__doc__ and cls.__doc__.replace(f"    <{name}>", shared)

    @abstractmethod
    def _checked_target(self, y: Any) -> Array:
        """Return y, checked."""

    @abstractmethod
    def _learn_target(self, y: Array, table: Table, Z: Array) -> tuple[Array, int]:
        """Learn what y is; return what networks learn, and the number of classes, 0 for numbers."""

    @abstractmethod
    def _target_words(self) -> dict[str, Any]:
        """Return what a file holds of the target, as plain JSON."""

    @abstractmethod
    def _take_target(self, words: Any) -> None:
        """Learn the target from a file."""

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any) -> Self:
        """Learn from the rows of a table.

        Parameters
        ----------
        X : table-like, (n_samples, n_features)
            A pandas, polars or pyarrow table, a `fastbp.tables.Table`, a dict of columns, or an array. Missing values
            are allowed.
        y : (n_samples,) array-like
            Classes or numbers; none may be missing.

        Returns
        -------
        TabularClassifier or TabularRegressor
            Itself.

        Raises
        ------
        TypeError, ValueError
            A parameter or the data are not what is described above, or no column can be learned from.
        """
        table = self._table(X, reset=True)
        y = self._checked_target(y)
        check_consistent_length(table, y)
        if len(table) < 2:
            raise ValueError("the table has n_samples = 1; at least 2 rows are required, for one to be left out")
        preprocessor = Preprocessor(
            numbers=self.numbers, n_bins=self.n_bins, categorical=self.categorical, drop=self.drop, dtype="float32"
        )
        Z = preprocessor.fit_transform(table)
        self.preprocessor_ = preprocessor
        targets, n_classes = self._learn_target(y, table, Z)
        recipe = self._recipe(len(Z))
        self.population_, held_out = bag.trained(
            Z, targets, n_classes, recipe, self.n_members,
            check_random_state(self.random_state).randint(LARGEST_SEED), self.time_limit, self.progress,
        )  # fmt: skip
        self._calibrate(Z, targets, held_out if recipe.tempered else [])
        return self

    def _calibrate(self, Z: Array, targets: Array, held_out: list[Order]) -> None:
        """Learn from the rows that each member has left out, if there are any."""

    def _recipe(self, n_rows: int) -> Recipe:
        return Recipe(
            tuple(self.hidden_layer_sizes), self.activation, self.learning_rate, self.weight_decay,
            self.label_smoothing, self.dropout, self.epochs, self.batch_size or batch_size_for(n_rows),
        )  # fmt: skip

    @property
    def columns_(self) -> list[Column]:
        """What each column of the training table was taken for."""
        check_is_fitted(self, "preprocessor_")
        return self.preprocessor_.columns

    def _table(self, X: Any, reset: bool = False) -> Table:
        """Return X as a table, checked as scikit-learn does. A `Table` or dict has its columns found by name."""
        if not reset:
            check_is_fitted(self, "population_")
        if isinstance(X, Table | Mapping) and not issparse(X):  # scipy's dok_array is a dict
            table = Table.of(X)
            if reset:
                self.feature_names_in_ = np.array(table.names, dtype=object)
                self.n_features_in_ = len(table.names)
            return table
        if hasattr(X, "columns") or hasattr(X, "column_names"):
            columns = getattr(X, "column_names", getattr(X, "columns", ()))
            if reset or [*columns] != getattr(self, "feature_names_in_", np.empty(0)).tolist():
                validate_data(self, X, reset=reset, skip_check_array=True)
            table = Table.of(X)
            own = table.names if reset else self._column_names()
            if len(table) == 0:
                raise ValueError(f"Found array with 0 sample(s) (shape={(0, len(own))}); at least one is required")
            return table if table.names == own else table.renamed(own)
        least = 2 if reset else 1
        X = validate_data(
            self, X, reset=reset, dtype=None, ensure_all_finite="allow-nan", ensure_min_samples=least
        )  # fmt: skip
        return Table.of(X, None if reset else self._column_names())

    def _column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.preprocessor_.columns)

    def _rows(self, table: Table) -> Rows:
        """Return what each row of a table adds to the first layers."""
        return self.preprocessor_.terms.of(self.preprocessor_.checked(table))

    def _outputs(self, rows: Rows) -> Array:
        """Return z of the last layer of all members, (n_members, n, n_out)."""
        return stacked.outputs(self.population_, self.preprocessor_, rows)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to one safetensors file, preprocessing included, which `load` reads; no code is in it.

        An existing file is replaced only when the new one is complete. Raises OSError if it cannot be written.
        """
        check_is_fitted(self, "population_")
        files.save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a model that `save` wrote. Raises OSError, or `fastbp.ModelFileError` for any other file."""
        found: Self = files.load(cls, path)
        return found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.string = tags.input_tags.categorical = True
        return tags

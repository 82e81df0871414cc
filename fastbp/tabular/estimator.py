"""What the estimators share: scikit-learn's interface of a learner."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import fields
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from fastbp.functions.activations import ACTIVATIONS
from fastbp.model import Array
from fastbp.tables import Column, Table
from fastbp.tabular import files
from fastbp.tabular.explained import Explained
from fastbp.tabular.exported import Exported
from fastbp.tabular.learner import Learner, seed_of
from fastbp.tabular.recipe import Recipe

OF_RECIPE = frozenset(field.name for field in fields(Recipe))  # parameters that are an estimator's, too

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
    metadata_ : dict
        What `save` writes besides, empty after `fit`: anything that JSON can hold. ``fastbp train`` puts the target,
        the scores and how the model was made there.
    n_features_in_, feature_names_in_ : int, array
        As everywhere in scikit-learn; names only where X had some."""


class BaseTabular(Explained, Exported, Learner, BaseEstimator):
    """Learners with scikit-learn's interface. The classes for use are `TabularClassifier` and `TabularRegressor`."""

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
    n_features_in_: int

    def __init_subclass__(cls, **options: Any) -> None:
        """Write the shared texts into the docstring."""
        super().__init_subclass__(**options)
        for name, shared in (("parameters", PARAMETERS), ("attributes", ATTRIBUTES)):
            cls.__doc__ = cls.__doc__ and cls.__doc__.replace(f"    <{name}>", shared)

    @abstractmethod
    def _checked_target(self, y: Any) -> Array:
        """Return y, checked."""

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
        recipe = self._recipe()
        prepared = self._prepare(table, y, recipe, recipe.preprocessor(self.drop, self.categorical))
        self._train(prepared, seed_of(check_random_state(self.random_state)), self.time_limit, self.progress)
        return self

    def _recipe(self) -> Recipe:
        given = {name: value for name, value in self.get_params(deep=False).items() if name in OF_RECIPE}
        return Recipe(**{**given, "hidden_layer_sizes": tuple(self.hidden_layer_sizes)})

    @property
    def columns_(self) -> list[Column]:
        """What each column of the training table was taken for."""
        check_is_fitted(self, "preprocessor_")
        return super().columns_

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

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to one safetensors file, preprocessing included, which `load` reads; no code is in it.

        An existing file is replaced only when the new one is complete. Raises OSError if it cannot be written.
        """
        check_is_fitted(self, "population_")
        files.save(self, path, self.get_params(deep=False))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a model that `save` wrote. Raises OSError, or `fastbp.ModelFileError` for any other file."""
        found: Self = files.load(path, {cls.__name__: cls})
        return found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.string = tags.input_tags.categorical = True
        return tags

"""`TabularRegressor`: a number from a table."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import column_or_1d
from sklearn.utils.validation import _check_y

from fastbp import validation
from fastbp.model import Array
from fastbp.tables import Table
from fastbp.tables.terms import Rows
from fastbp.tabular import linear
from fastbp.tabular.estimator import BaseTabular
from fastbp.tabular.linear import LinearFeatures


class TabularRegressor(RegressorMixin, BaseTabular):
    """A number from a table: a bag of networks by a recipe that needs no tuning.

    The target is scaled inside.

    Parameters
    ----------
    <parameters>
    linear_start : bool, default True
        Whether a ridge regression comes first, where it explains at least 90 % of the variance, by generalized
        cross-validation; the networks then learn what it leaves.

    Attributes
    ----------
    coef_ : array or None
        Of the linear model: numbers in units of their quartiles' distance, then the other features; None without one.
    intercept_, scale_ : float
        The prediction is ``intercept_`` plus the linear model plus ``scale_`` times the mean output.
    <attributes>

    Examples
    --------
    >>> import numpy as np
    >>> from fastbp.tabular import TabularRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-2, 2, (200, 2))
    >>> model = TabularRegressor(random_state=0).fit(X, 1000 * X[:, 0] ** 2)
    >>> mean, std = model.predict(X[:3], return_std=True)
    >>> mean.shape, std.shape, model.score(X, 1000 * X[:, 0] ** 2) > 0.9
    ((3,), (3,), True)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseTabular._parameter_constraints,
        "linear_start": ["boolean"],
    }

    def __init__(
        self,
        hidden_layer_sizes: Any = (32, 32),
        *,
        n_members: int = 8,
        activation: str = "relu",
        epochs: int = 64,
        batch_size: int | None = None,
        learning_rate: float = 0.005,
        weight_decay: float = 0.02,
        dropout: float | None = None,
        numbers: str = "both",
        n_bins: int = 16,
        linear_start: bool = True,
        categorical: Any = (),
        drop: Any = (),
        time_limit: float | None = None,
        random_state: Any = None,
        progress: bool = False,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.n_members = n_members
        self.activation = activation
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.dropout = dropout
        self.numbers = numbers
        self.n_bins = n_bins
        self.linear_start = linear_start
        self.categorical = categorical
        self.drop = drop
        self.time_limit = time_limit
        self.random_state = random_state
        self.progress = progress

    def _checked_target(self, y: Any) -> Array:
        return np.asarray(_check_y(column_or_1d(y, warn=True), y_numeric=True, estimator=self), np.float64)

    def _learn_target(self, y: Array, table: Table, Z: Array) -> tuple[Array, int]:
        scale = float(np.std(y)) or 1.0
        beta = None
        if self.linear_start:
            beta = linear.fitted(LinearFeatures(self.preprocessor_).of(table, Z), (y - y.mean()) / scale)
        self.coef_ = None if beta is None else beta[1:] * scale
        self.intercept_ = float(y.mean()) + (0.0 if beta is None else float(beta[0]) * scale)
        rest = y - self._linear_part(self._rows(table))
        self.scale_ = float(np.std(rest)) or 1.0
        return (rest / self.scale_).astype(np.float32), 0

    def _linear_part(self, rows: Rows) -> Any:
        """Return what the linear model predicts, (n,): a constant where it has no say."""
        if self.coef_ is None:
            return self.intercept_
        return LinearFeatures(self.preprocessor_).predicted(rows, self.intercept_, self.coef_)

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Return the mean prediction of the members, (n_samples,).

        Parameters
        ----------
        X : table-like, (n_samples, n_features)
            As in `fit`. Values that were not in the training rows count as rare, or as none.
        return_std : bool, default False
            Whether to return the standard deviation over members, too, of the same shape. It says how far the members
            disagree: it is no prediction interval, because it knows nothing of the noise in y.
        """
        wants_std = validation.truth("return_std", return_std)
        rows = self._rows(self._table(X))
        each, n = self._outputs(rows)[:, :, 0], len(rows.x)
        mean = self._linear_part(rows) + self.scale_ * each.mean(axis=0, dtype=np.float64)[:n]
        return (mean, self.scale_ * each.std(axis=0, dtype=np.float64)[:n]) if wants_std else mean

    def _gradients(self, Z: Array) -> Array:
        one = np.ones((len(Z), 1), np.float32)
        each = [net.vjp(Z, one).astype(np.float64) for net in self.population_]
        return np.asarray(np.mean(each, axis=0) * self.scale_)[:, :, None]

    def _linear_slope(self, code: dict[str, Any]) -> float:
        if self.coef_ is None:
            return 0.0
        place = [each.column.name for each in LinearFeatures(self.preprocessor_).codes].index(code["column"])
        return float(self.coef_[place] * code["factor"][0])

    def _like_target(self, values: Array) -> Array:
        return values[:, 0]

    def _score_of(self, table: Table, y: Any) -> float:
        return float(r2_score(y, self.predict(table)))

    def _target_words(self) -> dict[str, Any]:
        coef = None if self.coef_ is None else self.coef_.tolist()
        return {"intercept": self.intercept_, "coef": coef, "scale": self.scale_}

    def _take_target(self, words: Any) -> None:
        self.intercept_, self.scale_ = float(words["intercept"]), float(words["scale"])
        self.coef_ = None if words["coef"] is None else np.array(words["coef"], np.float64)
        features = LinearFeatures(self.preprocessor_)
        if self.coef_ is not None and self.coef_.shape != (len(features.codes) + len(features.others),):
            raise ValueError("its linear model does not fit its preprocessing")
        if not np.isfinite([self.intercept_, self.scale_, *(() if self.coef_ is None else self.coef_)]).all():
            raise ValueError("the scale of its target is not finite")

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
from fastbp.tabular.estimator import BaseTabular
from fastbp.tabular.numbers import Numbers


class TabularRegressor(RegressorMixin, Numbers, BaseTabular):
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
        mean, each = self._mean(self._rows(self._table(X)))
        return (mean, self.scale_ * each.std(axis=0, dtype=np.float64)) if wants_std else mean

    def _score_of(self, table: Table, y: Any) -> float:
        return float(r2_score(y, self.predict(table)))

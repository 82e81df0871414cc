"""`TabularClassifier`: classes from a table."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import Interval
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import assert_all_finite

from fastbp import validation
from fastbp.model import Array
from fastbp.tables import Table
from fastbp.tabular.classes import Classes
from fastbp.tabular.estimator import BaseTabular


class TabularClassifier(ClassifierMixin, Classes, BaseTabular):
    """Classes from a table: a bag of networks by a recipe that needs no tuning.

    Parameters
    ----------
    <parameters>
    label_smoothing : float, default 0.05
        As in `Network.fit`.

    Attributes
    ----------
    classes_ : array
        The labels, sorted.
    temperature_ : float
        What the logarithms of probabilities are divided by, from the rows that members have left out.
    <attributes>

    Examples
    --------
    >>> from fastbp.tabular import TabularClassifier
    >>> table = {"size": [1.0, 1.2, None, 5.0, 5.5, 6.0], "colour": ["red", "red", "red", "blue", "blue", "red"]}
    >>> model = TabularClassifier(random_state=0).fit(table, ["small"] * 3 + ["large"] * 3)
    >>> model.predict({"colour": ["red", "pink"], "size": [1.1, 5.8]})
    array(['small', 'large'], dtype='<U5')
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseTabular._parameter_constraints,
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
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
        label_smoothing: float = 0.05,
        numbers: str = "both",
        n_bins: int = 16,
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
        self.label_smoothing = label_smoothing
        self.numbers = numbers
        self.n_bins = n_bins
        self.categorical = categorical
        self.drop = drop
        self.time_limit = time_limit
        self.random_state = random_state
        self.progress = progress

    def _checked_target(self, y: Any) -> Array:
        y = column_or_1d(y, warn=True)
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        return np.asarray(y)

    def predict(self, X: Any) -> Array:
        """Return the most probable class of each row, (n_samples,).

        Parameters
        ----------
        X : table-like, (n_samples, n_features)
            As in `fit`. Values that were not in the training rows count as rare, or as none.
        """
        best = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def predict_proba(self, X: Any, return_std: bool = False) -> Any:
        """Return the probabilities of `classes_`, (n_samples, n_classes): the geometric mean of the members'.

        Parameters
        ----------
        X : table-like, (n_samples, n_features)
            As in `predict`.
        return_std : bool, default False
            Whether to return their standard deviation over members, too, of the same shape.
        """
        wants_std = validation.truth("return_std", return_std)
        p, logs = self._probabilities(self._rows(self._table(X)))
        return (p, np.ascontiguousarray(np.exp(logs).std(axis=0))) if wants_std else p

    def _score_of(self, table: Table, y: Any) -> float:
        found: Array = self.predict(table) == np.asarray(y)
        return float(found.mean())

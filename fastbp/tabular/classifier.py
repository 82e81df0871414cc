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
from fastbp.batches.orders import Order
from fastbp.model import Array
from fastbp.tables import Table
from fastbp.tabular import bag
from fastbp.tabular.estimator import BaseTabular


class TabularClassifier(ClassifierMixin, BaseTabular):
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
    classes_: Array

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

    def _learn_target(self, y: Array, table: Table, Z: Array) -> tuple[Array, int]:
        classes, targets = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(f"y has one class only, {classes[0]!r}; give at least 2 classes")
        self.classes_ = classes
        return targets, len(classes)

    def _calibrate(self, Z: Array, targets: Array, held_out: list[Order]) -> None:
        self.temperature_ = 1.0
        if held_out:
            each = zip(self.population_, held_out, strict=True)
            logs = np.concatenate([bag.logarithms(net.predict(Z[rows])) for net, rows in each])
            self.temperature_ = bag.temperature_of(logs, np.concatenate([targets[rows] for rows in held_out]))

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
        rows = self._rows(self._table(X))
        logs, n = bag.log_softmax(self._outputs(rows)), len(rows.x)
        p = np.ascontiguousarray(bag.softmax(logs.mean(axis=0) / self.temperature_)[:n])
        return (p, np.ascontiguousarray(np.exp(logs).std(axis=0)[:n])) if wants_std else p

    def _gradients(self, Z: Array) -> Array:
        """Return ∂p_k/∂z of the features, (n, n_features, n_classes).

        With l_k the mean of members' log p_k, ∂p_k/∂z = p_k (∂l_k/∂z − Σ_j p_j ∂l_j/∂z) / T.
        """
        each = self.population_.predict(Z)
        p, of_logs = bag.probabilities(each, self.temperature_), np.zeros((len(Z), Z.shape[1], len(self.classes_)))
        for net, a in zip(self.population_, each, strict=True):
            for k in range(a.shape[1]):
                U = np.zeros_like(a)
                U[:, k] = 1 / np.maximum(a[:, k], bag.SMALLEST)
                of_logs[:, :, k] += net.vjp(Z, U) / len(self.population_)
        mean = np.einsum("nfk,nk->nf", of_logs, p)
        return np.asarray(p[:, None, :] * (of_logs - mean[:, :, None]) / self.temperature_)

    def _linear_slope(self, code: dict[str, Any]) -> float:
        return 0.0

    def _like_target(self, values: Array) -> Array:
        return values

    def _score_of(self, table: Table, y: Any) -> float:
        found: Array = self.predict(table) == np.asarray(y)
        return float(found.mean())

    def _target_words(self) -> dict[str, Any]:
        dtype = self.classes_.dtype.str
        return {"classes": self.classes_.tolist(), "dtype": dtype, "temperature": self.temperature_}

    def _take_target(self, words: Any) -> None:
        dtype = np.dtype(str(words["dtype"]))
        if dtype.kind not in "biufUO" or len(words["classes"]) < 2:
            raise ValueError("its classes are no labels")
        self.classes_, self.temperature_ = np.array(words["classes"], dtype=dtype), float(words["temperature"])
        if not 0 < self.temperature_ < np.inf:
            raise ValueError(f"its temperature is {self.temperature_}")

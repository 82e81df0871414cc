"""Learning classes: the geometric mean of the probabilities of a bag."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from fastbp.batches.orders import Order
from fastbp.model import Array
from fastbp.tables import Table
from fastbp.tables.terms import Rows
from fastbp.tabular import bag
from fastbp.tabular.bag import Prepared
from fastbp.tabular.learner import Learner
from fastbp.tabular.recipe import Recipe


class Classes(Learner):
    """Learns the classes `classes_`, sorted labels. Logarithms of probabilities are divided by `temperature_`."""

    estimator: ClassVar[str] = "TabularClassifier"
    classes_: Array
    temperature_: float

    def _learn_target(self, y: Array, table: Table, Z: Array, recipe: Recipe) -> tuple[Array, int]:
        classes, targets = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(f"y has one class only, {classes[0]!r}; give at least 2 classes")
        self.classes_ = classes
        return targets, len(classes)

    def _calibrate(self, prepared: Prepared, held_out: list[Order]) -> None:
        self.temperature_ = 1.0
        if held_out:
            each = zip(self.population_, held_out, strict=True)
            logs = np.concatenate([bag.logarithms(net.predict(prepared.Z[rows])) for net, rows in each])
            self.temperature_ = bag.temperature_of(logs, np.concatenate([prepared.y[rows] for rows in held_out]))

    def _probabilities(self, rows: Rows) -> tuple[Array, Array]:
        """Return the probabilities of `classes_`, (n, n_classes), and the logarithms of the members', (…, n, …)."""
        logs, n = bag.log_softmax(self._outputs(rows)), len(rows.x)
        return np.ascontiguousarray(bag.softmax(logs.mean(axis=0) / self.temperature_)[:n]), logs[:, :n]

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

    @property
    def _output(self) -> tuple[str, int]:
        return "softmax", len(self.classes_)

"""Learning numbers: a linear model where it explains nearly everything, and the mean of the outputs of a bag."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from fastbp.model import Array
from fastbp.tables import Table
from fastbp.tables.target import scales
from fastbp.tables.terms import Rows
from fastbp.tabular import linear
from fastbp.tabular.learner import Learner
from fastbp.tabular.linear import LinearFeatures
from fastbp.tabular.recipe import Recipe


class Numbers(Learner):
    """Learns numbers: `intercept_` plus a linear model with `coef_`, or none, plus `scale_` times the mean output."""

    estimator: ClassVar[str] = "TabularRegressor"
    coef_: Array | None
    intercept_: float
    scale_: float

    def _learn_target(self, y: Array, table: Table, Z: Array, recipe: Recipe) -> tuple[Array, int]:
        mean, scale = _scale_of(y)
        beta = None
        if recipe.linear_start:
            beta = linear.fitted(LinearFeatures(self.preprocessor_).of(table, Z), (y - mean) / scale)
        self.coef_ = None if beta is None else beta[1:] * scale
        self.intercept_ = mean + (0.0 if beta is None else float(beta[0]) * scale)
        rest = y - self._linear_part(self._rows(table))
        self.scale_ = _scale_of(rest)[1]
        return (rest / self.scale_).astype(np.float32), 0

    def _linear_part(self, rows: Rows) -> Any:
        """Return what the linear model predicts, (n,): a constant where it has no say."""
        if self.coef_ is None:
            return self.intercept_
        return LinearFeatures(self.preprocessor_).predicted(rows, self.intercept_, self.coef_)

    def _mean(self, rows: Rows) -> tuple[Array, Array]:
        """Return the mean prediction, (n,), and the outputs of the members, (n_members, n)."""
        each = self._outputs(rows)[:, :, 0]
        mean = each.mean(axis=0, dtype=np.float64)[: len(rows.x)]
        return np.asarray(self._linear_part(rows) + self.scale_ * mean), each[:, : len(rows.x)]

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

    @property
    def _output(self) -> tuple[str, int]:
        return "identity", 1


def _scale_of(y: Array) -> tuple[float, float]:
    """Return mean and deviation of numbers, however large; 1 as the deviation of equal ones."""
    (mean,), (deviation,) = scales(y[:, None])
    return mean, deviation or 1.0

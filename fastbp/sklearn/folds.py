"""A fold of a cross-validation: its rows, copied once, and what the MLPs of its models train on."""

import inspect
from collections import Counter
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.validation import _check_method_params

from fastbp.sklearn.base import BaseMLP
from fastbp.sklearn.given import Given

Parameters = Mapping[str, Any]


def mlp_of(model: Any) -> BaseMLP:
    """Return a model, or the last step of a pipeline. Raises TypeError unless it is an MLP of fastbp."""
    mlp = model.steps[-1][1] if isinstance(model, Pipeline) else model
    if not isinstance(mlp, BaseMLP):
        raise TypeError(
            f"estimator is {model!r}; it must be an MLPClassifier or MLPRegressor of fastbp.sklearn, or a Pipeline "
            "with one as its last step: for others there is sklearn.model_selection.GridSearchCV"
        )
    return mlp


def of_transformers(model: Any, parameters: Parameters) -> Hashable:
    """Return a key for the parameters of a model except those of its MLP: with the same key, X becomes the same."""
    if not isinstance(model, Pipeline):
        return ()
    others = sorted(name for name in parameters if name.split("__")[0] != model.steps[-1][0])
    return tuple((name, type(parameters[name]), _key(parameters[name])) for name in others)


def _key(value: Any) -> Hashable:
    return value if isinstance(value, str | int | float | np.generic) else id(value)


class Taker(BaseEstimator):
    """Stands in for an MLP, and takes what that would train on. Raises TypeError as its `fit`."""

    def __init__(self, mlp: Any):
        self.mlp = mlp

    def fit(self, X: Any, y: Any = None, **parameters: Any) -> Any:
        """Take it."""
        inspect.signature(self.mlp.fit).bind(X, y, **parameters)
        self.given_ = Given(X, y, **parameters)
        return self

    def get_metadata_routing(self) -> Any:
        """Ask for what the MLP asks for."""
        return self.mlp.get_metadata_routing()


class Fold:
    """The training rows and the test rows of a split of X and y, with their parameters of `fit` and of the scorer."""

    def __init__(self, model: Any, data: tuple[Any, Any], split: tuple[Any, Any], fit: Parameters, score: Parameters):
        X, y = data
        training, test = split
        self.training, self.test = _safe_split(model, X, y, training), _safe_split(model, X, y, test, training)
        self._fit = _check_method_params(X, params=fit, indices=training)
        self.score_training = _check_method_params(X, params=score, indices=training)
        self.score_test = _check_method_params(X, params=score, indices=test)
        self._taken: dict[Hashable, tuple[list[Any], Given]] = {}
        self._to_come: Counter[Hashable] = Counter()

    def expect(self, key: Hashable) -> None:
        """Expect one more model with this key of its transformers."""
        self._to_come[key] += 1

    def given(self, key: Hashable, model: Any) -> Given:
        """Return what the MLP of a model trains on. Its transformers are fitted, or those of an earlier one taken."""
        if not isinstance(model, Pipeline):
            if key not in self._taken:
                self._taken[key] = [], Taker(model).fit(*self.training, **self._fit).given_
            return self._taken[key][1]
        name, mlp = model.steps[-1]
        if key not in self._taken:
            taker = Taker(mlp)
            model.steps = [*model.steps[:-1], (name, taker)]
            model.fit(*self.training, **self._fit)
            self._taken[key] = model.steps[:-1], taker.given_
        fitted, given = self._taken[key]
        model.steps = [*fitted, (name, mlp)]
        return given

    def release(self, key: Hashable) -> None:
        """A model with this key has been trained: after the last one, forget what they trained on."""
        self._to_come[key] -= 1
        if not self._to_come[key]:
            self._taken.pop(key, None)

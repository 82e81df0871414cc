"""`MLPEnsembleClassifier` and `MLPEnsembleRegressor`: many MLPs that train at once and answer together."""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.metrics import accuracy_score, r2_score

from fastbp.model import Array
from fastbp.sklearn.bagging import BaseMLPEnsemble
from fastbp.sklearn.classifier import MLPClassifier
from fastbp.sklearn.regressor import MLPRegressor


class MLPEnsembleClassifier(ClassifierMixin, BaseMLPEnsemble):
    """An ensemble of `MLPClassifier`: its probabilities are the mean of its members' probabilities.

    All members train at once, one a thread, on the same X, which is checked once.

    Parameters
    ----------
    estimator : MLPClassifier, optional
        What members are copies of; left out, an `MLPClassifier` with default parameters.
    <parameters>

    Attributes
    ----------
    <attributes>
    classes_ : array
        The labels.
    oob_score_, oob_decision_function_ : float, (n_samples, n_classes) array
        With `oob_score`: the accuracy and the probabilities, NaN for rows that every member has seen.

    References
    ----------
    Breiman, *Bagging predictors*, 1996.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastbp.sklearn import MLPClassifier, MLPEnsembleClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPEnsembleClassifier(MLPClassifier((8,), max_iter=500, learning_rate_init=0.02), 5, random_state=0)
    >>> mean, std = model.fit(X, y).predict_proba(X, return_std=True)
    >>> mean.shape, std.shape, model.score(X, y) > 0.9
    ((150, 3), (150, 3), True)
    """

    _kind = MLPClassifier

    @property
    def classes_(self) -> Any:
        """The labels."""
        return self.estimators_[0].classes_

    def predict(self, X: Any) -> Array:
        """Return the classes with the greatest mean probability; with several labels, those whose mean is above 0.5.

        Parameters
        ----------
        X : (n_samples, n_features) array or sparse matrix
            Inputs.
        """
        outputs = self._outputs_of_members(X).mean(axis=0)
        classes: Array = self.estimators_[0]._classes_of(outputs)
        return classes

    def predict_proba(self, X: Any, return_std: bool = False) -> Any:
        """Return the mean probability of each class, (n_samples, n_classes), in the order of `classes_`.

        Parameters
        ----------
        X : (n_samples, n_features) array or sparse matrix
            Inputs.
        return_std : bool, default False
            Whether to return their standard deviation over members, too, of the same shape: how far the members
            disagree.
        """
        outputs = self._outputs_of_members(X)
        each = np.stack([mlp._probabilities_of(o) for mlp, o in zip(self.estimators_, outputs, strict=True)])
        return (each.mean(axis=0), each.std(axis=0)) if return_std else each.mean(axis=0)

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithm of `predict_proba`.

        Parameters
        ----------
        X : (n_samples, n_features) array or sparse matrix
            Inputs.
        """
        probabilities: Array = self.predict_proba(X)
        return np.log(probabilities, out=probabilities)

    def _take_oob(self, y: Any, outputs: Array, seen: npt.NDArray[np.bool_]) -> None:
        self.oob_decision_function_ = self.estimators_[0]._probabilities_of(outputs)
        self.oob_score_ = float(accuracy_score(y[seen], self.estimators_[0]._classes_of(outputs[seen])))


class MLPEnsembleRegressor(RegressorMixin, BaseMLPEnsemble):
    """An ensemble of `MLPRegressor`: its prediction is the mean of its members' predictions.

    All members train at once, one a thread, on the same X, which is checked once.

    Parameters
    ----------
    estimator : MLPRegressor, optional
        What members are copies of; left out, an `MLPRegressor` with default parameters.
    <parameters>

    Attributes
    ----------
    <attributes>
    oob_score_, oob_prediction_ : float, array like y
        With `oob_score`: R² and the predictions, NaN for rows that every member has seen.

    References
    ----------
    Breiman, *Bagging predictors*, 1996.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from fastbp.sklearn import MLPEnsembleRegressor, MLPRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> members = MLPRegressor(hidden_layer_sizes=(5,), max_iter=1000, learning_rate_init=0.02, tol=1e-3)
    >>> model = MLPEnsembleRegressor(members, n_estimators=5, random_state=0).fit(X, y / 100)
    >>> mean, std = model.predict(X[:2], return_std=True)
    >>> mean.shape, std.shape, model.score(X, y / 100) > 0.5
    ((2,), (2,), True)
    """

    _kind = MLPRegressor

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Return the mean prediction: (n_samples,), or (n_samples, n_outputs).

        Parameters
        ----------
        X : (n_samples, n_features) array or sparse matrix
            Inputs.
        return_std : bool, default False
            Whether to return the standard deviation over members, too, of the same shape. It says how far the members
            disagree: it is no prediction interval, because it knows nothing of the noise in y.
        """
        outputs = self._outputs_of_members(X)
        mean, std = (self._like_y(values) for values in (outputs.mean(axis=0), outputs.std(axis=0)))
        return (mean, std) if return_std else mean

    def _like_y(self, outputs: Array) -> Array:
        return outputs.ravel() if outputs.shape[1] == 1 else outputs

    def _take_oob(self, y: Any, outputs: Array, seen: npt.NDArray[np.bool_]) -> None:
        self.oob_prediction_ = self._like_y(outputs)
        self.oob_score_ = float(r2_score(y[seen], self.oob_prediction_[seen]))

"""Conversion of fitted estimators between scikit-learn and fastbp."""

import copy
from typing import Any

import numpy as np
from sklearn import neural_network
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from fastbp.sklearn.classifier import MLPClassifier
from fastbp.sklearn.regressor import MLPRegressor

PAIRS = ((neural_network.MLPClassifier, MLPClassifier), (neural_network.MLPRegressor, MLPRegressor))
THEIR_ACTIVATIONS = ("identity", "logistic", "tanh", "relu")
THEIR_LOSSES = ("log_loss", "squared_error", "poisson")


def from_sklearn(fitted: Any) -> Any:
    """Return a fitted estimator of fastbp with the parameters and weights of one of scikit-learn's.

    It predicts the same. `partial_fit` starts from its weights, but with new moments of the optimizer.

    Parameters
    ----------
    fitted : sklearn.neural_network.MLPClassifier or MLPRegressor
        A fitted estimator; it is not changed.

    Raises
    ------
    TypeError
        It is something else.
    sklearn.exceptions.NotFittedError
        It is not fitted.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neural_network import MLPClassifier
    >>> from fastbp.sklearn import from_sklearn
    >>> X, y = load_iris(return_X_y=True)
    >>> theirs = MLPClassifier(solver="lbfgs", alpha=0.1, max_iter=500, random_state=0).fit(X, y)
    >>> bool((from_sklearn(theirs).predict(X) == theirs.predict(X)).all())
    True
    """
    for theirs, ours in PAIRS:
        if isinstance(fitted, theirs):
            check_is_fitted(fitted, "coefs_")
            return _with_attributes(ours(**fitted.get_params()), fitted)
    raise TypeError(f"{fitted!r} is not an MLPClassifier or MLPRegressor of scikit-learn; only those can be converted")


def to_sklearn(fitted: Any) -> Any:
    """Return a fitted estimator of scikit-learn with the parameters and weights of one of fastbp's.

    It predicts the same, also where fastbp is not installed. It lacks the parameters of training that scikit-learn does
    not have.

    Parameters
    ----------
    fitted : fastbp.sklearn.MLPClassifier or MLPRegressor
        A fitted estimator; it is not changed.

    Raises
    ------
    TypeError
        It is something else.
    ValueError
        scikit-learn does not have its activations.
    sklearn.exceptions.NotFittedError
        It is not fitted.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastbp.sklearn import MLPClassifier, to_sklearn
    >>> X, y = load_iris(return_X_y=True)
    >>> ours = MLPClassifier(solver="lbfgs", alpha=0.1, max_iter=500, random_state=0).fit(X, y)
    >>> bool((to_sklearn(ours).predict(X) == ours.predict(X)).all())
    True
    """
    for theirs, ours in PAIRS:
        if isinstance(fitted, ours):
            check_is_fitted(fitted, "coefs_")
            return _with_attributes(theirs(**_their_parameters(fitted, theirs)), fitted)
    raise TypeError(f"{fitted!r} is not an MLP of fastbp.sklearn; only those can be converted")


def _their_parameters(fitted: Any, theirs: Any) -> dict[str, Any]:
    model = fitted._model()
    hidden = {sigma.name.replace("sigmoid", "logistic") for sigma in model.activations[:-1]}
    if len(hidden) > 1 or not hidden <= set(THEIR_ACTIVATIONS):
        raise ValueError(
            f"the hidden layers have the activations {', '.join(sorted(hidden))}; scikit-learn knows one of "
            f"{', '.join(THEIR_ACTIVATIONS)} for all of them"
        )
    outputs = ("softmax", "logistic") if issubclass(theirs, neural_network.MLPClassifier) else ("identity", "exp")
    if fitted.out_activation_ not in outputs:
        raise ValueError(
            f"the output layer has the activation {fitted.out_activation_}; scikit-learn knows {' and '.join(outputs)}"
        )
    given = fitted.get_params()
    known = {name: given[name] for name in theirs().get_params() if name in given}
    known["activation"] = hidden.pop() if hidden else "relu"
    if "loss" in known and known["loss"] not in THEIR_LOSSES:
        known["loss"] = "poisson" if fitted.out_activation_ == "exp" else "squared_error"
    return known


def _with_attributes(new: BaseEstimator, fitted: Any) -> Any:
    """Copy to `new` the fitted attributes that both libraries have."""
    ours, theirs = {"_kept", "_linked", "_solver", "_steps"}, {"_optimizer", "_best_coefs", "_best_intercepts"}
    theirs |= {"_coef_indptr", "_intercept_indptr"}
    skipped = ours | theirs | set(fitted.get_params()) | {"loss", "validation_loss_curve_", "best_validation_loss_"}
    for name, value in vars(fitted).items():
        if name not in skipped:
            setattr(new, name, copy.deepcopy(value))
    new.coefs_ = [np.array(w, order="C") for w in fitted.coefs_]
    if isinstance(new, MLPClassifier | MLPRegressor):
        new._link(new._network_of_coefs())
    return new

"""`MLPClassifier`: classes, several labels at once, probabilities."""

from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels

from fastbp.functions.costs import Cost
from fastbp.model import Array
from fastbp.network.network import Network
from fastbp.optimizers import Optimizer
from fastbp.sklearn.base import BaseMLP
from fastbp.sklearn.described import described
from fastbp.sklearn.given import Given
from fastbp.sklearn.parameters import CONSTRAINTS


@described
class MLPClassifier(ClassifierMixin, BaseMLP):
    """A multi-layer perceptron for classes: scikit-learn's `MLPClassifier`, trained by fastbp.

    The parameters up to `max_fun` are scikit-learn's and mean the same; those after it are not in scikit-learn.

    Parameters
    ----------
    <parameters>
    loss : "log_loss" or fastbp.Cost, default "log_loss"
        What training minimizes.
    class_weight : dict, "balanced", or list of them, optional
        Weights of classes, as everywhere in scikit-learn; they multiply `sample_weight`.
    <own>

    Attributes
    ----------
    classes_ : array
        The labels.
    <attributes>

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastbp.sklearn import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier(max_iter=500, random_state=0).fit(X, y)
    >>> model.predict(X[:2]), model.score(X, y) > 0.95
    (array([0, 0]), True)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **CONSTRAINTS,
        "loss": [StrOptions({"log_loss"}), Cost],
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
    }
    _numbers: ClassVar[bool] = False
    classes_: Array

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
        max_fun: int = 15000,
        loss: Any = "log_loss",
        class_weight: Any = None,
        output_activation: Any = None,
        dropout: Any = None,
        optimizer: Optimizer | str | None = None,
        schedule: Any = None,
        callbacks: Any = None,
        progress: bool = False,
        scoring: str | None = None,
        goal: float | None = None,
    ):
        self._take_parameters(locals())

    @available_if(lambda estimator: estimator._check_solver())
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Any:
        """Train one epoch on some samples, starting from the fitted weights, if there are any.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.
        classes : array, optional
            All classes of all calls; needed in the first one.

        Returns
        -------
        MLPClassifier
            Itself.
        """
        if isinstance(self.class_weight, str):
            raise ValueError(
                f"class_weight is {self.class_weight!r}, but partial_fit does not see all samples: give a dict of "
                "weights, or sample_weight"
            )
        if classes is not None and hasattr(self, "classes_") and np.array_equal(classes, self.classes_):
            classes = None  # to check them would take longer
        if _check_partial_fit_first_call(self, classes):
            several = type_of_target(y).startswith("multilabel")
            self._label_binarizer = LabelBinarizer().fit(y if several else classes)
        return self._fit(Given(X, y, sample_weight), incremental=True)

    def predict(self, X: Any) -> Array:
        """Return the classes: (n_samples,), or (n_samples, n_labels) of 0 and 1.

        Parameters
        ----------
        X : (n_samples, n_features) array or sparse matrix
            Inputs.
        """
        return self._classes_of(self._outputs(X))

    def _classes_of(self, outputs: Array) -> Array:
        binarizer = self._label_binarizer
        kind = None if binarizer.sparse_input_ else binarizer.y_type_  # the frequent kinds without `inverse_transform`
        if kind == "multiclass":
            return np.asarray(self.classes_[outputs.argmax(axis=1)])
        if kind == "binary" and len(self.classes_) == 2:
            return np.asarray(self.classes_[(outputs[:, 0] > 0.5).view(np.int8)])
        if self.n_outputs_ == 1:
            outputs = outputs.ravel()
        found: Array = binarizer.inverse_transform(outputs)
        return found

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, (n_samples, n_classes), in the order of `classes_`.

        Parameters
        ----------
        X : (n_samples, n_features) array or sparse matrix
            Inputs.
        """
        return self._probabilities_of(self._outputs(X))

    def _probabilities_of(self, outputs: Array) -> Array:
        if self.n_outputs_ > 1:
            return outputs
        return np.concatenate([1 - outputs, outputs], axis=1)

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithm of `predict_proba`.

        Parameters
        ----------
        X : (n_samples, n_features) array or sparse matrix
            Inputs.
        """
        probabilities = self.predict_proba(X)
        return np.log(probabilities, out=probabilities)

    def _look_at_classes(self, y: Any, new: Given | None, same: bool) -> None:
        if new is not None:
            self._label_binarizer = new.once("classes", lambda: LabelBinarizer().fit(y))
            self.classes_ = self._label_binarizer.classes_
        else:
            found = unique_labels(y)
            if same and set(found) != set(self.classes_):
                raise ValueError(
                    "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                    f"Previously got {self.classes_}, `y` has {found}"
                )
            if not same and len(np.setdiff1d(found, self.classes_, assume_unique=True)):
                raise ValueError(
                    f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has {found}."
                )

    def _targets_if_valid(self, y: Any, n: int, net: Network) -> Array | None:
        binarizer = self._label_binarizer
        classes, kind, dtype = binarizer.classes_, binarizer.y_type_, net.dtype
        if self.warm_start or self.class_weight is not None or binarizer.sparse_input_:
            return None
        if type(y) is not np.ndarray or y.ndim == 0 or len(y) != n:
            return None
        if y.dtype.kind != classes.dtype.kind or y.dtype.kind not in "biufU":
            return None
        if kind == "multilabel-indicator":
            right = y.ndim == 2 and y.shape[1] == len(classes) and ((y == 0) | (y == 1)).all()
            return y.astype(dtype) if right else None
        if y.ndim != 1 or len(classes) < 2:
            return None
        places = np.searchsorted(classes[:-1], y)
        if not (classes[places] == y).all():
            return None
        if kind == "binary":
            return places.astype(dtype)[:, np.newaxis]
        Y: Array = np.zeros((n, len(classes)), dtype)
        Y[np.arange(n), places] = 1
        return Y

    def _targets(self, y: Any, dtype: Any) -> Array:
        binary = self._label_binarizer.transform(y)
        dense: Array = binary.toarray() if hasattr(binary, "toarray") else binary
        return dense.astype(dtype)

    def _default_output(self) -> str:
        return "softmax" if self._label_binarizer.y_type_ == "multiclass" else "logistic"

    def _score_of_outputs(self, outputs: Array, Y: Array, weight: Array | None) -> float:
        if self._label_binarizer.y_type_ == "multiclass":
            right = outputs.argmax(axis=1) == Y.argmax(axis=1)
        else:
            right = ((outputs > 0.5) == (Y > 0.5)).all(axis=1)
        return float(np.average(right, weights=weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

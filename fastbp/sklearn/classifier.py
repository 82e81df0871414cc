"""`MLPClassifier`: classes, several labels at once, probabilities."""

from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target
from sklearn.utils.validation import validate_data

from fastbp.functions.costs import Cost
from fastbp.model import Array
from fastbp.network.network import Network
from fastbp.optimizers import Optimizer
from fastbp.sklearn import labels
from fastbp.sklearn.base import BaseMLP
from fastbp.sklearn.parameters import CONSTRAINTS
from fastbp.sklearn.stopping import accuracy

FLOATS = (np.float64, np.float32)


class MLPClassifier(ClassifierMixin, BaseMLP):
    """A multi-layer perceptron for classes: scikit-learn's `MLPClassifier`, trained by fastbp.

    The parameters up to `max_fun` are scikit-learn's and mean the same; those after it are not in scikit-learn.

    Parameters
    ----------
    hidden_layer_sizes : array-like of int, or int, default (100,)
        How many neurons each hidden layer has; empty for none.
    activation : str or fastbp.Activation, or a list with one for each hidden layer, default "relu"
        identity, logistic, tanh, relu, and fastbp's others: leaky_relu, elu, softplus, silu, gelu, exponential.
    solver : {"adam", "sgd", "lbfgs"}, default "adam"
        What chooses the steps; "lbfgs" is SciPy's, on all samples at once.
    alpha : float, default 1e-4
        α ≥ 0 of the penalty: the loss of a mini-batch of m samples contains α/(2m) Σ w².
    batch_size : int or "auto", default "auto"
        Samples a step; "auto" is 200, or all if they are fewer, or for Rprop. Not for lbfgs.
    learning_rate : {"constant", "invscaling", "adaptive"}, default "constant"
        Of sgd only. After t samples, "invscaling" is ``learning_rate_init / (t + 1) ** power_t``; "adaptive" divides by
        5 whenever training would stop because nothing improves, and stops at 1e-6.
    learning_rate_init : float, default 0.001
        The rate, or the first one.
    power_t : float, default 0.5
        The exponent of "invscaling".
    max_iter : int, default 200
        Epochs, or iterations of lbfgs.
    shuffle : bool, default True
        Whether each epoch has another order.
    random_state : int, RandomState or None, default None
        Decides the first weights, the samples held out, and the order: the same as in scikit-learn.
    tol : float, default 1e-4
        What counts as an improvement; for lbfgs the largest entry of the gradient at which it ends.
    verbose : bool, default False
        Whether to print the loss of each epoch.
    warm_start : bool, default False
        Whether `fit` goes on from the weights that there are. The solver begins anew, that of lbfgs without its memory.
    momentum, nesterovs_momentum : float and bool, default 0.9 and True
        Of sgd.
    early_stopping : bool, default False
        Whether to hold out samples, stop when their score no longer improves, and keep the best weights.
    validation_fraction : float, default 0.1
        The share that is held out.
    beta_1, beta_2, epsilon : float, default 0.9, 0.999 and 1e-8
        Of adam.
    n_iter_no_change : int, default 10
        Epochs without improvement that are still waited for.
    max_fun : int, default 15000
        Evaluations of the loss that lbfgs may ask for.
    loss : "log_loss" or fastbp.Cost, default "log_loss"
        What training makes small.
    class_weight : dict, "balanced", or list of them, optional
        Weights of classes, as everywhere in scikit-learn; multiplied with `sample_weight`.
    output_activation : str or fastbp.Activation, optional
        Of the output layer, instead of the one that suits the loss.
    dropout : float, or list with one for each hidden layer, optional
        The share of neurons that are dropped in each step. Not for lbfgs.
    optimizer : fastbp optimizer or its name, optional
        Instead of `solver` and its parameters: ``fastbp.RMSProp(0.01)``, "rmsprop", and also those on the full batch.
    schedule : function of the epoch and the base learning rate, optional
        The learning rate of each epoch, as in `fastbp.Network.fit`.
    callbacks : list of fastbp.Callback, optional
        Called between epochs.
    progress : bool, default False
        Whether a terminal shows how far training is.

    Attributes
    ----------
    classes_ : array
        The labels.
    coefs_, intercepts_ : lists of arrays
        The weights, (n_in, n_out), and biases of each layer after the input.
    loss_, best_loss_, loss_curve_ : float, float or None, list of float
        The loss of the last epoch, of the best, of each: the mean over its mini-batches, penalty included.
    validation_scores_, best_validation_score_ : list of float and float, or None
        With `early_stopping`: the accuracy of the samples held out.
    validation_loss_curve_ : list of float
        After `fit` with X_val: their loss after each epoch, without the penalty.
    n_iter_, t_ : int
        Epochs of the last `fit`; samples seen in all of them.
    n_layers_, n_outputs_, out_activation_ : int, int, str
        Layers, input and output included; neurons of the output layer; its activation.
    n_features_in_, feature_names_in_ : int, array
        As everywhere in scikit-learn; names only where X had some.

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
    _stratifies: ClassVar[bool] = True
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
    ):
        self._take_parameters(locals())

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, X_val: Any = None, y_val: Any = None) -> Any:
        """Train.

        Parameters
        ----------
        X : (n_samples, n_features) array or sparse matrix
            Inputs.
        y : (n_samples,) or (n_samples, n_labels)
            Classes; or, of 0 and 1, which of several labels are true.
        sample_weight : (n_samples,), optional
            What each sample counts, at least 0.
        X_val, y_val : arrays, optional
            Other samples, whose loss goes into `validation_loss_curve_`; with `early_stopping` they are the ones that
            it looks at, and none are held out.

        Returns
        -------
        MLPClassifier
            Itself.

        Raises
        ------
        TypeError, ValueError
            A parameter or the data are not what is described above.
        """
        return self._fit(X, y, sample_weight, X_val, y_val, incremental=False)

    @available_if(lambda estimator: estimator._check_solver())
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Any:
        """Train one epoch on some samples, and go on from what was trained before.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.
        classes : array, optional
            All classes that there will be; needed in the first call.

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
            classes = None  # seen before, in less time than it takes to check them
        if _check_partial_fit_first_call(self, classes):
            several = type_of_target(y).startswith("multilabel")
            self._label_binarizer = LabelBinarizer().fit(y if several else classes)
        return self._fit(X, y, sample_weight, None, None, incremental=True)

    def predict(self, X: Any) -> Array:
        """Return the classes: (n_samples,), or (n_samples, n_labels) of 0 and 1.

        Parameters
        ----------
        X : (n_samples, n_features) array or sparse matrix
            Inputs.
        """
        outputs, binarizer = self._outputs(X), self._label_binarizer
        kind = None if binarizer.sparse_input_ else binarizer.y_type_  # the frequent ones without a detour
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
        outputs = self._outputs(X)
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

    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Array]:
        X, y = validate_data(self, X, y, accept_sparse=["csr", "csc"], multi_output=True, dtype=FLOATS, reset=reset)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if not hasattr(self, "classes_") or (not self.warm_start and not incremental):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
        else:
            labels.check_known(y, self.classes_, same=self.warm_start)
        return X, self._targets(y, X.dtype)

    def _surely_right_targets(self, y: Any, n: int, net: Network) -> Array | None:
        given = self.warm_start or self.class_weight is not None  # which look at all of y
        return None if given else labels.surely_right_targets(self._label_binarizer, y, n, net.dtype)

    def _targets(self, y: Any, dtype: Any) -> Array:
        return labels.targets(self._label_binarizer, y, dtype)

    def _validate_held_out(self, X: Any, y: Any) -> tuple[Any, Array]:
        X, y = validate_data(self, X, y, accept_sparse=["csr", "csc"], multi_output=True, dtype=FLOATS, reset=False)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y)
        labels.check_known(y, self.classes_, same=False)
        return X, self._targets(y, X.dtype)

    def _class_weights(self, y: Any) -> Array | None:
        if self.class_weight is None:
            return None
        weights: Array = compute_sample_weight(self.class_weight, y)
        return weights

    def _default_output(self) -> str:
        return "softmax" if self._label_binarizer.y_type_ == "multiclass" else "logistic"

    def _score_of_outputs(self, outputs: Array, Y: Array, weight: Array | None) -> float:
        return accuracy(outputs, Y, weight, exclusive=self._label_binarizer.y_type_ == "multiclass")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

"""`MLPRegressor`: numbers, one or several at once."""

import math
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import validate_data

from fastbp.functions.costs import Cost
from fastbp.model import Array
from fastbp.network.network import Network
from fastbp.optimizers import Optimizer
from fastbp.sklearn.base import BaseMLP
from fastbp.sklearn.parameters import CONSTRAINTS
from fastbp.training.metrics import r2

FLOATS = (np.float64, np.float32)


class MLPRegressor(RegressorMixin, BaseMLP):
    """A multi-layer perceptron for numbers: scikit-learn's `MLPRegressor`, trained by fastbp.

    The parameters up to `max_fun` are scikit-learn's and mean the same; those after it are not in scikit-learn. With
    several outputs the loss is the sum over them, whose gradient both follow; scikit-learn tells the mean of squared
    errors, so that `loss_`, and with it the epoch at which `tol` stops, differ, and lbfgs goes another way.

    Parameters
    ----------
    loss : str or fastbp.Cost, default "squared_error"
        What training makes small: squared_error ½(a − y)², poisson, and, not in scikit-learn, absolute_error, huber,
        quantile.
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
    quantile : float, default 0.5
        Which quantile the loss "quantile" looks for.
    huber_delta : float, default 1.0
        The distance from which on the loss "huber" is linear.
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
    coefs_, intercepts_ : lists of arrays
        The weights, (n_in, n_out), and biases of each layer after the input.
    loss_, best_loss_, loss_curve_ : float, float or None, list of float
        The loss of the last epoch, of the best, of each: the mean over its mini-batches, penalty included.
    validation_scores_, best_validation_score_ : list of float and float, or None
        With `early_stopping`: R² of the samples held out.
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
    >>> from sklearn.datasets import load_diabetes
    >>> from fastbp.sklearn import MLPRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = MLPRegressor(hidden_layer_sizes=(5,), activation="tanh", solver="lbfgs", tol=0.01, random_state=0)
    >>> model.fit(X, y / 100).predict(X[:2]).shape, model.score(X, y / 100) > 0.5
    ((2,), True)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **CONSTRAINTS,
        "loss": [StrOptions({"squared_error", "poisson", "absolute_error", "huber", "quantile"}), Cost],
        "quantile": [Interval(Real, 0, 1, closed="neither")],
        "huber_delta": [Interval(Real, 0, None, closed="neither")],
    }
    _stratifies: ClassVar[bool] = False

    def __init__(
        self,
        loss: Any = "squared_error",
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
        quantile: float = 0.5,
        huber_delta: float = 1.0,
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
        y : (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : (n_samples,), optional
            What each sample counts, at least 0.
        X_val, y_val : arrays, optional
            Other samples, whose loss goes into `validation_loss_curve_`; with `early_stopping` they are the ones that
            it looks at, and none are held out.

        Returns
        -------
        MLPRegressor
            Itself.

        Raises
        ------
        TypeError, ValueError
            A parameter or the data are not what is described above.
        """
        return self._fit(X, y, sample_weight, X_val, y_val, incremental=False)

    @available_if(lambda estimator: estimator._check_solver())
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Train one epoch on some samples, and go on from what was trained before.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.

        Returns
        -------
        MLPRegressor
            Itself.
        """
        return self._fit(X, y, sample_weight, None, None, incremental=True)

    def predict(self, X: Any) -> Array:
        """Return the outputs: (n_samples,), or (n_samples, n_outputs).

        Parameters
        ----------
        X : (n_samples, n_features) array or sparse matrix
            Inputs.
        """
        outputs = self._outputs(X)
        return outputs.ravel() if outputs.shape[1] == 1 else outputs

    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Array]:
        X, y = validate_data(
            self, X, y, accept_sparse=["csr", "csc"], multi_output=True, y_numeric=True, dtype=FLOATS, reset=reset
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return X, self._targets(y, X.dtype)

    def _surely_right_targets(self, y: Any, n: int, net: Network) -> Array | None:
        k = net.sizes[-1]
        if type(y) is not np.ndarray or y.dtype.kind not in "fiu" or y.shape != ((n,) if k == 1 else (n, k)):
            return None
        return self._targets(y, net.dtype) if math.isfinite(np.vdot(y, y)) else None

    def _targets(self, y: Any, dtype: Any) -> Array:
        Y: Array = np.asarray(y).reshape(len(y), -1)
        if Y.dtype.kind not in "buif":
            raise TypeError(f"y is of dtype {Y.dtype}; needed are real numbers")
        if Y.dtype != dtype:
            with np.errstate(over="ignore"):
                Y = Y.astype(dtype)
        if not np.isfinite(Y).all():
            raise ValueError(f"y has numbers that are too large for {np.dtype(dtype)}, in which X is: scale y")
        if self.loss == "poisson" and (Y < 0).any():
            raise ValueError("Some value(s) of y are out of the valid range of the loss 'poisson': it needs y >= 0.")
        return Y

    def _validate_held_out(self, X: Any, y: Any) -> tuple[Any, Array]:
        X, y = validate_data(
            self, X, y, accept_sparse=["csr", "csc"], multi_output=True, y_numeric=True, dtype=FLOATS, reset=False
        )
        return X, self._targets(y, X.dtype)

    def _default_output(self) -> str:
        return "exp" if getattr(self.loss, "name", self.loss) == "poisson" else "identity"

    def _score_of_outputs(self, outputs: Array, Y: Array, weight: Array | None) -> float:
        return r2(outputs, Y, weight) if np.isfinite(outputs).all() else math.nan

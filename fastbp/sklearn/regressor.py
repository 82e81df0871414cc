"""`MLPRegressor`: numbers, one or several at once."""

import math
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if

from fastbp.functions.costs import Cost
from fastbp.model import Array
from fastbp.network.network import Network
from fastbp.optimizers import Optimizer
from fastbp.sklearn.base import BaseMLP
from fastbp.sklearn.described import described
from fastbp.sklearn.given import Given
from fastbp.sklearn.parameters import CONSTRAINTS
from fastbp.training.metrics import r2


@described
class MLPRegressor(RegressorMixin, BaseMLP):
    """A multi-layer perceptron for numbers: scikit-learn's `MLPRegressor`, trained by fastbp.

    The parameters up to `max_fun` are scikit-learn's and mean the same; those after it are not in scikit-learn. With
    several outputs the loss is the sum over them, and both libraries follow its gradient; but scikit-learn reports the
    mean of the squared errors. So `loss_` and the epoch at which `tol` stops differ, and lbfgs takes other steps.

    Parameters
    ----------
    loss : str or fastbp.Cost, default "squared_error"
        What training minimizes: squared_error ½(a − y)², poisson, and, not in scikit-learn, absolute_error, huber,
        quantile.
    <parameters>
    quantile : float, default 0.5
        The quantile that the loss "quantile" estimates.
    huber_delta : float, default 1.0
        The error beyond which the loss "huber" is linear.
    <own>

    Attributes
    ----------
    <attributes>

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
    _numbers: ClassVar[bool] = True

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
        scoring: str | None = None,
        goal: float | None = None,
    ):
        self._take_parameters(locals())

    @available_if(lambda estimator: estimator._check_solver())
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Train one epoch on some samples, starting from the fitted weights, if there are any.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.

        Returns
        -------
        MLPRegressor
            Itself.
        """
        return self._fit(Given(X, y, sample_weight), incremental=True)

    def predict(self, X: Any) -> Array:
        """Return the outputs: (n_samples,), or (n_samples, n_outputs).

        Parameters
        ----------
        X : (n_samples, n_features) array or sparse matrix
            Inputs.
        """
        outputs = self._outputs(X)
        return outputs.ravel() if outputs.shape[1] == 1 else outputs

    def _targets_if_valid(self, y: Any, n: int, net: Network) -> Array | None:
        k = net.sizes[-1]
        if type(y) is not np.ndarray or y.dtype.kind not in "fiu" or y.shape != ((n,) if k == 1 else (n, k)):
            return None
        return self._targets(y, net.dtype) if math.isfinite(np.vdot(y, y)) else None

    def _targets(self, y: Any, dtype: Any) -> Array:
        Y: Array = np.asarray(y).reshape(len(y), -1)
        if Y.dtype.kind not in "buif":
            raise TypeError(f"y is of dtype {Y.dtype}; it must be of real numbers")
        if Y.dtype != dtype:
            with np.errstate(over="ignore"):
                Y = Y.astype(dtype)
        if not np.isfinite(Y).all():
            raise ValueError(f"y has numbers that are too large for {np.dtype(dtype)}, the dtype of X: scale y")
        if self.loss == "poisson" and (Y < 0).any():
            raise ValueError("Some value(s) of y are out of the valid range of the loss 'poisson': it needs y >= 0.")
        return Y

    def _default_output(self) -> str:
        return "exp" if getattr(self.loss, "name", self.loss) == "poisson" else "identity"

    def _score_of_outputs(self, outputs: Array, Y: Array, weight: Array | None) -> float:
        return r2(outputs, Y, weight) if np.isfinite(outputs).all() else math.nan

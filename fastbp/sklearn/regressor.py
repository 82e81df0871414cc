"""`MLPRegressor`: numbers, one or several at once."""

import math
import warnings
from collections.abc import Hashable
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from scipy import sparse, special
from sklearn.base import RegressorMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from fastbp import validation
from fastbp.functions.costs import Cost, quadratic
from fastbp.functions.sample_costs import gaussian_nll
from fastbp.model import Array
from fastbp.network.network import Network
from fastbp.optimizers import Optimizer
from fastbp.sklearn import parameters
from fastbp.sklearn.base import BaseMLP
from fastbp.sklearn.described import described
from fastbp.sklearn.given import Given
from fastbp.sklearn.parameters import CONSTRAINTS
from fastbp.training.metrics import r2

LOSSES = {"squared_error", "poisson", "absolute_error", "huber", "quantile", "gaussian_nll"}


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
        quantile, gaussian_nll. With gaussian_nll (or `fastbp.GaussianNLL`) the network has mean and log σ² of each
        target as outputs, and ``predict(X, return_std=True)`` gives σ. For this and for several quantiles, targets are
        standardised inside, so the loss is in their units.
    <parameters>
    quantile : float, or list of floats, default 0.5
        The quantile that the loss "quantile" estimates; of one target several at once, which never cross:
        `predict_quantiles`. `predict` is then the one nearest to the median.
    huber_delta : float, default 1.0
        The error beyond which the loss "huber" is linear.
    <own>
    uncertainty : "laplace", optional
        With the loss squared_error: `fit` also makes a Laplace approximation on the rows it was given (`fastbp.Network.
        laplace`), from which ``predict(X, return_std=True)`` takes the standard deviation of new targets.

    Attributes
    ----------
    <attributes>
    posterior_ : fastbp.Posterior
        With `uncertainty`.

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
        "loss": [StrOptions(LOSSES), Cost],
        "quantile": [Interval(Real, 0, 1, closed="neither"), "array-like"],
        "uncertainty": [StrOptions({"laplace"}), None],
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
        quantile: Any = 0.5,
        huber_delta: float = 1.0,
        output_activation: Any = None,
        dropout: Any = None,
        optimizer: Optimizer | str | None = None,
        schedule: Any = None,
        callbacks: Any = None,
        progress: bool = False,
        scoring: str | None = None,
        goal: float | None = None,
        uncertainty: str | None = None,
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

    def _check_given(self, given: Given) -> None:
        if self.uncertainty is not None:
            if self._cost.function is not quadratic or given.sample_weight is not None:
                raise ValueError(
                    f"uncertainty is {self.uncertainty!r}, which needs the loss 'squared_error' and no sample_weight"
                )
            self.__dict__.pop("posterior_", None)

    def _learn_uncertainty(self, given: Given) -> None:
        if self.uncertainty is not None:
            X, Y = self._validate_held_out(given.X, given.y)
            with warnings.catch_warnings():  # adam seldom ends at a minimum
                warnings.filterwarnings("ignore", "the network is not at a minimum")
                self.posterior_ = self.network_.laplace(X.toarray() if sparse.issparse(X) else X, Y)

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Return the outputs: (n_samples,), or (n_samples, n_outputs); of gaussian_nll the means.

        Parameters
        ----------
        X : (n_samples, n_features) array or sparse matrix
            Inputs.
        return_std : bool, default False
            Whether to return also the standard deviations of new targets, of the same shape. Needs the loss
            gaussian_nll, or ``uncertainty="laplace"``; else ValueError.
        """
        if validation.truth("return_std", return_std):
            return self._mean_and_deviation(X)
        return _flat(self._means(self._outputs(X)))

    def predict_quantiles(self, X: Any, q: Any = (0.05, 0.5, 0.95)) -> Array:
        """Return quantiles of the targets: (n_samples, n_levels), or (n_samples, n_outputs, n_levels).

        Parameters
        ----------
        X : (n_samples, n_features) array or sparse matrix
            Inputs.
        q : list of floats between 0 and 1
            The levels, of the normal distribution with mean and deviation of ``predict(X, return_std=True)``. If
            several quantiles were fitted, these are returned, and `q` does not count.

        Raises
        ------
        ValueError
            The loss is neither gaussian_nll nor several quantiles, and there is no `uncertainty`; or a level is not
            between 0 and 1.
        """
        if self._cost.whole_sample and not self._is_gaussian:
            return self._in_units(self._outputs(X))
        levels = np.atleast_1d(np.asarray(q, np.float64))
        if levels.ndim != 1 or not ((levels > 0) & (levels < 1)).all():
            raise ValueError(f"q is {q!r}; it must be a list of levels between 0 and 1")
        mean, deviation = self._mean_and_deviation(X)
        return np.asarray(mean[..., None] + deviation[..., None] * special.ndtri(levels))

    def _mean_and_deviation(self, X: Any) -> tuple[Array, Array]:
        if self._is_gaussian:
            outputs = self._outputs(X)
            deviation = np.exp(outputs[:, outputs.shape[1] // 2 :] / 2) * self._target_scale[1]
            return _flat(self._means(outputs)), _flat(deviation)
        if not hasattr(self, "posterior_"):
            check_is_fitted(self, "coefs_")
            raise ValueError("there is no deviation: fit with loss='gaussian_nll', or with uncertainty='laplace'")
        X = validate_data(self, X, reset=False, accept_sparse=["csr", "csc"], dtype=(np.float64, np.float32))
        mean, deviation = self.posterior_.predict(X.toarray() if sparse.issparse(X) else X)
        return _flat(mean), _flat(deviation)

    @property
    def _cost(self) -> Cost:
        return parameters.cost(self.loss, self.quantile, self.huber_delta)

    @property
    def _is_gaussian(self) -> bool:
        return getattr(self._cost.function, "function", None) is gaussian_nll

    def _means(self, outputs: Array) -> Array:
        """Return what `predict` does, (n, n_targets)."""
        cost = self._cost
        if not cost.whole_sample:
            return outputs
        if self._is_gaussian:
            return self._in_units(outputs[:, : outputs.shape[1] // 2])
        median = int(np.abs(np.array(cost.parameter or [0.5]) - 0.5).argmin())
        return self._in_units(outputs[:, median : median + 1])

    def _in_units(self, outputs: Array) -> Array:
        """Undo the standardisation of targets."""
        mean, deviation = self._target_scale
        return np.asarray(outputs * deviation + mean)

    def _look_at_targets(self, y: Any) -> None:
        if self._cost.whole_sample:
            Y = np.asarray(y, np.float64).reshape(len(y), -1)
            deviation = Y.std(axis=0)
            self._target_scale = Y.mean(axis=0), np.where(deviation > 0, deviation, 1.0)

    def _kind_of_targets(self) -> Hashable:
        cost = self._cost
        return super()._kind_of_targets(), cost.outputs_per_target if cost.whole_sample else 0

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
        return self._wide(Y) if self._cost.whole_sample else Y

    def _wide(self, Y: Array) -> Array:
        """Return standardised targets, with zeros in the place of those that outputs have none of."""
        mean, deviation = self._target_scale
        n, cost = Y.shape[1], self._cost
        wide = np.zeros((len(Y), n * cost.outputs_per_target), Y.dtype)
        cost.n_targets(wide.shape[1])
        wide[:, :n] = (Y - mean) / deviation
        return wide

    def _default_output(self) -> str:
        if getattr(self.loss, "name", self.loss) == "poisson":
            return "exp"
        return self._cost.output_activation if self._cost.whole_sample else "identity"

    def _score_of_outputs(self, outputs: Array, Y: Array, weight: Array | None) -> float:
        if not np.isfinite(outputs).all():
            return math.nan
        if self._cost.whole_sample:
            n = self._cost.n_targets(outputs.shape[1])
            mean, deviation = self._target_scale
            outputs, Y = self._means(outputs), Y[:, :n] * deviation + mean
        return r2(outputs, Y, weight)


def _flat(values: Array) -> Array:
    return values.ravel() if values.shape[1] == 1 else values

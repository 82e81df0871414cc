"""`coefs_` and `intercepts_` as views of a network's parameters, and outputs with few checks."""

import math
from itertools import starmap
from operator import is_
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from fastbp.model import Array, Model, ParameterVector, aligned_copy
from fastbp.network.network import Network
from fastbp.sklearn.data import TILES, is_plain, outputs_of, samples_of

SMALL = 10_000  # entries of X, up to which X · X shows faster than `isfinite` whether all are finite


class Linked(BaseEstimator):
    """An estimator whose `coefs_` and `intercepts_` are the parameters of a network, also after copies and pickles.

    A user may write into them or replace them: predictions follow.
    """

    def _link(self, net: Network) -> None:
        self.coefs_ = [w.T for w in net.weights]
        self.intercepts_ = list(net.biases)
        self._linked = net, (*self.coefs_, *self.intercepts_)

    def _model(self) -> Model:
        """Return the fitted network. Raises NotFittedError."""
        net: Network = self._linked[0] if self._is_linked() else self._network_of_coefs()
        return net._model

    def __getstate__(self) -> Any:
        state = dict(super().__getstate__())
        state.pop("_linked", None)
        if (kept := state.pop("_kept", None)) is not None:
            kept.epochs.settle()
        return state

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state)
        if "_steps" in self.__dict__:
            self._steps: Array = aligned_copy(self._steps)  # protocol 5 and memory maps make it read-only
        if "coefs_" in self.__dict__:
            self._link(self._network_of_coefs())

    def _network_of_coefs(self) -> Network:
        """Return a new network with copies of `coefs_` and `intercepts_`."""
        net: Network = self._network([len(self.coefs_[0]), *(w.shape[1] for w in self.coefs_)], self.coefs_[0].dtype)
        for mine, given in zip((*net.weights, *net.biases), (*self.coefs_, *self.intercepts_), strict=True):
            mine[:] = given.T
        return net

    def _outputs(self, X: Any) -> Array:
        """Return a⁽ᴸ⁾ of every row of X. Raises as scikit-learn does; a small plain array needs few of its checks."""
        linked = self.__dict__.get("_linked")
        if linked is not None and type(X) is np.ndarray and X.size < SMALL and self._passes(linked[0]._model, X):
            if self._is_linked():
                view = X.view()
                view.flags.writeable = False
                return TILES.outputs(linked[0]._model, view)
        check_is_fitted(self, "coefs_")
        X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        if X.dtype.kind not in "buif":
            raise TypeError(f"X is of dtype {X.dtype}; it must be of real numbers")
        model = _in_dtype(self._model(), np.result_type(X.dtype, self.coefs_[0].dtype))
        return outputs_of(model, samples_of(X, np.empty((X.shape[0], 0)), model.dtype))

    def _passes(self, model: Model, X: Any) -> bool:
        """Whether scikit-learn's checks would let X pass as it is, and the model can use it. False if in doubt."""
        if type(X) is not np.ndarray or X.dtype != model.dtype or "feature_names_in_" in self.__dict__:
            return False
        right = len(X.shape) == 2 and X.shape[1] == model.sizes[0] and X.size > 0 and is_plain(X)
        return right and math.isfinite(np.vdot(X, X))

    def _is_linked(self, net: Network | None = None) -> bool:
        """Whether `coefs_` and `intercepts_` are still views of the linked network; and whether that is `net`."""
        linked = self.__dict__.get("_linked")
        if linked is None or (net is not None and net is not linked[0]):
            return False
        now = (*self.__dict__.get("coefs_", ()), *self.__dict__.get("intercepts_", ()))
        return len(now) == len(linked[1]) and all(starmap(is_, zip(linked[1], now, strict=True)))

    @property
    def network_(self) -> Network:
        """The fitted `fastbp.Network`, whose parameters are `coefs_` and `intercepts_`."""
        check_is_fitted(self, "coefs_")
        if not self._is_linked():
            self._link(self._network_of_coefs())
        net: Network = self._linked[0]
        return net


def _in_dtype(model: Model, dtype: np.dtype[Any]) -> Model:
    """Return the model, or a copy of it, in `dtype` if that is float32, else in float64."""
    dtype = np.dtype(np.float32 if dtype == np.float32 else np.float64)
    if dtype == model.dtype:
        return model
    vector = model.parameters.vector.astype(dtype)
    return Model(model.sizes, model.activations, model.cost, ParameterVector(model.sizes, vector))

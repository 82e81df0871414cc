"""`coefs_` and `intercepts_` as views of a network's parameters, and outputs by the shortest way."""

import math
from itertools import starmap
from operator import is_
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from fastbp.model import Array, Model, ParameterVector, aligned_copy
from fastbp.network.network import Network
from fastbp.sklearn.data import TILES, lies_plainly, outputs_of

SMALL = 10_000  # numbers whose dot product with themselves is quicker than to ask each whether it is finite


class Linked(BaseEstimator):
    """An estimator whose `coefs_` and `intercepts_` are the parameters of a network, also after copies and pickles.

    A user may write into them, or put other arrays in their place: predictions follow.
    """

    def _link(self, net: Network) -> None:
        self.coefs_ = [w.T for w in net.weights]
        self.intercepts_ = list(net.biases)
        self._linked = net, (*self.coefs_, *self.intercepts_)

    def _model(self) -> Model:
        """Return the fitted network. Raises NotFittedError."""
        linked = self.__dict__.get("_linked")
        if linked is None or not self._is_linked(linked[1]):
            return self._network_of_coefs()._model
        model: Model = linked[0]._model
        return model

    def __getstate__(self) -> Any:
        state = dict(super().__getstate__())
        kept = state.pop("_kept", None)
        if kept is not None:
            kept.settle()
        state.pop("_linked", None)
        return state

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state)
        if "_steps" in self.__dict__:
            self._steps: Array = aligned_copy(self._steps)  # pickle 5 and memory maps bring it read-only
        if "coefs_" in self.__dict__:
            self._link(self._network_of_coefs())

    def _network_of_coefs(self) -> Network:
        """Return a network of its own with `coefs_` and `intercepts_` in it."""
        net: Network = self._network([len(self.coefs_[0]), *(w.shape[1] for w in self.coefs_)], self.coefs_[0].dtype)
        for mine, given in zip((*net.weights, *net.biases), (*self.coefs_, *self.intercepts_), strict=True):
            mine[:] = given.T
        return net

    def _outputs(self, X: Any) -> Array:
        """Return a⁽ᴸ⁾ of every row of X. Raises as scikit-learn does, of whose checks a few samples need few."""
        linked = self.__dict__.get("_linked")
        if linked is not None and type(X) is np.ndarray and X.size < SMALL and self._surely_right(linked[0]._model, X):
            if self._is_linked(linked[1]):
                view = X.view()
                view.flags.writeable = False
                return TILES.outputs(linked[0]._model, view)
        check_is_fitted(self, "coefs_")
        X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        if X.dtype.kind not in "buif":
            raise TypeError(f"X is of dtype {X.dtype}; needed are real numbers")
        return outputs_of(_in_dtype(self._model(), np.result_type(X.dtype, self.coefs_[0].dtype)), X)

    def _surely_right(self, model: Model, X: Any) -> bool:
        """Whether scikit-learn's checks would let X pass as it is, and the model can take it so. False if in doubt."""
        if type(X) is not np.ndarray or X.dtype != model.dtype or "feature_names_in_" in self.__dict__:
            return False
        right = len(X.shape) == 2 and X.shape[1] == model.sizes[0] and X.size > 0 and lies_plainly(X)
        return right and math.isfinite(np.vdot(X, X))

    def _is_linked_to(self, net: Network) -> bool:
        linked = self.__dict__.get("_linked")
        return linked is not None and linked[0] is net and self._is_linked(linked[1])

    def _is_linked(self, arrays: tuple[Array, ...]) -> bool:
        now = (*self.__dict__.get("coefs_", ()), *self.__dict__.get("intercepts_", ()))
        return len(now) == len(arrays) and all(starmap(is_, zip(arrays, now, strict=True)))

    @property
    def network_(self) -> Network:
        """The fitted `fastbp.Network`, for all that scikit-learn has no name for; it shares `coefs_`."""
        check_is_fitted(self, "coefs_")
        linked = self.__dict__.get("_linked")
        if linked is None or not self._is_linked(linked[1]):
            self._link(self._network_of_coefs())
        net: Network = self._linked[0]
        return net


def _in_dtype(model: Model, dtype: np.dtype[Any]) -> Model:
    """Return the model, or, if its dtype is another, a copy in `dtype`; what is no float32 is computed in float64."""
    dtype = np.dtype(np.float32 if dtype == np.float32 else np.float64)
    if dtype == model.dtype:
        return model
    vector = model.parameters.vector.astype(dtype)
    return Model(model.sizes, model.activations, model.cost, ParameterVector(model.sizes, vector))

"""What `MLPClassifier` and `MLPRegressor` share: the steps of `fit`, and the attributes that it sets."""

import math
import sys
import weakref
from abc import abstractmethod
from collections.abc import Hashable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import _fit_context
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from fastbp import validation
from fastbp.batches.sources import rows_between_looks
from fastbp.model import Array
from fastbp.network.network import Network
from fastbp.sklearn import full_batch, onnx_converters, parameters
from fastbp.sklearn.checks import Checks
from fastbp.sklearn.data import Weighted, samples_of
from fastbp.sklearn.epochs import Epochs
from fastbp.sklearn.given import Given
from fastbp.sklearn.kept import Kept
from fastbp.sklearn.solvers import new_solver
from fastbp.sklearn.stopping import Watcher
from fastbp.training import plan as fitting
from fastbp.validation import hints

# Squares of larger numbers are infinite, adam's second moments among them; scikit-learn's weights seldom survive that.
LARGEST_LOSS = math.sqrt(sys.float_info.max)


class BaseMLP(Checks):
    """A multi-layer perceptron. The classes for use are `MLPClassifier` and `MLPRegressor`."""

    @classmethod
    @cache
    def _get_param_names(cls) -> list[str]:
        """Return what scikit-learn looks up in the signature whenever it copies or checks an estimator, only once."""
        names: list[str] = super()._get_param_names()
        return names

    def _take_parameters(self, given: dict[str, Any]) -> None:
        """Store what `__init__` was given, unchanged and under the same names, as scikit-learn requires."""
        for name in self._get_param_names():
            setattr(self, name, given[name])

    @abstractmethod
    def _default_output(self) -> str:
        """Return scikit-learn's name of the output activation that suits the loss and the targets."""

    def _look_at_targets(self, y: Any) -> None:
        """Learn what the targets of a new network are divided by, if the loss needs that."""

    def _kind_of_targets(self) -> Hashable:
        """Return what `_targets` depends on besides y: which estimators can share them."""
        return bool(self.loss == "poisson")  # which not all targets suit

    @abstractmethod
    def _score_of_outputs(self, outputs: Array, Y: Array, weight: Array | None) -> float:
        """Return the score that early stopping looks at."""

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, X_val: Any = None, y_val: Any = None) -> Any:
        """Train.

        Parameters
        ----------
        X : (n_samples, n_features) array or sparse matrix
            Inputs.
        y : (n_samples,) or (n_samples, n_outputs)
            Classes or numbers; of a classifier with several labels at once, 0 and 1 in a column for each label.
        sample_weight : (n_samples,), optional
            How much each sample counts, at least 0.
        X_val, y_val : arrays, optional
            Other samples, whose loss goes into `validation_loss_curve_`. With `early_stopping` they decide, by their
            score or their loss, and none are held out.

        Returns
        -------
        MLPClassifier or MLPRegressor
            Itself.

        Raises
        ------
        TypeError, ValueError
            A parameter or the data are not what is described above.
        """
        return self._fit(Given(X, y, sample_weight, X_val, y_val), incremental=False)

    def _fit(self, given: Given, incremental: bool) -> Any:
        self._check_given(given)
        kept = self._take_kept(incremental)
        try:
            data = None if kept is None else self._samples_if_valid(kept.net, given.X, given.y, given.sample_weight)
            if kept is None or data is None:
                net, data, extra = self._checked(given, incremental, kept)
            else:
                net, extra = kept.net, None
            kept = self._train(net, data, extra, incremental, kept)
        finally:
            self._put_back(kept)
        self._end(net)
        self._learn_uncertainty(given)
        return self

    def _check_given(self, given: Given) -> None:
        """Raise ValueError if the arguments of `fit` do not suit the parameters."""

    def _learn_uncertainty(self, given: Given) -> None:
        """Set what `predict` needs for standard deviations, besides the network."""

    def _begin(self, given: Given) -> tuple[Network, Epochs | None]:
        """Begin a `fit` whose `Epochs` somebody else runs; return None for them if all is done. `_end` ends it."""
        self._validate_params()
        net, data, extra = self._checked(given, False, None)
        return net, self._epochs(net, data, extra, False)

    def _end(self, net: Network) -> None:
        """Let the trained network be that of the fitted attributes. Raises ValueError unless all is finite."""
        if not self._is_linked(net):
            self._link(net)
        last = 0.0 if self.early_stopping or not self._stochastic else getattr(self, "loss_", 0.0)
        finite = validation.all_finite(net.parameters)
        if not abs(last) < LARGEST_LOSS or not finite:
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
                "preprocessed."
            )

    def _checked(self, given: Given, incremental: bool, kept: Kept | None) -> tuple[Network, Weighted, Weighted | None]:
        """Check everything. Return the network, the samples to train on and the validation samples."""
        parameters.check_values(self)
        hidden = parameters.hidden_layer_sizes(self.hidden_layer_sizes)
        first_pass = not hasattr(self, "coefs_") or (not self.warm_start and not incremental)
        if "checked" in given.made:
            validate_data(self, given.X, reset=first_pass, skip_check_array=True)  # it learns the names of the columns
        X, y = given.once("checked", lambda: self._validated(given.X, given.y, reset=first_pass, warn=True))
        new = not hasattr(self, "classes_") or (not self.warm_start and not incremental)
        self._look_at_classes(y, given if new else None, same=self.warm_start)
        if first_pass:
            self._look_at_targets(y)
        kind = self._kind_of_targets()
        Y = given.once(kind, lambda: self._targets(y, X.dtype))
        weight = self._weights(X, given)
        extra = self._extra(given.X_val, given.y_val)
        self.n_outputs_ = Y.shape[1]
        self._random_state = check_random_state(self.random_state)
        sizes = [X.shape[1], *hidden, self.n_outputs_]
        net = self._first_network(sizes, X, Y) if first_pass else self._network_to_go_on(sizes, kept)
        data = Weighted(given.once((kind, net.dtype), lambda: samples_of(X, Y, net.dtype)), None)
        data = replace(data if given.rows is None else data.part(given.rows), weight=weight)
        return net, data, None if extra is None else Weighted(samples_of(*extra, net.dtype), None)

    def _take_kept(self, incremental: bool) -> Kept | None:
        """Take what the last `partial_fit` kept; None if there is nothing, or if it is of no use here."""
        kept: Kept | None = self.__dict__.pop("_kept", None)  # in one step: no two threads get the same
        if kept is None or (incremental and kept.parameters_are_the_same(self) and self._is_linked(kept.net)):
            return kept
        kept.epochs.settle()
        return None

    def _put_back(self, kept: Kept | None) -> None:
        if kept is not None and kept.epochs.can_be_kept:
            kept.epochs.let_go()
            self._kept = kept
        elif kept is not None:
            kept.epochs.settle()

    def _initialize(self) -> None:
        self.n_iter_, self.t_, self._steps = 0, 0, np.zeros(1, np.int64)
        self.n_layers_ = len(parameters.hidden_layer_sizes(self.hidden_layer_sizes)) + 2
        output = self._default_output() if self.output_activation is None else self.output_activation
        name = getattr(output, "name", output)
        self.out_activation_ = parameters.THEIR_NAMES.get(name, name)
        if self._stochastic:
            self.loss_curve_: list[float] = []
            self._no_improvement_count = 0
            self.validation_scores_: list[float] | None = [] if self.early_stopping else None
            self.best_loss_: float | None = None  # of these, `Watcher` sets what is watched
            self.best_validation_score_: float | None = None
            self.best_validation_loss_: float | None = None
            self.__dict__.pop("validation_loss_curve_", None)

    @property
    def _stochastic(self) -> bool:
        return self.optimizer is not None or self.solver in parameters.STOCHASTIC

    def _first_network(self, sizes: list[int], X: Any, Y: Array) -> Network:
        """Reset the fitted attributes and return a new network; warn if Y or the scale of X make learning hard."""
        self._initialize()
        net = self._network(sizes, X.dtype if self._stochastic else np.float64)  # SciPy computes in float64
        parameters.draw_parameters(net, self.activation, self._random_state, X.dtype)
        if net.cost.start is not None:
            net.cost.start(net.weights[-1], net.biases[-1])
        scales = "" if sparse.issparse(X) else hints.scales(X, Y, net.activations[-1])
        hints.warn([hints.target_range(Y, net.activations[-1]), scales], stacklevel=6)
        return net

    def _network(self, sizes: list[int], dtype: Any) -> Network:
        cost = parameters.cost(self.loss, getattr(self, "quantile", 0.5), getattr(self, "huber_delta", 1.0))
        output = self.out_activation_ if self.output_activation is None else self.output_activation
        return parameters.network(sizes, self.activation, output, cost, dtype)

    def _network_to_go_on(self, sizes: list[int], kept: Kept | None) -> Network:
        fitted = [len(self.coefs_[0]), *(w.shape[1] for w in self.coefs_)]
        if fitted != sizes:
            raise ValueError(
                f"the fitted network has layers of {fitted} neurons, and parameters and data now ask for {sizes}: "
                "fit a new one, with warm_start=False"
            )
        return self._network_of_coefs() if kept is None else kept.net

    def _train(
        self, net: Network, data: Weighted, extra: Weighted | None, incremental: bool, kept: Kept | None
    ) -> Kept | None:
        """Train, set the fitted attributes, and return what the next `partial_fit` can use again."""
        if kept is not None:
            if kept.epochs.take(data):
                kept.epochs.run()
                return kept
            kept.epochs.settle()
        epochs = self._epochs(net, data, extra, incremental)
        if epochs is None:
            return None
        epochs.run()
        return Kept(self, net, epochs) if incremental else None

    def _epochs(self, net: Network, data: Weighted, extra: Weighted | None, incremental: bool) -> Epochs | None:
        """Return what trains in mini-batches; or train on all samples at once, and return None."""
        if not self._stochastic:
            self.loss_, self.n_iter_ = full_batch.minimize(net, data.copied(), self, rows_between_looks(net._model, 1))
            return None
        if self.early_stopping and incremental:
            raise ValueError("partial_fit does not support early_stopping=True")
        if self.optimizer is not None and fitting.optimizer(self.optimizer).full_batch:
            history = full_batch.fit_full_batch(net, data.copied(), extra, self)
            self.loss_curve_ += history.cost
            self.loss_, self.n_iter_, self.best_loss_ = history.cost[-1], len(history), min(self.loss_curve_)
            if history.validation_cost:
                self.validation_loss_curve_ = getattr(self, "validation_loss_curve_", []) + history.validation_cost
            return None
        if not incremental or not hasattr(self, "_solver"):
            self._solver = new_solver(self, net.parameters.size, net.dtype)
        if self.early_stopping and extra is None:
            data, extra = self._split(data)
        if extra is not None and not hasattr(self, "validation_loss_curve_"):
            self.validation_loss_curve_ = []
        me = weakref.proxy(self)  # these may keep it: a reference cycle would hold all memory until it is collected
        return Epochs(me, net, self._solver, data, Watcher(me, extra, incremental))

    def input_gradient(self, X: Any, y: Any) -> Array:
        """Return ∂C/∂x of each sample's own loss, (n_samples, n_features), as `fastbp.Network.input_gradient` does.

        Parameters
        ----------
        X, y
            As in `fit`.
        """
        check_is_fitted(self, "coefs_")
        X, Y = self._validate_held_out(X, y)
        net = self.network_
        Y = Y[:, : net.cost.n_targets(net.sizes[-1])]
        return net.input_gradient(X.toarray() if sparse.issparse(X) else X, Y)

    def _check_solver(self) -> bool:
        if not self._stochastic:
            raise AttributeError(
                f"partial_fit is only available for stochastic optimizers. {self.solver} is not stochastic."
            )
        return True

    def __sklearn_tags__(self) -> Any:
        onnx_converters.register(type(self))  # skl2onnx may have been imported by now
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

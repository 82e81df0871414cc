"""What `MLPClassifier` and `MLPRegressor` share: `fit` and its order of things, and what is kept of it."""

import math
import sys
import weakref
from abc import abstractmethod
from numbers import Integral, Number
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from fastbp import validation
from fastbp.batches.sources import rows_between_looks
from fastbp.model import Array
from fastbp.network.network import Network
from fastbp.sklearn import full_batch, parameters
from fastbp.sklearn.data import Data, surely_right_weight
from fastbp.sklearn.epochs import Epochs
from fastbp.sklearn.kept import Kept
from fastbp.sklearn.linked import Linked
from fastbp.sklearn.solvers import new_solver
from fastbp.sklearn.stopping import Watcher
from fastbp.training import plan as fitting
from fastbp.training.history import History
from fastbp.validation import hints

# Beyond it squares are infinite, adam's second moments among them: what scikit-learn's weights seldom survive.
LARGEST_LOSS = math.sqrt(sys.float_info.max)


class BaseMLP(Linked):
    """A multi-layer perceptron. The classes for use are `MLPClassifier` and `MLPRegressor`."""

    def _take_parameters(self, given: dict[str, Any]) -> None:
        """Keep what `__init__` was given as it is, under the same names, as scikit-learn wants it."""
        for name in self._get_param_names():
            setattr(self, name, given[name])

    @abstractmethod
    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Array]:
        """Return X as it is trained on, and y as (n, n_out) targets."""

    @abstractmethod
    def _surely_right_targets(self, y: Any, n: int, net: Network) -> Array | None:
        """Return y as `_validate_input` would return it for n samples, seen in little time. None if in doubt."""

    @abstractmethod
    def _validate_held_out(self, X: Any, y: Any) -> tuple[Any, Array]:
        """Return the same of samples that are not trained on."""

    @abstractmethod
    def _default_output(self) -> str:
        """Return what scikit-learn calls the output activation that suits the loss and the targets."""

    @abstractmethod
    def _score_of_outputs(self, outputs: Array, Y: Array, weight: Array | None) -> float:
        """Return the score that early stopping looks at."""

    def _class_weights(self, y: Any) -> Array | None:
        """Return the weight of each sample that follows from its class."""
        return None

    def _dropout(self) -> tuple[float, ...]:
        return parameters.dropout(self.dropout, len(parameters.hidden_layer_sizes(self.hidden_layer_sizes)))

    def _fit(self, X: Any, y: Any, sample_weight: Any, X_val: Any, y_val: Any, incremental: bool) -> Any:
        kept = self._take_kept(incremental)
        try:
            data = None if kept is None else self._surely_right_samples(kept.net, X, y, sample_weight)
            if kept is None or data is None:
                net, data, extra = self._checked(X, y, sample_weight, X_val, y_val, incremental, kept)
            else:
                net, extra = kept.net, None
            kept = self._train(net, data, extra, incremental, kept)
            if not self._is_linked_to(net):
                self._link(net)
        finally:
            self._put_back(kept)
        last = 0.0 if self.early_stopping or not self._stochastic else getattr(self, "loss_", 0.0)
        finite = math.isfinite(np.vdot(net.parameters, net.parameters)) or np.isfinite(net.parameters).all()
        if not abs(last) < LARGEST_LOSS or not finite:
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
                "preprocessed."
            )
        return self

    def _checked(
        self, X: Any, y: Any, sample_weight: Any, X_val: Any, y_val: Any, incremental: bool, kept: Kept | None
    ) -> tuple[Network, Data, Data | None]:
        """Return what is trained, on what, and what is only looked at. Raises whatever is wrong with it."""
        parameters.check_numbers(self)
        hidden = parameters.hidden_layer_sizes(self.hidden_layer_sizes)
        first_pass = not hasattr(self, "coefs_") or (not self.warm_start and not incremental)
        given_y = y
        X, Y = self._validate_input(X, y, incremental, reset=first_pass)
        weight = self._weights(X, given_y, sample_weight)
        extra = self._extra(X_val, y_val)
        self.n_outputs_ = Y.shape[1]
        self._random_state = check_random_state(self.random_state)
        sizes = [X.shape[1], *hidden, self.n_outputs_]
        if first_pass:
            self._initialize()
        net = self._first_network(sizes, X.dtype) if first_pass else self._network_to_go_on(sizes, kept)
        if first_pass:
            self._warn_of(X, Y, net)
        return net, Data(X, Y, weight), extra

    def _surely_right_samples(self, net: Network, X: Any, y: Any, sample_weight: Any) -> Data | None:
        """Return samples of `partial_fit` that pass all checks as they are, seen in little time. None if in doubt."""
        Y = self._surely_right_targets(y, len(X), net) if self._surely_right(net._model, X) else None
        if Y is None or not surely_right_weight(sample_weight, X):
            return None
        if isinstance(self.random_state, Integral):
            self._random_state.seed(self.random_state)  # as a new one would be, which takes longer to make
        return Data(X, Y, sample_weight)

    def _take_kept(self, incremental: bool) -> Kept | None:
        """Return what the last `partial_fit` left, for nobody else; None if there is nothing, or it is of no use."""
        kept: Kept | None = self.__dict__.pop("_kept", None)  # in one step: no two threads get the same
        if kept is None or (incremental and kept.parameters_are_the_same(self) and self._is_linked_to(kept.net)):
            return kept
        kept.settle()
        return None

    def _put_back(self, kept: Kept | None) -> None:
        if kept is not None and kept.epochs.can_be_kept:
            kept.epochs.let_go()
            self._kept = kept
        elif kept is not None:
            kept.settle()

    def _warn_of(self, X: Any, Y: Array, net: Network) -> None:
        """Warn of targets and inputs from which a network will hardly learn."""
        output = net.activations[-1]
        scales = "" if sparse.issparse(X) else hints.scales(X, Y, output)
        hints.warn([hints.target_range(Y, output), scales], stacklevel=6)

    def _weights(self, X: Any, y: Any, sample_weight: Any) -> Array | None:
        of_classes = self._class_weights(y)
        if sample_weight is None:
            return of_classes
        if isinstance(sample_weight, Number):
            sample_weight = validation.number("sample_weight", sample_weight, 0)
        weight: Array = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        if not weight.any():
            raise ValueError("Sample weights are all zero: at least one sample must count.")
        return weight if of_classes is None else weight * of_classes

    def _extra(self, X_val: Any, y_val: Any) -> Data | None:
        if (X_val is None) != (y_val is None):
            missing = "X_val" if X_val is None else "y_val"
            raise ValueError(f"{missing} is missing: give both X_val and y_val, or neither")
        if X_val is None:
            return None
        return Data(*self._validate_held_out(X_val, y_val), None)

    def _initialize(self) -> None:
        """Reset the fitted attributes."""
        self.n_iter_, self.t_, self._steps = 0, 0, np.zeros(1, np.int64)
        self.n_layers_ = len(parameters.hidden_layer_sizes(self.hidden_layer_sizes)) + 2
        output = self._default_output() if self.output_activation is None else self.output_activation
        name = getattr(output, "name", output)
        self.out_activation_ = parameters.THEIR_NAMES.get(name, name)
        if self._stochastic:
            self.loss_curve_: list[float] = []
            self._no_improvement_count = 0
            self.best_loss_ = None if self.early_stopping else np.inf
            self.validation_scores_: list[float] | None = [] if self.early_stopping else None
            self.best_validation_score_ = -np.inf if self.early_stopping else None

    @property
    def _stochastic(self) -> bool:
        return self.optimizer is not None or self.solver in parameters.STOCHASTIC

    def _first_network(self, sizes: list[int], dtype: Any) -> Network:
        net = self._network(sizes, dtype if self._stochastic else np.float64)  # SciPy computes in float64
        parameters.draw_parameters(net, self.activation, self._random_state, dtype)
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

    def _train(self, net: Network, data: Data, extra: Data | None, incremental: bool, kept: Kept | None) -> Kept | None:
        if kept is not None:
            if kept.epochs.take(data):
                kept.epochs.run()
                return kept
            kept.settle()
        if not self._stochastic:
            self.loss_, self.n_iter_ = full_batch.minimize(net, data, self, rows_between_looks(net._model, 1))
            return None
        if self.early_stopping and incremental:
            raise ValueError("partial_fit does not support early_stopping=True")
        if extra is not None and not hasattr(self, "validation_loss_curve_"):
            self.validation_loss_curve_: list[float] = []
        if self.optimizer is not None and fitting.optimizer(self.optimizer).full_batch:
            self._keep(full_batch.fit_full_batch(net, data, extra, self))
            return None
        if not incremental or not hasattr(self, "_solver"):
            self._solver = new_solver(self, net.parameters.size, net.dtype)
        held_out = None
        if self.early_stopping:
            data, held_out = (data, extra) if extra is not None else self._split(data)
        me = weakref.proxy(self)  # which may keep them: a circle would keep all memory until it is looked for
        watcher = Watcher(me, held_out, extra, incremental)
        epochs = Epochs(me, net, self._solver, data, watcher, 1 if incremental else self.max_iter)
        epochs.run()
        return Kept(self, net, epochs) if incremental else None

    def _keep(self, history: History) -> None:
        """Set the fitted attributes from a history of `Network.fit`."""
        self.loss_curve_ += history.cost
        self.loss_, self.n_iter_ = history.cost[-1], len(history)
        self.best_loss_ = min(self.loss_curve_)
        if history.validation_cost:
            self.validation_loss_curve_ += history.validation_cost

    def input_gradient(self, X: Any, y: Any) -> Array:
        """Return ∂C/∂x of each sample's own loss, (n_samples, n_features): what its inputs have to do with it.

        Parameters
        ----------
        X, y
            As in `fit`.

        Returns
        -------
        (n_samples, n_features) array
            As `fastbp.Network.input_gradient` says.
        """
        check_is_fitted(self, "coefs_")
        X, Y = self._validate_held_out(X, y)
        return self.network_.input_gradient(X.toarray() if sparse.issparse(X) else X, Y)

    def _split(self, data: Data) -> tuple[Data, Data]:
        """Return samples to train on, and those held out for early stopping: the rows that scikit-learn chooses."""
        stratify = data.Y.astype(bool) if self._stratifies and self.n_outputs_ == 1 else None
        rows = np.arange(len(data))
        training, held_out = train_test_split(
            rows, random_state=self._random_state, test_size=self.validation_fraction, stratify=stratify
        )
        if len(held_out) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        return data.part(training), data.part(held_out)

    def _check_solver(self) -> bool:
        if not self._stochastic:
            raise AttributeError(
                f"partial_fit is only available for stochastic optimizers. {self.solver} is not stochastic."
            )
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

"""What `MLPClassifier` and `MLPRegressor` share: the steps of `fit`, and the attributes that it sets."""

import math
import sys
import weakref
from abc import abstractmethod
from dataclasses import replace
from numbers import Integral, Number
from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from sklearn.base import _fit_context
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from fastbp import validation
from fastbp.batches.sources import rows_between_looks
from fastbp.model import Array
from fastbp.network.network import Network
from fastbp.sklearn import full_batch, onnx_converters, parameters
from fastbp.sklearn.data import Weighted, passes_as_weight, samples_of
from fastbp.sklearn.epochs import Epochs
from fastbp.sklearn.given import Given
from fastbp.sklearn.kept import Kept
from fastbp.sklearn.linked import Linked
from fastbp.sklearn.solvers import new_solver
from fastbp.sklearn.stopping import Watcher
from fastbp.training import plan as fitting
from fastbp.validation import hints

# Squares of larger numbers are infinite, adam's second moments among them; scikit-learn's weights seldom survive that.
LARGEST_LOSS = math.sqrt(sys.float_info.max)
FLOATS = (np.float64, np.float32)


class BaseMLP(Linked):
    """A multi-layer perceptron. The classes for use are `MLPClassifier` and `MLPRegressor`."""

    _numbers: ClassVar[bool]  # whether y is numbers, not classes

    def _take_parameters(self, given: dict[str, Any]) -> None:
        """Store what `__init__` was given, unchanged and under the same names, as scikit-learn requires."""
        for name in self._get_param_names():
            setattr(self, name, given[name])

    @abstractmethod
    def _targets(self, y: Any, dtype: Any) -> Array:
        """Return y as (n, n_out) targets."""

    @abstractmethod
    def _targets_if_valid(self, y: Any, n: int, net: Network) -> Array | None:
        """Return `_targets` of y if a short look shows that all checks of n samples would pass; None if in doubt."""

    @abstractmethod
    def _default_output(self) -> str:
        """Return scikit-learn's name of the output activation that suits the loss and the targets."""

    @abstractmethod
    def _score_of_outputs(self, outputs: Array, Y: Array, weight: Array | None) -> float:
        """Return the score that early stopping looks at."""

    def _look_at_classes(self, y: Any, new: bool, same: bool) -> None:
        """Learn the classes if they are `new`; else check that y has no others and, if `same`, all of them."""

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
        return self

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
        finite = math.isfinite(np.vdot(net.parameters, net.parameters)) or np.isfinite(net.parameters).all()
        if not abs(last) < LARGEST_LOSS or not finite:
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
                "preprocessed."
            )

    def _checked(self, given: Given, incremental: bool, kept: Kept | None) -> tuple[Network, Weighted, Weighted | None]:
        """Check everything. Return the network, the samples to train on and the validation samples."""
        parameters.check_numbers(self)
        hidden = parameters.hidden_layer_sizes(self.hidden_layer_sizes)
        first_pass = not hasattr(self, "coefs_") or (not self.warm_start and not incremental)
        if "checked" in given.made:
            validate_data(self, given.X, reset=first_pass, skip_check_array=True)  # it learns the names of the columns
        X, y = given.once("checked", lambda: self._validated(given.X, given.y, reset=first_pass, warn=True))
        new = not hasattr(self, "classes_") or (not self.warm_start and not incremental)
        self._look_at_classes(y, new, same=self.warm_start)
        poisson = self.loss == "poisson"  # which not all targets suit
        Y = given.once(poisson, lambda: self._targets(y, X.dtype))
        weight = self._weights(X, given)
        extra = self._extra(given.X_val, given.y_val)
        self.n_outputs_ = Y.shape[1]
        self._random_state = check_random_state(self.random_state)
        sizes = [X.shape[1], *hidden, self.n_outputs_]
        net = self._first_network(sizes, X, Y) if first_pass else self._network_to_go_on(sizes, kept)
        data = Weighted(given.once((poisson, net.dtype), lambda: samples_of(X, Y, net.dtype)), None)
        data = replace(data if given.rows is None else data.view(given.rows), weight=weight)
        return net, data, None if extra is None else Weighted(samples_of(*extra, net.dtype), None)

    def _validated(self, X: Any, y: Any, reset: bool = False, warn: bool = False) -> tuple[Any, Any]:
        """Return X and y as scikit-learn checks them; y of one column is made a vector, which `warn` tells the user."""
        checks = {"accept_sparse": ["csr", "csc"], "multi_output": True, "y_numeric": self._numbers, "dtype": FLOATS}
        X, y = validate_data(self, X, y, reset=reset, **checks)
        return X, column_or_1d(y, warn=warn) if y.ndim == 2 and y.shape[1] == 1 else y

    def _validate_held_out(self, X: Any, y: Any) -> tuple[Any, Array]:
        """Return X and the targets of samples that are not trained on."""
        X, y = self._validated(X, y)
        self._look_at_classes(y, new=False, same=False)
        return X, self._targets(y, X.dtype)

    def _samples_if_valid(self, net: Network, X: Any, y: Any, sample_weight: Any) -> Weighted | None:
        """Return samples of `partial_fit` if a short look shows that all checks would pass; None if in doubt."""
        Y = self._targets_if_valid(y, len(X), net) if self._passes(net._model, X) else None
        if Y is None or not passes_as_weight(sample_weight, X):
            return None
        if isinstance(self.random_state, Integral):
            self._random_state.seed(self.random_state)  # a new one would take longer to make
        return Weighted(samples_of(X, Y, net.dtype), sample_weight)

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

    def _weights(self, X: Any, given: Given) -> Array | None:
        y = given.y if given.rows is None else given.made["checked"][1][given.rows]
        sample_weight = given.sample_weight
        class_weight = getattr(self, "class_weight", None)  # which regressors do not have
        of_classes = None if class_weight is None else compute_sample_weight(class_weight, y)
        if sample_weight is None:
            return of_classes
        if isinstance(sample_weight, Number):
            sample_weight = validation.number("sample_weight", sample_weight, 0)
        weight: Array = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        if not weight.any():
            raise ValueError("Sample weights are all zero: at least one sample must count.")
        return weight if of_classes is None else weight * of_classes

    def _extra(self, X_val: Any, y_val: Any) -> tuple[Any, Array] | None:
        if (X_val is None) != (y_val is None):
            missing = "X_val" if X_val is None else "y_val"
            raise ValueError(f"{missing} is missing: give both X_val and y_val, or neither")
        return None if X_val is None else self._validate_held_out(X_val, y_val)

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
            data, extra = self._split(data.copied())
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
        return self.network_.input_gradient(X.toarray() if sparse.issparse(X) else X, Y)

    def _split(self, data: Weighted) -> tuple[Weighted, Weighted]:
        """Return the samples to train on, and those held out for early stopping: the rows that scikit-learn chooses."""
        stratify = None if self._numbers or self.n_outputs_ > 1 else data.Y.astype(bool)
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
        onnx_converters.register(type(self))  # skl2onnx may have been imported by now
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

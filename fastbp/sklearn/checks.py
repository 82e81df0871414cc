"""The checks of the data of an estimator, which are scikit-learn's, and what becomes of X and y."""

from abc import abstractmethod
from numbers import Integral, Number
from typing import Any, ClassVar

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.utils import column_or_1d
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import _check_sample_weight, validate_data

from fastbp import validation
from fastbp.model import Array
from fastbp.network.network import Network
from fastbp.sklearn.data import Weighted, passes_as_weight, samples_of
from fastbp.sklearn.given import Given
from fastbp.sklearn.linked import Linked

FLOATS = (np.float64, np.float32)


class Checks(Linked):
    """An estimator that checks the arguments of `fit` and `partial_fit`."""

    _numbers: ClassVar[bool]  # whether y is numbers, not classes
    random_state: Any
    n_outputs_: int
    validation_fraction: float
    _random_state: Any

    @abstractmethod
    def _targets(self, y: Any, dtype: Any) -> Array:
        """Return y as (n, n_out) targets."""

    @abstractmethod
    def _targets_if_valid(self, y: Any, n: int, net: Network) -> Array | None:
        """Return `_targets` of y if a short look shows that all checks of n samples would pass; None if in doubt."""

    def _look_at_classes(self, y: Any, new: Given | None, same: bool) -> None:
        """Learn the classes from the `new` y, or check that y has no others and, if `same`, all of them."""

    def _validated(self, X: Any, y: Any, reset: bool = False, warn: bool = False) -> tuple[Any, Any]:
        """Return X and y as scikit-learn checks them; y of one column is made a vector, which `warn` tells the user."""
        checks = {"accept_sparse": ["csr", "csc"], "multi_output": True, "y_numeric": self._numbers, "dtype": FLOATS}
        X, y = validate_data(self, X, y, reset=reset, **checks)
        return X, column_or_1d(y, warn=warn) if y.ndim == 2 and y.shape[1] == 1 else y

    def _validate_held_out(self, X: Any, y: Any) -> tuple[Any, Array]:
        """Return X and the targets of samples that are not trained on."""
        X, y = self._validated(X, y)
        self._look_at_classes(y, None, same=False)
        return X, self._targets(y, X.dtype)

    def _samples_if_valid(self, net: Network, X: Any, y: Any, sample_weight: Any) -> Weighted | None:
        """Return samples of `partial_fit` if a short look shows that all checks would pass; None if in doubt."""
        Y = self._targets_if_valid(y, len(X), net) if self._passes(net._model, X) else None
        if Y is None or not passes_as_weight(sample_weight, X):
            return None
        if isinstance(self.random_state, Integral):
            self._random_state.seed(self.random_state)  # a new one would take longer to make
        return Weighted(samples_of(X, Y, net.dtype), sample_weight)

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
        return data.part(training), data.part(held_out).copied()

"""What the ensembles share: members that train at once, each on its own rows (bagging)."""

import warnings
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, MetaEstimatorMixin, _fit_context, clone
from sklearn.utils import _safe_indexing, check_random_state, get_tags
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted, validate_data

from fastbp.batches.orders import Order
from fastbp.model import Array
from fastbp.sklearn.base import BaseMLP
from fastbp.sklearn.given import Given
from fastbp.sklearn.members import EstimatorMember, train_all

PARAMETERS = """\
    n_estimators : int, default 10
        How many members.
    bootstrap : bool, default True
        Whether each member trains on rows of its own: as many as there are, drawn with replacement. Else all train on
        all rows, and differ by their `random_state` only.
    oob_score : bool, default False
        Whether to score the rows by the members that have not seen them; with `bootstrap` only.
    random_state : int, RandomState or None, default None
        Draws the `random_state` of each member, and its rows.
    progress : bool, default False
        Whether a terminal shows a progress bar."""

ATTRIBUTES = """\
    estimators_ : list of fitted MLPs
        The members.
    estimators_samples_ : list of (n_samples,) arrays
        The rows that each of them has trained on.
    n_features_in_, feature_names_in_ : int, array
        As everywhere in scikit-learn; names only where X had some."""

LARGEST_SEED = np.iinfo(np.int32).max


class BaseMLPEnsemble(MetaEstimatorMixin, BaseEstimator):
    """Many MLPs that train at once. The classes for use are `MLPEnsembleClassifier` and `MLPEnsembleRegressor`."""

    _kind: ClassVar[Any]
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "estimator": [BaseMLP, None],
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "bootstrap": ["boolean"],
        "oob_score": ["boolean"],
        "random_state": ["random_state"],
        "progress": ["boolean"],
    }

    def __init_subclass__(cls, **options: Any) -> None:
        """Write the shared texts into the docstring."""
        super().__init_subclass__(**options)
        for name, shared in (("parameters", PARAMETERS), ("attributes", ATTRIBUTES)):
            cls.__doc__ = cls.__doc__ and cls.__doc__.replace(f"    <{name}>", shared)

    def __init__(
        self,
        estimator: Any = None,
        n_estimators: int = 10,
        *,
        bootstrap: bool = True,
        oob_score: bool = False,
        random_state: Any = None,
        progress: bool = False,
    ):
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.bootstrap = bootstrap
        self.oob_score = oob_score
        self.random_state = random_state
        self.progress = progress

    @abstractmethod
    def _take_oob(self, y: Any, outputs: Array, seen: npt.NDArray[np.bool_]) -> None:
        """Set the attributes of `oob_score`: there are targets and outputs of the rows that are `seen`, else NaN."""

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any) -> Any:
        """Train all members at once. Each gets the bits of its own ``fit(X[rows], y[rows])``, but X is not copied.

        Members of a classifier know all classes, also those that are not among their rows. Ctrl-C ends it with
        KeyboardInterrupt.

        Parameters
        ----------
        X : (n_samples, n_features) array or sparse matrix
            Inputs.
        y : (n_samples,) or (n_samples, n_outputs)
            Classes or numbers, as in `fit` of a member.

        Returns
        -------
        MLPEnsembleClassifier or MLPEnsembleRegressor
            Itself.

        Raises
        ------
        TypeError, ValueError
            A parameter or the data are not what is described above.
        """
        if self.estimator is not None and not isinstance(self.estimator, self._kind):
            raise TypeError(f"estimator is {self.estimator!r}; it must be an {self._kind.__name__} of fastbp.sklearn")
        if self.oob_score and not self.bootstrap:
            raise ValueError("oob_score is True, but without bootstrap every member sees all rows")
        base = self._kind() if self.estimator is None else clone(self.estimator)
        given = Given(X, y, made={"checked": base._validated(X, y, reset=True, warn=True)})
        validate_data(self, X, skip_check_array=True)
        n = given.made["checked"][0].shape[0]
        mlps, samples = zip(*self._drawn(base, n), strict=True)
        shared = [replace(given, rows=rows) if self.bootstrap else given for rows in samples]
        members = [EstimatorMember(mlp, rows) for mlp, rows in zip(mlps, shared, strict=True)]
        train_all(members, None, self.progress, "members")
        self.estimators_, self.estimators_samples_ = list(mlps), list(samples)
        if self.oob_score:
            self._score_out_of_bag(X, given.made["checked"][1])
        return self

    def _drawn(self, base: Any, n: int) -> Iterator[tuple[Any, Order]]:
        """Return the members, before they are trained, and their rows of n."""
        for seed in check_random_state(self.random_state).randint(LARGEST_SEED, size=self.n_estimators):
            own = np.random.RandomState(seed)
            mlp = clone(base).set_params(random_state=int(own.randint(LARGEST_SEED)))
            yield mlp, own.randint(0, n, n) if self.bootstrap else np.arange(n)

    def _score_out_of_bag(self, X: Any, y: Any) -> None:
        n, n_out = len(y), self.estimators_[0].n_outputs_
        total, counts = np.zeros((n, n_out)), np.zeros((n, 1))
        for mlp, rows in zip(self.estimators_, self.estimators_samples_, strict=True):
            others = np.setdiff1d(np.arange(n), rows)
            if len(others):
                total[others] += mlp._outputs(_safe_indexing(X, others))
                counts[others] += 1
        seen = counts[:, 0] > 0
        if not seen.all():
            warnings.warn(
                f"{n - seen.sum()} of {n} rows were drawn for every member: they do not count in oob_score_. More "
                "members give each row a score",
                stacklevel=4,
            )
        self._take_oob(y, np.divide(total, counts, out=np.full_like(total, np.nan), where=counts > 0), seen)

    def _outputs_of_members(self, X: Any) -> Array:
        """Return the outputs of all members, (n_members, n, n_out)."""
        check_is_fitted(self, "estimators_")
        return np.stack([mlp._outputs(X) for mlp in self.estimators_])

    def __len__(self) -> int:
        return len(self.estimators_)

    def __getitem__(self, i: Any) -> Any:
        return self.estimators_[i]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.estimators_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        of_members = get_tags(self._kind() if self.estimator is None else self.estimator)
        tags.input_tags, tags.target_tags = of_members.input_tags, of_members.target_tags
        tags.classifier_tags, tags.regressor_tags = of_members.classifier_tags, of_members.regressor_tags
        return tags

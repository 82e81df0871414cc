"""`MLPSearchCV`: all candidates of a search train at once on all folds."""

import time
from collections.abc import Iterator
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.base import _fit_context, clone, is_classifier
from sklearn.metrics._scorer import _MultimetricScorer
from sklearn.model_selection import ParameterGrid, ParameterSampler, check_cv
from sklearn.model_selection._search import BaseSearchCV
from sklearn.model_selection._validation import _insert_error_scores, _warn_or_raise_about_fit_failures
from sklearn.pipeline import Pipeline
from sklearn.utils import indexable
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_method_params

from fastbp.population.halving import Halving
from fastbp.sklearn.candidates import CandidateMember, CandidateRace, Scoring
from fastbp.sklearn.folds import Fold, mlp_of, of_transformers
from fastbp.sklearn.members import train_all


class MLPSearchCV(BaseSearchCV):
    """Searches hyperparameters by cross-validation: all candidates train at once on all folds.

    It finds what scikit-learn's GridSearchCV and RandomizedSearchCV find, with the same scores: each candidate gets on
    each fold the bits of its own `fit`. They train one a thread, in compiled code; a fold's rows are copied and checked
    once, and the transformers of a pipeline are fitted once for each setting of their own. With `halving`, only the
    best candidates go on after some epochs; nothing restarts.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor, or Pipeline with one as its last step
        What is trained. Candidates are copies of it, as in GridSearchCV. With ``random_state=None`` all draw from
        NumPy's generator in an order of their own. Solver "lbfgs" and optimizers on the full batch train one after the
        other, and a halving does not stop them.
    space : dict or list of dicts
        Names of parameters with lists of values, or, with ``search="random"``, distributions of `scipy.stats`.
    search : {"grid", "random"}, default "grid"
        Whether all combinations are candidates, or `n_candidates` that are drawn.
    n_candidates : int, default 10
        Of ``search="random"``.
    halving : fastbp.Halving, optional
        After every `every` epochs, the ⌈n / factor⌉ candidates with the best mean score on the test rows go on, at
        least `least`; the others keep that score. Candidates whose training has ended take part. `monitor` and `mode`
        are left out: `scoring` decides, with several metrics the one that `refit` names.
    scoring, cv, refit, error_score, return_train_score
        As in GridSearchCV.
    random_state : int, RandomState or None, default None
        Draws the candidates of ``search="random"``.
    verbose : int, default 0
        Above 0, it prints how many fits there are.
    progress : bool, default False
        Whether a terminal shows a progress bar.

    Attributes
    ----------
    cv_results_ : dict of arrays
        As in GridSearchCV, where times are shares of the time of all; besides them `n_epochs`, the epochs of the fold
        that trained longest, and with `halving` `n_halvings`, how many a candidate has survived.
    best_index_, best_params_, best_score_ : int, dict, float
        The best candidate, with `halving` the best of those that survived all.
    best_estimator_, refit_time_ : estimator, float
        The best candidate, trained on all rows, and the seconds which that took; with `refit`.
    n_splits_, scorer_, multimetric_ : int, function or dict, bool
        As in GridSearchCV.
    n_features_in_, feature_names_in_, classes_ : int, array, array
        Those of `best_estimator_`.

    Examples
    --------
    >>> import fastbp
    >>> from sklearn.datasets import load_iris
    >>> from fastbp.sklearn import MLPClassifier, MLPSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> space = {"learning_rate_init": [1e-5, 0.01], "activation": ["relu", "tanh"]}
    >>> model = MLPClassifier((8,), max_iter=1000, random_state=0)
    >>> search = MLPSearchCV(model, space, cv=3, halving=fastbp.Halving(factor=2, every=20)).fit(X, y)
    >>> search.cv_results_["n_halvings"].tolist(), search.best_params_["learning_rate_init"], search.score(X, y) > 0.9
    ([0, 1, 0, 2], 0.01, True)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **{
            name: BaseSearchCV._parameter_constraints[name]
            for name in ("estimator", "scoring", "refit", "cv", "verbose", "error_score", "return_train_score")
        },
        "space": [dict, list],
        "search": [StrOptions({"grid", "random"})],
        "n_candidates": [Interval(Integral, 1, None, closed="left")],
        "halving": [Halving, None],
        "random_state": ["random_state"],
        "progress": ["boolean"],
    }

    def __init__(
        self,
        estimator: Any,
        space: Any,
        *,
        search: str = "grid",
        n_candidates: int = 10,
        halving: Halving | None = None,
        scoring: Any = None,
        cv: Any = None,
        refit: Any = True,
        error_score: Any = np.nan,
        return_train_score: bool = False,
        random_state: Any = None,
        verbose: int = 0,
        progress: bool = False,
    ):
        self.estimator = estimator
        self.space = space
        self.search = search
        self.n_candidates = n_candidates
        self.halving = halving
        self.scoring = scoring
        self.cv = cv
        self.refit = refit
        self.error_score = error_score
        self.return_train_score = return_train_score
        self.random_state = random_state
        self.verbose = verbose
        self.progress = progress

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None, **params: Any) -> Any:
        """Search, and train the best candidate on all rows. Ctrl-C ends it with KeyboardInterrupt.

        Parameters
        ----------
        X : (n_samples, n_features) array, DataFrame or sparse matrix
            Inputs.
        y : (n_samples,) or (n_samples, n_outputs)
            Classes or numbers.
        **params
            For `fit` of the estimator, the scorer and the splitter, as in GridSearchCV: ``sample_weight`` and others
            of n_samples are split into folds; of a pipeline, ``step__sample_weight``.

        Returns
        -------
        MLPSearchCV
            Itself.

        Raises
        ------
        TypeError
            The estimator has no MLP of fastbp.
        ValueError
            Parameters are not what is described above, or all fits have failed.
        """
        scorers, metric = self._get_scorers()
        self._check_halving(metric)
        X, y = indexable(X, y)
        routed = self._get_routed_params_for_fit(_check_method_params(X, params=params))
        cv = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        n_splits = cv.get_n_splits(X, y, **routed.splitter.split)
        splits = list(cv.split(X, y, **routed.splitter.split))
        if len(splits) != n_splits:
            raise ValueError(f"cv.get_n_splits says {n_splits}, but cv.split gives {len(splits)} splits")
        candidates = list(self._candidates())
        if not splits or not candidates:
            raise ValueError(f"there are {len(candidates)} candidates and {len(splits)} splits; one of each is needed")
        data, of_fit = (X, y), routed.estimator.fit
        folds = [Fold(self.estimator, data, split, of_fit, routed.scorer.score) for split in splits]
        members = [*self._members(candidates, folds, Scoring(scorers, self.error_score, self.return_train_score))]
        if self.verbose > 0:
            print(f"Fitting {n_splits} folds for each of {len(candidates)} candidates, totalling {len(members)} fits")
        of_candidates = [members[i : i + n_splits] for i in range(0, len(members), n_splits)]
        race = None if self.halving is None else CandidateRace(self.halving, of_candidates, metric)
        train_all(members, race, self.progress, "fits")
        self._take_results(candidates, of_candidates, race, metric)
        self.n_splits_ = n_splits
        self.scorer_ = scorers._scorers if isinstance(scorers, _MultimetricScorer) else scorers
        if self.refit:
            self._refit(data, of_fit)
        return self

    def _check_halving(self, metric: Any) -> None:
        if self.halving is None:
            return
        if self.halving.monitor is not None or self.halving.mode is not None:
            raise ValueError(f"halving is {self.halving}; leave monitor and mode out: scoring decides here")
        several = isinstance(self.scoring, list | tuple | dict)
        if several and not isinstance(metric, str):
            raise ValueError(f"scoring is {self.scoring!r}: with halving, refit must name the metric that decides")

    def _candidates(self) -> Any:
        if self.search == "grid":
            return ParameterGrid(self.space)
        return ParameterSampler(self.space, self.n_candidates, random_state=self.random_state)

    def _members(self, candidates: list[Any], folds: list[Fold], scoring: Scoring) -> Iterator[CandidateMember]:
        base = clone(self.estimator)
        if not isinstance(base, Pipeline):  # whose last step may be a parameter
            mlp_of(base)
        for parameters in candidates:
            for fold in folds:
                model = clone(base).set_params(**clone(parameters, safe=False))
                yield CandidateMember(model, fold, of_transformers(model, parameters), scoring)

    def _take_results(
        self, candidates: list[Any], of_candidates: list[list[CandidateMember]], race: CandidateRace | None, metric: Any
    ) -> None:
        """Set what is known of the candidates, and the best."""
        out = [{**member.result, "fit_time": member.seconds} for folds in of_candidates for member in folds]
        _warn_or_raise_about_fit_failures(out, self.error_score)
        if callable(self.scoring):
            _insert_error_scores(out, self.error_score)
        more: dict[str, Any] = {"n_epochs": [max(member.n_epochs for member in folds) for folds in of_candidates]}
        if race is not None:
            more["n_halvings"] = race.survived
        results = self._format_results(candidates, len(of_candidates[0]), out, more)
        self.multimetric_ = isinstance(out[0]["test_scores"], dict)
        if callable(self.scoring) and self.multimetric_:
            self._check_refit_for_multimetric(out[0]["test_scores"])
            metric = self.refit
        if self.refit or not self.multimetric_:
            self.best_index_ = self._best(results, race, metric)
            if not callable(self.refit):
                self.best_score_ = results[f"mean_test_{metric}"][self.best_index_]
            self.best_params_ = results["params"][self.best_index_]
        self.cv_results_ = results

    def _best(self, results: dict[str, Any], race: CandidateRace | None, metric: Any) -> int:
        if race is None or callable(self.refit):
            return int(self._select_best_index(self.refit, metric, results))
        ranks = results[f"rank_test_{metric}"]
        return min(race.racing, key=lambda i: ranks[i])

    def _refit(self, data: tuple[Any, Any], parameters: Any) -> None:
        self.best_estimator_ = clone(self.estimator).set_params(**clone(self.best_params_, safe=False))
        start = time.time()
        self.best_estimator_.fit(*data, **parameters)
        self.refit_time_ = time.time() - start
        if hasattr(self.best_estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.best_estimator_.feature_names_in_

"""A candidate of a search on a fold, from the first step to its scores; who stops in a halving."""

import time
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from traceback import format_exc
from typing import Any

import numpy as np
from sklearn.metrics._scorer import _MultimetricScorer
from sklearn.model_selection._validation import _score
from sklearn.utils.validation import _num_samples

from fastbp.population.halving import Halving, Judge
from fastbp.population.members import Member
from fastbp.sklearn.folds import Fold, mlp_of
from fastbp.sklearn.members import EstimatorMember
from fastbp.training.steps import Steps


@dataclass
class Scoring:
    """How a model is scored, as scikit-learn's `_fit_and_score` is told."""

    scorer: Any
    error_score: Any
    of_training: bool  # whether the training rows are scored, too

    def scores_of_error(self) -> Any:
        """Return the scores of a model whose `fit` has failed."""
        if isinstance(self.scorer, _MultimetricScorer):
            return dict.fromkeys(self.scorer._scorers, self.error_score)
        return self.error_score


class CandidateMember(EstimatorMember):
    """A model that trains on a fold, and is scored at its end. An error of its `fit` is a result, unless it is raised.

    `key` is that of the model's transformers.
    """

    def __init__(self, model: Any, fold: Fold, key: Hashable, scoring: Scoring):
        super().__init__(mlp_of(model), lambda: fold.given(key, model))
        self._model, self._fold, self._key, self._scoring = model, fold, key, scoring
        self.result: dict[str, Any] = {
            "fit_error": None,
            "score_time": 0.0,
            "n_test_samples": _num_samples(fold.test[0]),
        }
        self.n_epochs, self._scored_after = 0, -1
        fold.expect(key)

    @property
    def epochs_done(self) -> int:
        """Those of the estimator, which is gone at the end."""
        return self.n_epochs if self.ended else super().epochs_done

    def _steps_of_fit(self) -> Steps:
        try:
            yield from super()._steps_of_fit()
        except Exception:
            if self._scoring.error_score == "raise":
                raise
            self._fail(format_exc())
        else:
            self._score_test_rows()
            if self._scoring.of_training:
                rows, parameters = self._fold.training, self._fold.score_training
                self.result["train_scores"] = self._score(rows, parameters)
        self.n_epochs = super().epochs_done
        self._fold.release(self._key)
        self._model = self.mlp = self._at_work = None

    def _fail(self, error: str) -> None:
        self.result.update(fit_error=error, test_scores=self._scoring.scores_of_error(), score_time=0.0)
        if self._scoring.of_training:
            self.result["train_scores"] = self._scoring.scores_of_error()

    def scores(self) -> Any:
        """Return the scores of the test rows, as if the training ended now."""
        if self._at_work is not None:
            with self._at_work.as_if_ended():
                self.mlp._link(self._at_work.net)
                self._score_test_rows()
        return self.result["test_scores"]

    def _score_test_rows(self) -> None:
        if self._scored_after != super().epochs_done:
            start = time.perf_counter()
            self.result["test_scores"] = self._score(self._fold.test, self._fold.score_test)
            self.result["score_time"] = time.perf_counter() - start
            self._scored_after = super().epochs_done

    def _score(self, rows: tuple[Any, Any], parameters: Any) -> Any:
        return _score(self._model, *rows, self._scoring.scorer, parameters, self._scoring.error_score)


class CandidateRace:
    """The candidates of a search, each with its folds: those with the best mean score go on.

    Candidates whose training has ended take part.
    """

    def __init__(self, halving: Halving, folds_of: Sequence[Sequence[CandidateMember]], metric: str):
        self.every, self._halving, self._folds_of, self._metric = halving.every, halving, folds_of, metric
        self.racing = list(range(len(folds_of)))
        self.survived = np.zeros(len(folds_of), int)  # halvings

    def losers(self, paused: list[Member]) -> Collection[Member]:
        """Return the folds of the candidates that stop."""
        keep = self._halving.going_on(len(self.racing))
        if keep == len(self.racing):
            return ()
        ranked = Judge((), True).ranked(self.racing, [self._mean_score(i) for i in self.racing])
        self.racing = sorted(ranked[:keep])
        self.survived[self.racing] += 1
        return {member for i in ranked[keep:] for member in self._folds_of[i]}

    def _mean_score(self, i: int) -> float:
        scores = [member.scores() for member in self._folds_of[i]]
        return float(np.mean([score[self._metric] if isinstance(score, dict) else score for score in scores]))

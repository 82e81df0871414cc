"""Early stopping by the rule of scikit-learn, which differs from that of `fastbp.EarlyStopping` in every comparison.

An epoch counts as an improvement if it is better than the best by exactly `tol`, or NaN; the best follows every smaller
improvement, too; and training stops after more than `n_iter_no_change` other epochs.
"""

from typing import Any

import numpy as np

from fastbp.model import Array
from fastbp.network.network import Network
from fastbp.sklearn.data import Weighted, constant_of_poisson, costs_of, outputs_of


class Watcher:
    """Looks at every epoch, and writes `best_loss_`, `validation_scores_` and the like to an estimator.

    It stops early by the score of `held_out`. The loss of `extra` goes into `validation_loss_curve_`. `incremental`
    says whether this is `partial_fit`.
    """

    def __init__(self, estimator: Any, held_out: Weighted | None, extra: Weighted | None, incremental: bool):
        self._estimator, self._held_out, self._extra, self.incremental = estimator, held_out, extra, incremental
        self.validation_loss: float | None = None
        self._best: Array | None = None
        self.looks = held_out is not None or extra is not None  # whether it needs the weights of the epoch
        self.keeps_best = held_out is not None  # whether training ends with the best weights instead of the last
        self.data_sets: dict[str, tuple[str, ...]] = {} if extra is None else {"validation": ("cost",)}
        self.waited = 0  # epochs without improvement

    @property
    def why(self) -> str:
        """What has not improved, in words."""
        what = "Training loss" if self._held_out is None else "Validation score"
        tol, epochs = self._estimator.tol, self._estimator.n_iter_no_change
        return f"{what} did not improve more than tol={tol:f} for {epochs} consecutive epochs."

    def begin(self, net: Network) -> None:
        """Continue counting; remember the first weights, where training is to end with the best."""
        self.waited = self._estimator._no_improvement_count
        self._best = net.parameters.copy() if self.keeps_best else None

    def epoch_done(self, net: Network, loss: float) -> None:
        """Look at an epoch and its loss."""
        estimator = self._estimator
        if self._extra is not None:
            self.validation_loss = self._loss(net, self._extra)
            estimator.validation_loss_curve_.append(self.validation_loss)
        if self._held_out is not None:
            self._look_at_score(net, self._held_out)
            return
        self.waited = self.waited + 1 if loss > estimator.best_loss_ - estimator.tol else 0
        if loss < estimator.best_loss_:
            estimator.best_loss_ = loss

    def _look_at_score(self, net: Network, held_out: Weighted) -> None:
        estimator, samples = self._estimator, held_out.samples
        score = estimator._score_of_outputs(outputs_of(net._model, samples), samples.Y, held_out.weight)
        estimator.validation_scores_.append(score)
        if estimator.verbose:
            print(f"Validation score: {score:f}")
        self.waited = self.waited + 1 if score < estimator.best_validation_score_ + estimator.tol else 0
        if score > estimator.best_validation_score_:
            estimator.best_validation_score_ = score
            self._best = net.parameters.copy()

    def _loss(self, net: Network, data: Weighted) -> float:
        """Return the mean loss, weighted where the samples are, without the penalty."""
        costs = costs_of(net._model, data.samples)
        if self._estimator.loss == "poisson":
            costs = costs + constant_of_poisson(data.samples.Y)
        return float(np.average(costs, weights=data.weight))

    def end(self, net: Network) -> None:
        """Go back to the weights of the best score, where samples are held out."""
        self._estimator._no_improvement_count = self.waited
        if self._best is not None:
            net.parameters[:] = self._best

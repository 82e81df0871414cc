"""Early stopping by the rule of scikit-learn, which differs from that of `fastbp.EarlyStopping` in every comparison.

An epoch counts as an improvement if it is better than the best by exactly `tol`, or NaN; the best follows every smaller
improvement, too; and training stops after more than `n_iter_no_change` other epochs.
"""

from typing import Any

import numpy as np

from fastbp.model import Array
from fastbp.network.network import Network
from fastbp.sklearn.data import Weighted, constant_of_poisson, outputs_and_costs

# What is watched: what the estimator calls its best value, and 1 if greater values are better, else −1.
WATCHED = {
    "Training loss": ("best_loss_", -1),
    "Validation score": ("best_validation_score_", 1),
    "Validation loss": ("best_validation_loss_", -1),
}


def watched(estimator: Any) -> str:
    """Return what an estimator with these parameters watches, one of `WATCHED`."""
    if not estimator.early_stopping:
        return "Training loss"
    return "Validation score" if estimator.scoring is None else "Validation loss"


class Watcher:
    """Looks at every epoch, and writes `best_loss_`, `validation_scores_` and the like to an estimator.

    `held_out` are the samples of X_val, or those held out for early stopping. `incremental` says whether this is
    `partial_fit`.
    """

    def __init__(self, estimator: Any, held_out: Weighted | None, incremental: bool):
        self._estimator, self._held_out, self.incremental = estimator, held_out, incremental
        self._what = watched(estimator)
        self.validation_loss: float | None = None
        self._best: Array | None = None
        self.looks = held_out is not None  # whether it needs the weights of the epoch
        self.keeps_best = bool(estimator.early_stopping)  # whether training ends with the best weights, not the last
        self.data_sets: dict[str, tuple[str, ...]] = {} if held_out is None else {"validation": ("cost",)}
        self.waited = 0  # epochs without improvement
        self.reached_goal = False

    @property
    def why(self) -> str:
        """What has not improved, or has reached the goal, in words."""
        if self.reached_goal:
            return f"{self._what} reached goal={self._estimator.goal:f}."
        tol, epochs = self._estimator.tol, self._estimator.n_iter_no_change
        return f"{self._what} did not improve more than tol={tol:f} for {epochs} consecutive epochs."

    def begin(self, net: Network) -> None:
        """Continue counting; remember the first weights, where training is to end with the best."""
        estimator, (name, sign) = self._estimator, WATCHED[self._what]
        self.waited = estimator._no_improvement_count
        self._best = net.parameters.copy() if self.keeps_best else None
        if getattr(estimator, name, None) is None:  # an earlier fit watched something else
            setattr(estimator, name, -sign * np.inf)
        if self.keeps_best and estimator.validation_scores_ is None:
            estimator.validation_scores_ = []

    def epoch_done(self, net: Network, loss: float) -> None:
        """Look at an epoch and its loss."""
        estimator, (name, sign) = self._estimator, WATCHED[self._what]
        value = loss if self._held_out is None else self._look_at_held_out(net, self._held_out, loss)
        best = getattr(estimator, name)
        self.waited = self.waited + 1 if sign * value < sign * best + estimator.tol else 0
        if sign * value > sign * best:
            setattr(estimator, name, value)
            self._best = net.parameters.copy() if self.keeps_best else None
        self.reached_goal = estimator.goal is not None and sign * value >= sign * estimator.goal

    def _look_at_held_out(self, net: Network, held_out: Weighted, loss: float) -> float:
        """Record loss and score of the held-out samples. Return what is watched, perhaps the loss of training."""
        estimator, Y, weight = self._estimator, held_out.Y, held_out.weight
        outputs, costs = outputs_and_costs(net._model, held_out.samples)
        if estimator.loss == "poisson":
            costs = costs + constant_of_poisson(Y)
        self.validation_loss = float(np.average(costs, weights=weight))  # without the penalty
        estimator.validation_loss_curve_.append(self.validation_loss)
        if not self.keeps_best:
            return loss
        score = estimator._score_of_outputs(outputs, Y, weight)
        estimator.validation_scores_.append(score)
        value = score if self._what == "Validation score" else self.validation_loss
        if estimator.verbose:
            print(f"{self._what}: {value:f}")
        return float(value)

    def end(self, net: Network) -> None:
        """Go back to the best weights, with early stopping."""
        self._estimator._no_improvement_count = self.waited
        self.take_best(net)

    def take_best(self, net: Network) -> None:
        """Give a network the best weights, with early stopping."""
        if self._best is not None:
            net.parameters[:] = self._best

"""What is looked at after an epoch: the loss, or the score on samples held out; whether it still improves."""

from typing import Any

import numpy as np

from fastbp.model import Array
from fastbp.network.network import Network
from fastbp.sklearn.data import Data, constant_of_poisson, costs_of, outputs_of


class Watcher:
    """Looks after every epoch, and writes `best_loss_`, `validation_scores_` and the like.

    Parameters
    ----------
    estimator : estimator
        Whose attributes are written.
    held_out : Data or None
        Samples for early stopping.
    extra : Data or None
        Samples whose loss goes into `validation_loss_curve_`.
    incremental : bool
        Whether this is `partial_fit`.
    """

    def __init__(self, estimator: Any, held_out: Data | None, extra: Data | None, incremental: bool):
        self._estimator, self._held_out, self._extra, self.incremental = estimator, held_out, extra, incremental
        self.validation_loss: float | None = None
        self._best: Array | None = None
        self._poisson = estimator.loss == "poisson"
        self.looks = held_out is not None or extra is not None  # whether it needs the weights of the epoch
        self.waited = 0  # epochs without improvement

    @property
    def keeps_best(self) -> bool:
        """Whether training ends with the best weights, whatever the last."""
        return self._held_out is not None

    @property
    def data_sets(self) -> dict[str, tuple[str, ...]]:
        """What the history says of samples that are not trained on."""
        return {} if self._extra is None else {"validation": ("cost",)}

    @property
    def why(self) -> str:
        """What has not improved, in words."""
        what = "Training loss" if self._held_out is None else "Validation score"
        tol, epochs = self._estimator.tol, self._estimator.n_iter_no_change
        return f"{what} did not improve more than tol={tol:f} for {epochs} consecutive epochs."

    def begin(self, net: Network) -> None:
        """Go on waiting, and remember the weights before the first epoch, where the best will be wanted."""
        self.waited = self._estimator._no_improvement_count
        if self._held_out is not None:
            self._best = net.parameters.copy()

    def epoch_done(self, net: Network, loss: float) -> None:
        """Look."""
        if self._extra is not None:
            self.validation_loss = self._loss(net, self._extra)
            self._estimator.validation_loss_curve_.append(self.validation_loss)
        if self._held_out is None:
            self._look_at_loss(loss)
        else:
            self._look_at_score(net, self._held_out)

    def _look_at_loss(self, loss: float) -> None:
        estimator = self._estimator
        self.waited = self.waited + 1 if loss > estimator.best_loss_ - estimator.tol else 0
        if loss < estimator.best_loss_:
            estimator.best_loss_ = loss

    def _look_at_score(self, net: Network, held_out: Data) -> None:
        estimator = self._estimator
        outputs = outputs_of(net._model, held_out.X)
        score = estimator._score_of_outputs(outputs, held_out.Y, held_out.weight)
        estimator.validation_scores_.append(score)
        if estimator.verbose:
            print(f"Validation score: {score:f}")
        self.waited = self.waited + 1 if score < estimator.best_validation_score_ + estimator.tol else 0
        if score > estimator.best_validation_score_:
            estimator.best_validation_score_ = score
            self._best = net.parameters.copy()

    def _loss(self, net: Network, data: Data) -> float:
        """Return the mean loss, weighted where the samples are, without the penalty."""
        costs = costs_of(net._model, data)
        if self._poisson:
            costs = costs + constant_of_poisson(data.Y)
        return float(np.average(costs, weights=data.weight))

    def end(self, net: Network) -> None:
        """Go back to the weights of the best score, where there are some held out."""
        self._estimator._no_improvement_count = self.waited
        if self._best is not None:
            net.parameters[:] = self._best


def accuracy(outputs: Array, Y: Array, weight: Array | None, exclusive: bool) -> float:
    """Return the share of samples whose class is right; if not `exclusive`, all of their labels."""
    if exclusive:
        right = outputs.argmax(axis=1) == Y.argmax(axis=1)
    else:
        right = ((outputs > 0.5) == (Y > 0.5)).all(axis=1)
    return float(np.average(right, weights=weight))

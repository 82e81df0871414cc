"""Training on all samples at once: `solver="lbfgs"`, for which SciPy chooses the steps, and fastbp's own optimizers."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import optimize
from sklearn.utils.optimize import _check_optimize_result

from fastbp.model import Array, ParameterVector
from fastbp.network.network import Network
from fastbp.sklearn.data import TILES, Reshuffled, Weighted, joined, source, unpacked
from fastbp.training.early_stopping import EarlyStopping
from fastbp.training.history import History


class Objective:
    """(Σ_s w_s C_s + ½ α Σ w²) / Σ_s w_s and its gradient, of a θ in float64."""

    def __init__(self, net: Network, data: Weighted, alpha: float, rows: int):
        n, self._model, self._alpha = len(data), net._model, alpha
        self._source: Any = source(data, Reshuffled(False, n), net._model, 1, min(n, rows))
        self._total = float(n) if data.weight is None else float(data.weight.sum(dtype=np.float64))
        self._gradient = np.empty_like(net.parameters)

    def __call__(self, theta: Array) -> tuple[float, npt.NDArray[np.float64]]:
        """Return the loss and its gradient."""
        parameters, given = self._model.parameters, self._source
        loss, gradient = 0.0, np.zeros(theta.size)
        parameters.vector[:] = theta
        for rows in given.epoch(None):  # the order is that of the samples: nothing is drawn
            some = slice(int(rows[0]), int(rows[-1]) + 1)
            weight = None if given.weight is None else given.weight[some]
            share = len(rows) / self._total
            loss += share * TILES.gradient(self._model, given.X[some], given.Y[some], self._gradient, weight)
            gradient += share * self._gradient
        for dw, w in zip(*(ParameterVector(parameters.sizes, v).weights for v in (gradient, theta)), strict=True):
            loss += 0.5 * self._alpha * float(np.vdot(w, w)) / self._total
            dw += self._alpha / self._total * w
        return loss, gradient


def minimize(net: Network, data: Weighted, parameters: Any, rows: int) -> tuple[float, int]:
    """Train with L-BFGS. Return the loss and the number of iterations; warn if it has not converged."""
    p, theta = parameters, net.parameters

    def stops_at_goal(intermediate_result: Any) -> None:
        if p.goal is not None and intermediate_result.fun <= p.goal:
            raise StopIteration

    with np.errstate(all="ignore"):
        result = optimize.minimize(
            Objective(net, data, float(p.alpha), rows), theta.astype(np.float64), method="L-BFGS-B", jac=True,
            options={"maxfun": p.max_fun, "maxiter": p.max_iter, "gtol": p.tol}, callback=stops_at_goal,
        )  # fmt: skip
    theta[:] = result.x
    if p.goal is not None and result.fun <= p.goal:
        return float(result.fun), int(result.nit)
    return float(result.fun), int(_check_optimize_result("lbfgs", result, p.max_iter))


def fit_full_batch(net: Network, data: Weighted, extra: Weighted | None, parameters: Any) -> History:
    """Train by `Network.fit` with an optimizer of fastbp's that needs all samples in every step."""
    p = parameters
    if p.early_stopping:
        raise ValueError(
            f"early_stopping is True, but {type(p.optimizer).__name__} needs all samples in every step and ends by "
            "itself: leave early_stopping out"
        )
    X, Y = _whole(data, net)
    by_evidence = getattr(p.optimizer, "regularization", None) is not None
    stopping = EarlyStopping("training_cost", patience=None, restore_best=False, goal=p.goal)
    return net.fit(
        X, Y, epochs=p.max_iter, optimizer=p.optimizer, sample_weight=data.weight,
        l2=0.0 if by_evidence else float(p.alpha),
        dropout=p.dropout, schedule=p.schedule, callbacks=() if p.callbacks is None else p.callbacks,
        validation_data=None if extra is None else _whole(extra, net), progress=bool(p.progress),
        early_stopping=None if p.goal is None else stopping,
    )  # fmt: skip


def _whole(data: Weighted, net: Network) -> tuple[Array, Array]:
    """Return all X and Y, without the zeros in place of targets that outputs have none of."""
    return joined(block.X for block in unpacked(data.samples)), data.Y[:, : net.cost.n_targets(net.sizes[-1])]

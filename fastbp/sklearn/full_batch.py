"""Training on all samples at once: `solver="lbfgs"`, for which SciPy chooses the steps, and fastbp's own optimizers."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import optimize, sparse
from sklearn.utils.optimize import _check_optimize_result

from fastbp.model import Array, ParameterVector
from fastbp.network.network import Network
from fastbp.sklearn.data import TILES, Data, Source
from fastbp.training.history import History


class Objective:
    """(Σ_s w_s C_s + ½ α Σ w²) / Σ_s w_s and its gradient, of a θ in float64."""

    def __init__(self, net: Network, data: Data, alpha: float, rows_at_once: int):
        n, self._model, self._alpha = len(data), net._model, alpha
        self._source, self._order = Source(data, net.dtype, 1, min(n, rows_at_once)), np.arange(n)
        self._total = float(n) if data.weight is None else float(data.weight.sum(dtype=np.float64))
        self._gradient = np.empty_like(net.parameters)

    def __call__(self, theta: Array) -> tuple[float, npt.NDArray[np.float64]]:
        """Return the loss and its gradient."""
        source, parameters = self._source, self._model.parameters
        loss, gradient = 0.0, np.zeros(theta.size)
        parameters.vector[:] = theta
        for rows in source.pieces(self._order):
            some = slice(int(rows[0]), int(rows[-1]) + 1)  # the order is that of the samples
            weight = source.weight[some] if source.weight.size else None
            mean = TILES.gradient(self._model, source.X[some], source.Y[some], self._gradient, weight)
            share = len(rows) / self._total
            loss += share * mean
            gradient += share * self._gradient
        for dw, w in zip(*(ParameterVector(parameters.sizes, v).weights for v in (gradient, theta)), strict=True):
            loss += 0.5 * self._alpha * float(np.vdot(w, w)) / self._total
            dw += self._alpha / self._total * w
        return loss, gradient


def minimize(net: Network, data: Data, parameters: Any, rows_at_once: int) -> tuple[float, int]:
    """Train on all samples at once. Returns the loss and the number of iterations; warns if it has not converged."""
    p, theta = parameters, net.parameters
    with np.errstate(all="ignore"):
        result = optimize.minimize(
            Objective(net, data, float(p.alpha), rows_at_once), theta.astype(np.float64), method="L-BFGS-B", jac=True,
            options={"maxfun": p.max_fun, "maxiter": p.max_iter, "gtol": p.tol},
        )  # fmt: skip
    theta[:] = result.x
    return float(result.fun), int(_check_optimize_result("lbfgs", result, p.max_iter))


def fit_full_batch(net: Network, data: Data, extra: Data | None, parameters: Any) -> History:
    """Train with an optimizer of fastbp's that takes all samples in every step, by `Network.fit`."""
    p, X = parameters, data.X.toarray() if sparse.issparse(data.X) else data.X
    if p.early_stopping:
        raise ValueError(
            f"early_stopping is True, but {type(p.optimizer).__name__} needs all samples in every step and ends by "
            "itself: leave it out"
        )
    return net.fit(
        X, data.Y, epochs=p.max_iter, optimizer=p.optimizer, sample_weight=data.weight, l2=float(p.alpha),
        dropout=p.dropout, schedule=p.schedule, callbacks=() if p.callbacks is None else p.callbacks,
        validation_data=None if extra is None else (extra.X, extra.Y), progress=bool(p.progress),
    )  # fmt: skip

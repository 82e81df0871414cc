"""scikit-learn's MLPClassifier and MLPRegressor: each epoch is a call of partial_fit."""

from typing import Any

import numpy as np
import sklearn
from sklearn.neural_network import MLPClassifier, MLPRegressor

from sidebyside.cases import BETA_1, BETA_2, EPSILON, Array, Workload, flat

VERSION = sklearn.__version__


def refusal(work: Workload) -> str | None:
    """Return why this peer cannot do the case, or None."""
    if work.case.output == "sigmoid":
        return "scikit-learn's MLP has no sigmoid output with the quadratic cost"
    return None


class Peer:
    """The first call of partial_fit draws weights; `restart` overwrites them with the common ones."""

    def __init__(self, work: Workload, threads: int):
        self.work, case = work, work.case
        settings: dict[str, Any] = {
            "hidden_layer_sizes": case.sizes[1:-1],
            "activation": {"sigmoid": "logistic"}.get(case.hidden, case.hidden),
            "solver": case.optimizer,
            "learning_rate_init": case.learning_rate,
            "batch_size": case.batch_size,
            "alpha": 0.0,
            "shuffle": False,
            "momentum": 0.0,
            "nesterovs_momentum": False,
            "beta_1": BETA_1,
            "beta_2": BETA_2,
            "epsilon": EPSILON,
        }
        self.classes: dict[str, Any] = {}
        self.Y: Any = work.Y[:, 0] if case.sizes[-1] == 1 else work.Y
        if case.output == "softmax":
            self.classes = {"classes": np.arange(case.sizes[-1])}
            self.Y = work.labels
        self.model = (MLPClassifier if self.classes else MLPRegressor)(**settings)
        self.model.partial_fit(work.X[: case.batch_size], self.Y[: case.batch_size], **self.classes)

    def restart(self) -> None:
        """Go back to the initial parameters."""
        for mine, common in zip(self.model.coefs_, self.work.weights, strict=True):
            mine[:] = common.T
        for mine, common in zip(self.model.intercepts_, self.work.biases, strict=True):
            mine[:] = common
        del self.model._optimizer

    def train(self, epochs: int) -> None:
        """Train with the first orders, one for each epoch."""
        for order in self.work.orders[:epochs]:
            rows = order.ravel()
            self.model.partial_fit(self.work.X[rows], self.Y[rows])

    def parameters(self) -> Array:
        """Return all parameters as one vector."""
        return flat([w.T for w in self.model.coefs_], self.model.intercepts_)

    def predict(self, x: Array) -> Array:
        """Return the outputs for one row."""
        return np.asarray(self.model.predict(x[None]))

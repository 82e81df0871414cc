"""fastbp's formulations, by the public methods `Network.fit` and `Network.predict`."""

from typing import Any

import numpy as np

import fastbp
from sidebyside.cases import BETA_1, BETA_2, EPSILON, Array, Workload

VERSION = fastbp.__version__


def refusal(work: Workload) -> str | None:
    """Return why this peer cannot do the case: it can do all."""
    return None


class GivenOrders(np.random.Generator):
    """A generator whose permutations are the common orders, so that `fit` takes the samples in that order."""

    def give(self, orders: np.ndarray) -> None:
        """Start with the first of these orders."""
        self._orders = iter(orders)

    def permutation(self, n: int) -> np.ndarray:  # type: ignore[override]
        """Return the next order."""
        return next(self._orders).ravel()


class Peer:
    """A network. The time of an epoch is that of `History`, like the peers' without the checks of the data."""

    def __init__(self, work: Workload, threads: int, formulation: Any):
        fastbp.set_num_threads(threads)
        self.work, self.case = work, work.case
        self.rng = GivenOrders(np.random.PCG64(0))
        self.net = fastbp.Network(
            self.case.sizes,
            activation=self.case.hidden,
            output_activation=self.case.output,
            cost=self.case.cost,
            seed=self.rng,
            formulation=formulation,
        )

    def restart(self) -> None:
        """Go back to the initial parameters."""
        self.net.parameters = self.work.parameters
        self.rng.give(self.work.orders)
        rate = self.case.learning_rate
        if self.case.optimizer == "sgd":
            self.optimizer: fastbp.optimizers.Optimizer = fastbp.SGD(rate)
        else:
            self.optimizer = fastbp.Adam(rate, BETA_1, BETA_2, EPSILON)

    def train(self, epochs: int) -> float:
        """Train with the first orders, one for each epoch; return the seconds of the epochs."""
        history = self.net.fit(
            self.work.X,
            self.work.Y,
            epochs=epochs,
            batch_size=self.case.batch_size,
            optimizer=self.optimizer,
            progress=False,
        )
        return sum(history.seconds)

    def parameters(self) -> Array:
        """Return all parameters as one vector."""
        return self.net.parameters

    def predict(self, x: Array) -> Array:
        """Return the outputs for one row."""
        return self.net.predict(x[None])

"""Gradient descent without and with momentum."""

from dataclasses import dataclass
from typing import ClassVar

from fastbp.model import Array
from fastbp.optimizers.base import Optimizer, OptimizerState


@dataclass(frozen=True, eq=False)
class SGD(Optimizer):
    """Stochastic gradient descent, θ ← θ − η g.

    `learning_rate` is η, greater than 0; else raises TypeError or ValueError. `layer_rates` has a factor of η for each
    layer, 0 to freeze it; see `Optimizer`.

    References
    ----------
    Nielsen, *Neural Networks and Deep Learning*, chapter 1, eqs. 20 and 21.

    Examples
    --------
    >>> SGD(3.0)
    SGD(learning_rate=3.0)
    """

    update: ClassVar[str] = "sgd"

    def step(self, theta: Array, gradient: Array, state: OptimizerState) -> None:
        """θ ← θ − η g."""
        state.t += 1
        theta -= float(state.rate[0]) * gradient


@dataclass(frozen=True, eq=False)
class Momentum(Optimizer):
    """Gradient descent with momentum, v ← μ v − η g, θ ← θ + v.

    Raises TypeError or ValueError for a hyperparameter out of its range.

    Parameters
    ----------
    learning_rate : float
        η, greater than 0.
    momentum : float, default 0.9
        μ, in [0, 1). With 0 it is `SGD`.
    layer_rates : list, optional
        A factor of η for each layer, 0 to freeze it; see `Optimizer`.

    References
    ----------
    Polyak, *Some methods of speeding up the convergence of iteration methods*, 1964; Nielsen, chapter 3, eq. 107.

    Examples
    --------
    >>> Momentum(0.1)
    Momentum(learning_rate=0.1, momentum=0.9)
    """

    update: ClassVar[str] = "momentum"
    n_moments: ClassVar[int] = 1

    momentum: float = 0.9

    def step(self, theta: Array, gradient: Array, state: OptimizerState) -> None:
        """v ← μ v − η g, θ ← θ + v."""
        state.t += 1
        eta = float(state.rate[0])
        state.first[:] = self.momentum * state.first - eta * gradient
        theta += state.first


@dataclass(frozen=True, eq=False)
class Nesterov(Momentum):
    """Nesterov's accelerated gradient, v ← μ v − η g, θ ← θ + μ v − η g.

    θ is the point ahead along v at which the gradient is computed. Raises TypeError or ValueError for a
    hyperparameter out of its range.

    Parameters
    ----------
    learning_rate, momentum
        As in `Momentum`.
    layer_rates : list, optional
        A factor of η for each layer, 0 to freeze it; see `Optimizer`.

    References
    ----------
    Nesterov, *A method of solving a convex programming problem with convergence rate O(1/k²)*, 1983; in this form
    Bengio, Boulanger-Lewandowski & Pascanu, *Advances in optimizing recurrent networks*, 2012, eq. 7.

    Examples
    --------
    >>> Nesterov(0.1, momentum=0.95)
    Nesterov(learning_rate=0.1, momentum=0.95)
    """

    update: ClassVar[str] = "nesterov"

    def step(self, theta: Array, gradient: Array, state: OptimizerState) -> None:
        """v ← μ v − η g, θ ← θ + μ v − η g."""
        state.t += 1
        eta = float(state.rate[0])
        state.first[:] = self.momentum * state.first - eta * gradient
        theta += self.momentum * state.first - eta * gradient

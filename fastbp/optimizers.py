"""Optimizers: frozen hyperparameters here, explicit state in `OptimizerState`, recurrences in `kernels/updates.py`.

Every one has its recurrence twice: compiled, and as `step` in NumPy for the formulations that are not compiled.
"""

import math
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from fastbp.parameters import Array, aligned_empty


@dataclass
class OptimizerState:
    """What an optimizer remembers between two steps, of the layout of θ where it is per parameter."""

    first: Array  # velocity, or Adam's m; empty where an optimizer keeps none
    second: Array  # Adam's v; empty where an optimizer keeps none
    t: npt.NDArray[np.int64]  # (1,): the number of steps taken

    def copy_to(self, other: "OptimizerState") -> None:
        """Overwrite `other`, of the same optimizer, with this state."""
        for mine, theirs in ((self.first, other.first), (self.second, other.second), (self.t, other.t)):
            theirs[:] = mine


@dataclass(frozen=True, eq=False)
class Optimizer:
    """What all optimizers share. Compared by identity: a `fit` with the same object goes on where it stopped."""

    n_moments: ClassVar[int] = 0
    update: ClassVar[str]  # the function of kernels/updates.py

    learning_rate: float

    def __post_init__(self) -> None:
        name = type(self).__name__
        if type(self) is Optimizer:
            raise TypeError("Optimizer is what all optimizers share; use SGD, Momentum, Nesterov or Adam")
        for hyperparameter in fields(self):
            value = getattr(self, hyperparameter.name)
            if isinstance(value, bool) or not isinstance(value, int | float | np.number):
                raise TypeError(f"{name}: {hyperparameter.name} is {value!r}; it must be a number")
            if hyperparameter.name in ("learning_rate", "epsilon"):
                allowed, in_words = 0 < value < math.inf, "a finite number greater than 0"
            else:
                allowed, in_words = 0 <= value < 1, "at least 0 and less than 1"
            if not allowed:
                raise ValueError(f"{name}: {hyperparameter.name} is {value}; it must be {in_words}")

    def new_state(self, n_parameters: int, dtype: npt.DTypeLike) -> OptimizerState:
        """Return the state before the first step: all moments zero."""
        sizes = [n_parameters if kept else 0 for kept in (self.n_moments > 0, self.n_moments > 1)]
        first, second = (aligned_empty(size, dtype) for size in sizes)
        first[:], second[:] = 0, 0
        return OptimizerState(first, second, np.zeros(1, np.int64))

    @property
    def hyper(self) -> npt.NDArray[np.float64]:
        """The hyperparameters in the order of the fields, padded to the length the compiled updates expect."""
        values = [float(getattr(self, hyperparameter.name)) for hyperparameter in fields(self)]
        return np.array(values + [0.0] * (8 - len(values)))

    def step(self, theta: Array, gradient: Array, state: OptimizerState) -> None:
        """Take one step in NumPy. Writes θ and the state."""
        raise TypeError(f"{type(self).__name__} has no step of its own; use SGD, Momentum, Nesterov or Adam")


@dataclass(frozen=True, eq=False)
class SGD(Optimizer):
    """Stochastic gradient descent, θ ← θ − η g.

    Parameters
    ----------
    learning_rate : float
        η, greater than 0.

    Raises
    ------
    TypeError, ValueError
        A hyperparameter is not a number, or out of its range.

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
        theta -= self.learning_rate * gradient


@dataclass(frozen=True, eq=False)
class Momentum(Optimizer):
    """Gradient descent with momentum, v ← μ v − η g, θ ← θ + v.

    Parameters
    ----------
    learning_rate : float
        η, greater than 0.
    momentum : float, default 0.9
        μ, in [0, 1). With 0 it is `SGD`.

    Raises
    ------
    TypeError, ValueError
        A hyperparameter is not a number, or out of its range.

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
        """V ← μ v − η g, θ ← θ + v."""
        state.first[:] = self.momentum * state.first - self.learning_rate * gradient
        theta += state.first


@dataclass(frozen=True, eq=False)
class Nesterov(Momentum):
    """Nesterov's accelerated gradient, v ← μ v − η g, θ ← θ + μ v − η g.

    θ is the point that looks ahead along v, where the gradient is taken.

    Parameters
    ----------
    learning_rate : float
        η, greater than 0.
    momentum : float, default 0.9
        μ, in [0, 1).

    Raises
    ------
    TypeError, ValueError
        A hyperparameter is not a number, or out of its range.

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
        """V ← μ v − η g, θ ← θ + μ v − η g."""
        state.first[:] = self.momentum * state.first - self.learning_rate * gradient
        theta += self.momentum * state.first - self.learning_rate * gradient


@dataclass(frozen=True, eq=False)
class Adam(Optimizer):
    """Adam: steps of about η for every parameter, whatever the size of its gradient.

    m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², θ ← θ − η (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε).

    Parameters
    ----------
    learning_rate : float, default 0.001
        η, greater than 0.
    beta_1, beta_2 : float, default 0.9 and 0.999
        β₁ and β₂, in [0, 1): how slowly the means of g and g² forget.
    epsilon : float, default 1e-8
        ε, greater than 0.

    Raises
    ------
    TypeError, ValueError
        A hyperparameter is not a number, or out of its range.

    References
    ----------
    Kingma & Ba, *Adam: a method for stochastic optimization*, 2015, algorithm 1.

    Examples
    --------
    >>> Adam(0.01)
    Adam(learning_rate=0.01, beta_1=0.9, beta_2=0.999, epsilon=1e-08)
    """

    update: ClassVar[str] = "adam"
    n_moments: ClassVar[int] = 2

    learning_rate: float = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8

    def step(self, theta: Array, gradient: Array, state: OptimizerState) -> None:
        """Algorithm 1 of the paper."""
        t = int(state.t[0])
        state.first[:] = self.beta_1 * state.first + (1 - self.beta_1) * gradient
        state.second[:] = self.beta_2 * state.second + (1 - self.beta_2) * gradient**2
        m = state.first / (1 - self.beta_1**t)
        v = state.second / (1 - self.beta_2**t)
        theta -= self.learning_rate * m / (np.sqrt(v) + self.epsilon)


OPTIMIZERS: dict[str, type[SGD] | type[Momentum] | type[Adam]] = {
    "sgd": SGD,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "adam": Adam,
}
"""By their names on the command line."""

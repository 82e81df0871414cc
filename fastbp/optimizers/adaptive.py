"""Optimizers that adapt the rate of each parameter to the sizes of its gradients so far."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fastbp.model import Array
from fastbp.optimizers.base import Optimizer, OptimizerState


@dataclass(frozen=True, eq=False)
class Adam(Optimizer):
    """Adam: steps of about η for every parameter, whatever the size of its gradient.

    m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², θ ← θ − η (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε). Raises TypeError
    or ValueError for a hyperparameter out of its range.

    Parameters
    ----------
    learning_rate : float, default 0.001
        η, greater than 0.
    beta_1, beta_2 : float, default 0.9 and 0.999
        β₁ and β₂, in [0, 1): how slowly the means of g and g² forget.
    epsilon : float, default 1e-8
        ε, greater than 0.
    layer_rates : list, optional
        A factor of η for each layer, 0 to freeze it; see `Optimizer`.

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
        t = self._moments(gradient, state)
        m = state.first / (1 - self.beta_1**t)
        v = state.second / (1 - self.beta_2**t)
        theta -= float(state.rate[0]) * m / (np.sqrt(v) + self.epsilon)

    def _moments(self, gradient: Array, state: OptimizerState) -> int:
        """Update t, m and v. Return t."""
        state.t += 1
        state.first[:] = self.beta_1 * state.first + (1 - self.beta_1) * gradient
        state.second[:] = self.beta_2 * state.second + (1 - self.beta_2) * gradient**2
        return int(state.t[0])


@dataclass(frozen=True, eq=False)
class AdamEpsilonHat(Adam):
    """Adam as scikit-learn and TensorFlow compute it: ε̂ is added to √v before the correction of v.

    θ ← θ − η (√(1 − β₂ᵗ) / (1 − β₁ᵗ)) m / (√v + ε̂): `Adam` with ε = ε̂ / √(1 − β₂ᵗ), which is large in the first
    steps. `epsilon` is ε̂; the other parameters and the errors are as in `Adam`.

    References
    ----------
    Kingma & Ba, *Adam: a method for stochastic optimization*, 2015, end of section 2.
    """

    update: ClassVar[str] = "adam_epsilon_hat"

    def step(self, theta: Array, gradient: Array, state: OptimizerState) -> None:
        """The recurrence above."""
        t = self._moments(gradient, state)
        rate = float(state.rate[0]) * (1 - self.beta_2**t) ** 0.5 / (1 - self.beta_1**t)
        theta -= rate * state.first / (np.sqrt(state.second) + self.epsilon)


@dataclass(frozen=True, eq=False)
class AdamW(Adam):
    """Adam with decoupled weight decay: w ← (1 − η λ) w before a step of `Adam`; biases do not decay.

    In `Adam` the gradient of a penalty on w is divided by √v, so that weights with large gradients hardly shrink; here
    all weights shrink by the same factor. Raises TypeError or ValueError for a hyperparameter out of its range.

    Parameters
    ----------
    learning_rate, beta_1, beta_2, epsilon
        As in `Adam`.
    weight_decay : float, default 0.01
        λ, at least 0. It is not divided by the number of samples, unlike the `l2` of `Network.fit`.
    layer_rates : list, optional
        A factor of η for each layer, 0 to freeze it; see `Optimizer`.

    References
    ----------
    Loshchilov & Hutter, *Decoupled weight decay regularization*, 2019, algorithm 2.

    Examples
    --------
    >>> AdamW(0.01, weight_decay=0.1)
    AdamW(learning_rate=0.01, beta_1=0.9, beta_2=0.999, epsilon=1e-08, weight_decay=0.1)
    """

    weight_decay: float = 0.01

    def step(self, theta: Array, gradient: Array, state: OptimizerState) -> None:
        """A step of `Adam`, without the decay: this function cannot know which parts of θ are weights.

        Decay them before the call, as `Network.fit` does: ``w *= 1 - state.rate[0] * optimizer.weight_decay``.
        """
        super().step(theta, gradient, state)


@dataclass(frozen=True, eq=False)
class RMSProp(Optimizer):
    """RMSProp: the gradient divided by the root of a running mean of its squares.

    s ← α s + (1 − α) g², θ ← θ − η g / (√s + ε). With momentum u ← μ u + g / (√s + ε), θ ← θ − η u. Centered:
    h ← α h + (1 − α) g, and √(s − h²) in place of √s. Raises TypeError or ValueError for a hyperparameter out
    of its range, or for momentum together with centered.

    Parameters
    ----------
    learning_rate : float, default 0.01
        η, greater than 0.
    alpha : float, default 0.99
        α, in [0, 1): how slowly the mean of g² forgets.
    epsilon : float, default 1e-8
        ε, greater than 0.
    momentum : float, default 0
        μ, in [0, 1).
    centered : bool, default False
        Whether to divide by the standard deviation of the gradient. Not together with momentum.
    layer_rates : list, optional
        A factor of η for each layer, 0 to freeze it; see `Optimizer`.

    References
    ----------
    Hinton, *Neural networks for machine learning*, 2012, lecture 6e; centered: Graves, *Generating sequences with
    recurrent neural networks*, 2013, eqs. 38 to 41. With ε outside the root, as in PyTorch.

    Examples
    --------
    >>> RMSProp(0.001, momentum=0.9)
    RMSProp(learning_rate=0.001, alpha=0.99, epsilon=1e-08, momentum=0.9, centered=False)
    """

    learning_rate: float = 0.01
    alpha: float = 0.99
    epsilon: float = 1e-8
    momentum: float = 0.0
    centered: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.momentum > 0 and self.centered:
            raise ValueError(
                f"RMSProp: momentum is {self.momentum} and centered is True; both together are not supported, because "
                "an optimizer keeps two numbers for each parameter: choose one of them"
            )

    @property
    def update(self) -> str:
        """One of three variants: the plain one reads and writes one moment only."""
        return "rmsprop_centered" if self.centered else "rmsprop_momentum" if self.momentum > 0 else "rmsprop"

    @property
    def n_moments(self) -> int:
        """The mean of squares, and the velocity or the mean."""
        return 1 + (self.centered or self.momentum > 0)

    def step(self, theta: Array, gradient: Array, state: OptimizerState) -> None:
        """The recurrence above; `first` is s, `second` u or h."""
        state.t += 1
        eta, alpha = float(state.rate[0]), self.alpha
        state.first[:] = alpha * state.first + (1 - alpha) * gradient**2
        if self.centered:
            state.second[:] = alpha * state.second + (1 - alpha) * gradient
            variance = np.maximum(state.first - state.second**2, 0)
            theta -= eta * gradient / (np.sqrt(variance) + self.epsilon)
        elif self.momentum > 0:
            state.second[:] = self.momentum * state.second + gradient / (np.sqrt(state.first) + self.epsilon)
            theta -= eta * state.second
        else:
            theta -= eta * gradient / (np.sqrt(state.first) + self.epsilon)


@dataclass(frozen=True, eq=False)
class Adagrad(Optimizer):
    """Adagrad: the gradient divided by the root of the sum of all its squares so far.

    s ← s + g², θ ← θ − ηₜ g / (√s + ε), ηₜ = η / (1 + (t − 1) δ). Weights of rarely active inputs keep larger steps.
    Raises TypeError or ValueError for a hyperparameter out of its range.

    Parameters
    ----------
    learning_rate : float, default 0.01
        η, greater than 0.
    rate_decay : float, default 0
        δ, at least 0: how the rate itself falls from step to step.
    epsilon : float, default 1e-10
        ε, greater than 0.
    layer_rates : list, optional
        A factor of η for each layer, 0 to freeze it; see `Optimizer`.

    References
    ----------
    Duchi, Hazan & Singer, *Adaptive subgradient methods for online learning and stochastic optimization*, 2011,
    figure 1, with diagonal matrices.

    Examples
    --------
    >>> Adagrad(0.1)
    Adagrad(learning_rate=0.1, rate_decay=0.0, epsilon=1e-10)
    """

    update: ClassVar[str] = "adagrad"
    n_moments: ClassVar[int] = 1

    learning_rate: float = 0.01
    rate_decay: float = 0.0
    epsilon: float = 1e-10

    def step(self, theta: Array, gradient: Array, state: OptimizerState) -> None:
        """The recurrence above; `first` is s."""
        state.t += 1
        eta = float(state.rate[0]) / (1 + (int(state.t[0]) - 1) * self.rate_decay)
        state.first += gradient**2
        theta -= eta * gradient / (np.sqrt(state.first) + self.epsilon)

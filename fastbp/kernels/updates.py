"""Optimizer recurrences: θ ← θ − step, one function each, over any stretch of the parameter vector.

`hyper` holds the numbers of `optimizers.py` in its order, and behind them what `begin_step` makes of them for a step.
`first` and `second` are the moments that an optimizer keeps, of the same layout as θ; one that keeps none never looks
at them. `t` counts the steps, from 1. `hyper` is in float64, also where θ is not: 1 − 0.999ᵗ has no correct digits to
spare.
"""

import math


def sgd(theta, first, second, hyper, t, gradient):
    """θ ← θ − η g."""
    eta = theta.dtype.type(hyper[0])
    for i in range(gradient.size):
        theta[i] -= eta * gradient[i]


def momentum(theta, first, second, hyper, t, gradient):
    """V ← μ v − η g, θ ← θ + v (Polyak 1964)."""
    number = theta.dtype.type
    eta, mu = number(hyper[0]), number(hyper[1])
    for i in range(gradient.size):
        first[i] = mu * first[i] - eta * gradient[i]
        theta[i] += first[i]


def nesterov(theta, first, second, hyper, t, gradient):
    """V ← μ v − η g, θ ← θ + μ v − η g (Nesterov 1983; θ is the point that looks ahead: Bengio et al. 2012)."""
    number = theta.dtype.type
    eta, mu = number(hyper[0]), number(hyper[1])
    for i in range(gradient.size):
        first[i] = mu * first[i] - eta * gradient[i]
        theta[i] += mu * first[i] - eta * gradient[i]


def begin_step(hyper, t):
    """Do nothing: every step is like the others."""


def adam_begin_step(hyper, t):
    """η / (1 − β₁ᵗ) and 1 / √(1 − β₂ᵗ), which undo the pull of the zeros that m and v start from."""
    hyper[6] = hyper[0] / (1 - hyper[1] ** t[0])
    hyper[7] = 1 / math.sqrt(1 - hyper[2] ** t[0])


def adam(theta, first, second, hyper, t, gradient):
    """M ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², θ ← θ − η m̂ / (√v̂ + ε) (Kingma & Ba 2015, algorithm 1).

    m̂ = m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ).
    """
    number = theta.dtype.type
    beta1, beta2, epsilon = number(hyper[1]), number(hyper[2]), number(hyper[3])
    rest1, rest2 = number(1 - hyper[1]), number(1 - hyper[2])
    step, correction = number(hyper[6]), number(hyper[7])
    for i in range(gradient.size):
        first[i] = beta1 * first[i] + rest1 * gradient[i]
        second[i] = beta2 * second[i] + rest2 * gradient[i] * gradient[i]
        theta[i] -= step * first[i] / (math.sqrt(second[i]) * correction + epsilon)

"""Optimizer recurrences: θ ← θ − step, one function each, over any span of the parameter vector.

`hyper` has the hyperparameters in the order of an optimizer's fields, then the numbers that `begin_step` computes for a
step. `first` and `second` are the optimizer's moments, with the layout of θ, or not used. `t` counts the steps, from 1.
`hyper` is always in float64: 1 − 0.999ᵗ loses too many digits in float32.
"""

import math

from fastbp.functions.elementary import one_minus_power

N_HYPER = 9  # the length of `hyper`: up to six hyperparameters, two numbers of `begin_step`, and λ of the step
STEP_RATE = 6  # where in `hyper` a `begin_step` leaves the rate of its step; if there is none, it is in hyper[0]


def sgd(theta, first, second, hyper, t, gradient):
    """θ ← θ − η g."""
    eta = theta.dtype.type(hyper[0])
    for i in range(gradient.size):
        theta[i] -= eta * gradient[i]


def momentum(theta, first, second, hyper, t, gradient):
    """v ← μ v − η g, θ ← θ + v (Polyak 1964)."""
    number = theta.dtype.type
    eta, mu = number(hyper[0]), number(hyper[1])
    for i in range(gradient.size):
        first[i] = mu * first[i] - eta * gradient[i]
        theta[i] += first[i]


def nesterov(theta, first, second, hyper, t, gradient):
    """v ← μ v − η g, θ ← θ + μ v − η g (Nesterov 1983; θ is the point that looks ahead: Bengio et al. 2012)."""
    number = theta.dtype.type
    eta, mu = number(hyper[0]), number(hyper[1])
    for i in range(gradient.size):
        first[i] = mu * first[i] - eta * gradient[i]
        theta[i] += mu * first[i] - eta * gradient[i]


def begin_step(hyper, t):
    """Do nothing: all steps are alike."""


def adam_begin_step(hyper, t):
    """η / (1 − β₁ᵗ) and 1 / √(1 − β₂ᵗ), which correct the bias of m and v towards their start, 0."""
    hyper[6] = hyper[0] / one_minus_power(hyper[1], t[0])
    hyper[7] = 1 / math.sqrt(one_minus_power(hyper[2], t[0]))


def adam(theta, first, second, hyper, t, gradient):
    """m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², θ ← θ − η m̂ / (√v̂ + ε) (Kingma & Ba 2015, algorithm 1).

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


def adam_epsilon_hat_begin_step(hyper, t):
    """η √(1 − β₂ᵗ) / (1 − β₁ᵗ), the whole correction: ε̂ is added to the uncorrected √v."""
    hyper[6] = hyper[0] * math.sqrt(one_minus_power(hyper[2], t[0])) / one_minus_power(hyper[1], t[0])
    hyper[7] = 1


adam_epsilon_hat = adam


def rmsprop(theta, first, second, hyper, t, gradient):
    """s ← α s + (1 − α) g², θ ← θ − η g / (√s + ε) (Hinton 2012)."""
    number = theta.dtype.type
    eta, alpha, epsilon, rest = number(hyper[0]), number(hyper[1]), number(hyper[2]), number(1 - hyper[1])
    for i in range(gradient.size):
        first[i] = alpha * first[i] + rest * gradient[i] * gradient[i]
        theta[i] -= eta * gradient[i] / (math.sqrt(first[i]) + epsilon)


def rmsprop_momentum(theta, first, second, hyper, t, gradient):
    """s as in `rmsprop`, u ← μ u + g / (√s + ε), θ ← θ − η u."""
    number = theta.dtype.type
    eta, alpha, epsilon, rest = number(hyper[0]), number(hyper[1]), number(hyper[2]), number(1 - hyper[1])
    mu = number(hyper[3])
    for i in range(gradient.size):
        first[i] = alpha * first[i] + rest * gradient[i] * gradient[i]
        second[i] = mu * second[i] + gradient[i] / (math.sqrt(first[i]) + epsilon)
        theta[i] -= eta * second[i]


def rmsprop_centered(theta, first, second, hyper, t, gradient):
    """s as in `rmsprop`, h ← α h + (1 − α) g, θ ← θ − η g / (√(s − h²) + ε) (Graves 2013)."""
    number = theta.dtype.type
    eta, alpha, epsilon, rest = number(hyper[0]), number(hyper[1]), number(hyper[2]), number(1 - hyper[1])
    zero = number(0)
    for i in range(gradient.size):
        first[i] = alpha * first[i] + rest * gradient[i] * gradient[i]
        second[i] = alpha * second[i] + rest * gradient[i]
        variance = first[i] - second[i] * second[i]
        variance = zero if variance < zero else variance  # by rounding; NaN stays NaN
        theta[i] -= eta * gradient[i] / (math.sqrt(variance) + epsilon)


def adagrad_begin_step(hyper, t):
    """ηₜ = η / (1 + (t − 1) δ)."""
    hyper[6] = hyper[0] / (1 + (t[0] - 1) * hyper[1])


def adagrad(theta, first, second, hyper, t, gradient):
    """s ← s + g², θ ← θ − ηₜ g / (√s + ε) (Duchi, Hazan & Singer 2011)."""
    number = theta.dtype.type
    eta, epsilon = number(hyper[6]), number(hyper[2])
    for i in range(gradient.size):
        first[i] += gradient[i] * gradient[i]
        theta[i] -= eta * gradient[i] / (math.sqrt(first[i]) + epsilon)


def rprop(theta, first, second, hyper, t, gradient):
    """Δ ← η⁺ Δ if the sign of g stays, η⁻ Δ if it changes; θ ← θ − sign(g) Δ, or unchanged if it changes.

    `first` is the gradient of the last step, 0 where θ was unchanged; `second` is Δ (Riedmiller & Braun 1993; Igel &
    Hüsken 2000, iRprop⁻).
    """
    number = theta.dtype.type
    decrease, increase, smallest, largest = number(hyper[1]), number(hyper[2]), number(hyper[3]), number(hyper[4])
    zero = number(0)
    for i in range(gradient.size):
        g, last, step = gradient[i], first[i], second[i]
        turned = (g > zero and last < zero) or (g < zero and last > zero)
        if (g > zero and last > zero) or (g < zero and last < zero):
            step *= increase
        elif turned:
            step *= decrease
        step = min(max(step, smallest), largest)
        second[i] = step
        first[i] = zero if turned else g
        if not turned:
            theta[i] -= step if g > zero else -step if g < zero else g  # g is 0 there, or NaN

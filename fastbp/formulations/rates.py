"""A step with a learning rate for the weights and the biases of each layer, η times its factor in `optimizer.rates`.

Where the factor is 0 nothing changes, no bit, and the gradient counts as 0: in its norm too.
"""

import math

from fastbp.compiler.call import call
from fastbp.compiler.options import INNER, LEAN, njit, rebind
from fastbp.compiler.views import stretch
from fastbp.formulations import loops, rules
from fastbp.formulations.network_data import weights
from fastbp.optimizers.updates import STEP_RATE


@njit(**INNER)
def apply_rules(dw, theta, n_biases, optimizer, factor):
    """`rules.apply_rules` at a rate of its own. Writes: dw, θ."""
    hyper = optimizer.hyper
    eta = hyper[0]
    hyper[0] = eta * factor
    if factor == 0:
        for i in range(dw.size):
            dw[i] = 0
    elif rules.has_rules(optimizer):
        rules.apply_rules(dw, theta, n_biases, optimizer)
    hyper[0] = eta


@njit(**INNER)
def update(theta, first, second, dw, optimizer, factor):
    """The optimizer's step at a rate of its own. Writes: θ, the moments."""
    if factor > 0:
        hyper = optimizer.hyper
        eta, of_step = hyper[0], hyper[STEP_RATE]
        hyper[0], hyper[STEP_RATE] = eta * factor, of_step * factor
        call(optimizer.update, theta, first, second, hyper, optimizer.t, dw)
        hyper[0], hyper[STEP_RATE] = eta, of_step


@njit(**LEAN)
def step_at_rates(gradient, theta, optimizer, net):
    """The rules and the update of `loops.train_epoch`, layer by layer. Writes: gradient, θ, the moments."""
    for l in range(1, net.L + 1):
        at, n, n_weights = net.layers[l].weights_at, net.layers[l].n, net.layers[l].n * net.layers[l - 1].n
        dw, w = stretch(gradient, at, n_weights), stretch(theta, at, n_weights)
        db, b = stretch(gradient, at + n_weights, n), stretch(theta, at + n_weights, n)
        apply_rules(dw, w, 0, optimizer, optimizer.rates[l - 1, 0])
        apply_rules(db, b, n, optimizer, optimizer.rates[l - 1, 1])
    rules.clip_norm(gradient, optimizer)
    for l in range(1, net.L + 1):
        start, n_weights = net.layers[l].weights_at, net.layers[l].n * net.layers[l - 1].n
        for part in range(2):
            at, size = start + part * n_weights, net.layers[l].n if part else n_weights
            of_theta, g = stretch(theta, at, size), stretch(gradient, at, size)
            first = stretch(optimizer.first, at, size) if optimizer.first.size > 0 else of_theta
            second = stretch(optimizer.second, at, size) if optimizer.second.size > 0 else of_theta
            update(of_theta, first, second, g, optimizer, optimizer.rates[l - 1, part])
        if optimizer.max_norm < math.inf and optimizer.rates[l - 1, 0] > 0:
            rules.limit_norms_of(weights(theta, net, l), optimizer.max_norm)


@njit(**INNER)
def nothing(*of_three):
    """Do what `step_at_rates` has done already."""


# With other steps, and compiled on their own, so that only those wait for them who need them.
STEPS = {"regularize": step_at_rates, "update": nothing, "limit_norms": nothing}
train_epoch = njit(rebind(loops.train_epoch, "train_epoch_at_rates", **STEPS), calls=(loops.gradient,))
apply_gradient = njit(rebind(loops.apply_gradient, "apply_gradient_at_rates", **STEPS))

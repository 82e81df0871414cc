"""What may happen to a gradient before the optimizer's step, and to the weights around it.

With the gradient g of a mini-batch's mean cost, its weights w and the learning rate η:

    penalties    g ← g + (λ/n) w + (λ₁/n) sign(w)      of C + λ/(2n) Σ w² + (λ₁/n) Σ |w|, weights only (Nielsen, ch. 3)
    clip_value   g_i ← max(−c, min(c, g_i))
    clip_norm    g ← g min(1, c / ‖g‖), the norm of the whole gradient (Pascanu et al. 2013)
    decay        w ← w − η κ w, "decoupled" (Loshchilov & Hutter 2019)
    per_batch    λ/m or λ/Σ_s w_s for λ/n, of the mini-batch's own samples, and Σ_s w_s for m in the mean of its costs
    max_norm     w_j ← w_j min(1, c / ‖w_j‖) after the step, for the weights into each neuron j (Srivastava et al. 2014)
"""

import math

from fastbp.compiler.options import INNER, LEAN, njit
from fastbp.compiler.views import stretch
from fastbp.formulations.network_data import weights
from fastbp.optimizers.updates import N_HYPER

L2 = N_HYPER - 1  # where in `hyper` there is what multiplies w in the gradient of this step


@njit(**INNER)
def begin_rules(optimizer, weights, samples):
    """What the costs of a mini-batch are multiplied by, 1/m unless it is `per_batch`. Writes: hyper[L2]."""
    share = 1 / samples.size
    if optimizer.per_batch and weights.size > 0:
        total = 0.0
        for s in range(samples.size):
            total += weights[samples[s]]
        share = 1 / total if total > 0 else 0.0
    optimizer.hyper[L2] = optimizer.l2 * share if optimizer.per_batch else optimizer.l2
    return share


@njit(**INNER)
def scale(vector, factor):
    """Multiply every number of `vector` by `factor`. Writes: vector."""
    number = vector.dtype.type(factor)
    if number != 1:
        for i in range(vector.size):
            vector[i] *= number


@njit(**INNER)
def has_rules(optimizer):
    """Whether `apply_rules` does anything."""
    return optimizer.changes_gradient or optimizer.l2 > 0 or optimizer.decay[0] > 0


@njit(**INNER)
def shrink(theta, n_biases, optimizer):
    """w ← (1 − η (λ/n + κ)) w, which with w ← w − η g is the step of plain descent under l2 and decay. Writes: θ."""
    w = stretch(theta, n_biases, theta.size - n_biases)
    scale(w, 1 - optimizer.hyper[0] * (optimizer.hyper[L2] + optimizer.decay[0]))


@njit(**INNER)
def apply_rules(gradient, theta, n_biases, optimizer):
    """Penalties, clip_value and decay, for a stretch of θ that begins with so many biases. Writes: gradient, θ."""
    number, n = theta.dtype.type, theta.size - n_biases
    l2, l1, limit, zero = number(optimizer.hyper[L2]), number(optimizer.l1), number(optimizer.clip_value), number(0)
    dw, w = stretch(gradient, n_biases, n), stretch(theta, n_biases, n)  # a loop from 0 on becomes vector instructions
    if l1 != zero:
        for i in range(n):
            dw[i] += l1 if w[i] > zero else -l1 if w[i] < zero else zero
    if l2 != zero:
        for i in range(n):
            dw[i] += l2 * w[i]
    if optimizer.clip_value < math.inf:
        for i in range(gradient.size):
            g = gradient[i]
            g = limit if g > limit else g
            gradient[i] = -limit if g < -limit else g
    if optimizer.decay[0] > 0:
        scale(w, 1 - optimizer.hyper[0] * optimizer.decay[0])


# The same for a whole network in the layout of θ, as `loops` has it; `tiles/rules.py` has it for panels.


@njit(**LEAN)
def regularize(gradient, theta, optimizer, net):
    """What else bears on the gradient, before the optimizer's step. Writes: gradient, and θ where weights decay."""
    if has_rules(optimizer):
        for l in range(1, net.L + 1):
            w, b = net.layers[l].weights_at, net.layers[l].biases_at
            n, n_weights = net.layers[l].n, net.layers[l].n * net.layers[l - 1].n
            apply_rules(stretch(gradient, w, n_weights), stretch(theta, w, n_weights), 0, optimizer)
            apply_rules(stretch(gradient, b, n), stretch(theta, b, n), n, optimizer)
    clip_norm(gradient, optimizer)


@njit(**INNER)
def clip_norm(gradient, optimizer):
    """g ← g min(1, c / ‖g‖). Writes: gradient."""
    if optimizer.clip_norm < math.inf:
        square = 0.0
        for i in range(gradient.size):
            square += gradient[i] * gradient[i]
        scale(gradient, min(1.0, optimizer.clip_norm / math.sqrt(square)))


@njit(**LEAN)
def limit_norms(theta, max_norm, net):
    """w_j ← w_j min(1, c / ‖w_j‖): the weights into each neuron. Writes: θ."""
    if max_norm < math.inf:
        for l in range(1, net.L + 1):
            limit_norms_of(weights(theta, net, l), max_norm)


@njit(**INNER)
def limit_norms_of(w, max_norm):
    """The same for one layer. Writes: w."""
    for j in range(w.shape[0]):
        square = 0.0
        for k in range(w.shape[1]):
            square += w[j, k] * w[j, k]
        if square > max_norm * max_norm:
            scale(w[j], max_norm / math.sqrt(square))


@njit(**LEAN)
def penalty(theta, optimizer, net):
    """½ λ/m Σ w² of all layers, with what stands for λ/m in this step."""
    total = 0.0
    for l in range(1, net.L + 1):
        w = stretch(theta, net.layers[l].weights_at, net.layers[l].n * net.layers[l - 1].n)
        for i in range(w.size):
            total += w[i] * w[i]
    return 0.5 * optimizer.hyper[L2] * total

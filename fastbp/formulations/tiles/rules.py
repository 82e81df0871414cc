"""The rules of a step of `tiles` that need more than a patch of weights: the whole gradient, or all of a neuron's.

They are called by address, and compiled when the first training needs them.
"""

import math

from fastbp.compiler.call import call
from fastbp.compiler.options import INNER, STRICT, njit
from fastbp.compiler.views import stretch
from fastbp.formulations import rates, rules
from fastbp.formulations.rules import L2, has_rules, scale
from fastbp.formulations.tiles.panels import panel, weights, width_at
from fastbp.formulations.tiles.tile import wide

UPDATED = 4096  # parameters at a time, where the whole gradient is in memory


def apply_rules(dw, theta, n_biases, optimizer):
    """`rules.apply_rules`: penalties, clip_value and decay. Writes: dw, θ."""
    rules.apply_rules(dw, theta, n_biases, optimizer)


def descend_whole(optimizer, work, net):
    """The step where the whole gradient is in work.gradient. Writes: θ, the moments, work.gradient."""
    hyper = optimizer.hyper
    if has_rules(optimizer):
        for l in range(1, net.L + 1):
            of_dw, of_theta = weights(work.gradient, net, l), weights(work.theta, net, l)
            for j in range(0, of_dw.n, wide(work.theta)):
                size = (1 + net.layers[l - 1].n) * width_at(of_dw, j)  # without the padding of the inputs
                dw, theta = stretch(panel(of_dw, j), 0, size), stretch(panel(of_theta, j), 0, size)
                rules.apply_rules(dw, theta, width_at(of_dw, j), optimizer)
    factor = 1.0
    if optimizer.clip_norm < math.inf:
        square_norm(work.norm, work.gradient, 0, work.scratch[0], net)
        factor = min(1.0, optimizer.clip_norm / math.sqrt(work.norm[0]))
    rate, in_rate = hyper[0], optimizer.plain_descent  # θ − η (f g) is θ − (η f) g, without a pass over the gradient
    hyper[0] *= factor if in_rate else 1.0
    for start in range(0, work.theta.size, UPDATED):
        size = min(UPDATED, work.theta.size - start)
        dw, theta = stretch(work.gradient, start, size), stretch(work.theta, start, size)
        first = stretch(optimizer.first, start, size) if optimizer.first.size > 0 else theta
        second = stretch(optimizer.second, start, size) if optimizer.second.size > 0 else theta
        scale(dw, 1.0 if in_rate else factor)
        call(optimizer.update, theta, first, second, hyper, optimizer.t, dw)
    hyper[0] = rate


def descend_at_rates(optimizer, work, net):
    """`descend_whole` with a rate for each layer: `formulations/rates.py`. Writes: θ, the moments, work.gradient."""
    dw, theta = work.gradient, work.theta
    first = optimizer.first if optimizer.first.size > 0 else theta
    second = optimizer.second if optimizer.second.size > 0 else theta
    for turn in range(2):  # the rules, then the steps: the norm of the gradient is between them
        factor = theta.dtype.type(1)
        if turn == 1 and optimizer.clip_norm < math.inf:
            square_norm(work.norm, dw, 0, work.scratch[0], net)
            factor = min(1.0, optimizer.clip_norm / math.sqrt(work.norm[0]))
        for l in range(1, net.L + 1):
            of_layer = weights(theta, net, l)
            for j in range(0, of_layer.n, wide(theta)):
                width = width_at(of_layer, j)
                start, n_in = net.layers[l].panels_at + j * of_layer.rows, net.layers[l - 1].n
                for part in range(2):
                    at, size = start + (1 - part) * width, width if part else n_in * width
                    g, w, rate = stretch(dw, at, size), stretch(theta, at, size), optimizer.rates[l - 1, part]
                    if turn == 0:
                        rates.apply_rules(g, w, size * part, optimizer, rate)
                    else:
                        scale(g, factor)
                        rates.update(w, stretch(first, at, size), stretch(second, at, size), g, optimizer, rate)


@njit(**INNER)
def sum_squares(sums, rows):
    """Sums down the columns of a panel: Σ_k w_kc². Shapes: rows (n, width), sums (width,). Writes: sums."""
    width, zero = sums.size, sums.dtype.type(0)
    n = rows.size // width
    for c in range(width):
        sums[c] = zero
    for k in range(0, n - 3, 4):
        w, w1 = stretch(rows, k * width, width), stretch(rows, (k + 1) * width, width)
        w2, w3 = stretch(rows, (k + 2) * width, width), stretch(rows, (k + 3) * width, width)
        for c in range(width):
            sums[c] += (w[c] * w[c] + w1[c] * w1[c]) + (w2[c] * w2[c] + w3[c] * w3[c])
    for k in range(n - n % 4, n):
        w = stretch(rows, k * width, width)
        for c in range(width):
            sums[c] += w[c] * w[c]


@njit(**INNER)
def penalty_of_batch(optimizer, work, net):
    """½ λ/m Σ w² of the step that begins, where it is part of the cost: `per_batch`. Writes: scratch."""
    if not optimizer.per_batch or optimizer.l2 == 0:
        return 0.0
    call(net.functions[0].square_norm, work.norm, work.theta, 1, work.scratch[0], net)
    return 0.5 * optimizer.hyper[L2] * work.norm[0]


@njit(**INNER)
def end_step(optimizer, work, whole, net):
    """What comes when the gradient is summed: the step, if it needs the `whole` gradient, and the limit of norms."""
    if optimizer.rates.size > 0:
        call(net.functions[0].descend_at_rates, optimizer, work, net)
    elif whole:
        call(net.functions[0].descend_whole, optimizer, work, net)
    if optimizer.max_norm < math.inf:
        call(net.functions[0].limit_norms, optimizer, work, net)


@njit(**INNER)
def square_norm(norm, panels, first, scratch, net):
    """‖v‖² of a vector of the layout of θ in panels, without padding, from row `first` on: 1 leaves out the biases.

    Column by column, which is the same order for every width of the registers.
    """
    total = 0.0
    for l in range(1, net.L + 1):
        of_layer = weights(panels, net, l)
        for j in range(0, of_layer.n, wide(panels)):
            width, rows = width_at(of_layer, j), 1 - first + net.layers[l - 1].n
            sums = stretch(scratch, 0, width)
            sum_squares(sums, stretch(panel(of_layer, j), first * width, rows * width))
            total = added_up(total, stretch(sums, 0, min(width, of_layer.n - j)))
    norm[0] = total


@njit(**INNER, **STRICT)
def added_up(total, numbers):
    """The total with all numbers added, one after the other. STRICT, for LLVM would add as many as a register has."""
    for number in numbers:
        total += number
    return total


@njit(**INNER, **STRICT)
def shrinking(factors, limit):
    """‖w_j‖² becomes min(1, c / ‖w_j‖); return whether one of them is below 1. Writes: factors.

    STRICT, for fastmath lets LLVM use x86's estimate of 1/√x in float32, which differs from one maker to the other.
    """
    one, found = factors.dtype.type(1), False
    for c in range(factors.size):
        norm = math.sqrt(factors[c])
        found = found or norm > limit
        factors[c] = limit / norm if norm > limit else one
    return found


def limit_norms(optimizer, work, net):
    """w_j ← w_j min(1, c / ‖w_j‖): the weights into each neuron, but not of frozen layers. Writes: θ, scratch."""
    limit = work.theta.dtype.type(optimizer.max_norm)
    for l in range(1, net.L + 1):
        of_layer, n_in = weights(work.theta, net, l), net.layers[l - 1].n
        n = of_layer.n if optimizer.rates.size == 0 or optimizer.rates[l - 1, 0] > 0 else 0
        for j in range(0, n, wide(work.theta)):
            width = width_at(of_layer, j)
            factors, w = stretch(work.scratch[0], 0, width), stretch(panel(of_layer, j), width, n_in * width)
            sum_squares(factors, w)
            if shrinking(stretch(factors, 0, min(width, of_layer.n - j)), limit):
                for k in range(n_in):
                    row = stretch(w, k * width, width)
                    for c in range(width):
                        row[c] *= factors[c]

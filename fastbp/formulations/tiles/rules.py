"""The rules of a step of `tiles` that need more than a block of weights: the whole gradient, or all of a neuron's."""

import math

from fastbp.compiler.call import call
from fastbp.compiler.options import INNER, STRICT, njit
from fastbp.compiler.views import stretch
from fastbp.formulations.rules import L2, apply_rules, has_rules, scale
from fastbp.formulations.tiles.panels import panel_width, weights_at
from fastbp.formulations.tiles.tile import wide

UPDATED = 4096  # parameters at a time, where the whole gradient is in memory
SUMMED = 1024  # squares that are summed in the network's own precision


@njit(**INNER)
def descend_whole(optimizer, work, net):
    """The step where the whole gradient is in work.gradient. Writes: θ, the moments, work.gradient."""
    hyper, width = optimizer.hyper, wide(work.theta)
    if has_rules(optimizer):
        for l in range(1, net.L + 1):
            for j in range(0, net.layers[l].n, width):
                columns = panel_width(work.theta, net.layers[l].n - j)
                start, size = weights_at(net, l, j, -1, columns), (1 + net.layers[l - 1].n) * columns
                dw, theta = stretch(work.gradient, start, size), stretch(work.theta, start, size)
                apply_rules(dw, theta, columns, optimizer)
    factor = 1.0
    if optimizer.clip_norm < math.inf:
        factor = min(1.0, optimizer.clip_norm / math.sqrt(squared_norm(work.gradient, 0, work.scratch[0], net)))
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
    return 0.5 * optimizer.hyper[L2] * squared_norm(work.theta, 1, work.scratch[0], net)


@njit(**INNER)
def squared_norm(panels, first, scratch, net):
    """‖v‖² of a vector of the layout of θ in panels, without padding; first = 1: without biases. Writes: scratch."""
    total = 0.0
    for l in range(1, net.L + 1):
        for j in range(0, net.layers[l].n, wide(panels)):
            width = panel_width(panels, net.layers[l].n - j)
            columns, start = min(width, net.layers[l].n - j), weights_at(net, l, j, -1, width)
            panel = stretch(panels, start + first * width, (1 - first + net.layers[l - 1].n) * width)
            if columns == width:  # all of it lies behind one another
                for i in range(0, panel.size, SUMMED):
                    some, numbers = panels.dtype.type(0), stretch(panel, i, min(SUMMED, panel.size - i))
                    for c in range(numbers.size):
                        some += numbers[c] * numbers[c]
                    total += some
            else:
                sums = stretch(scratch, 0, width)
                sum_squares(sums, panel)
                for c in range(columns):
                    total += sums[c]
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


@njit(**INNER)
def limit_norms(work, max_norm, net):
    """w_j ← w_j min(1, c / ‖w_j‖): the weights into each neuron. Writes: θ, scratch."""
    limit = work.theta.dtype.type(max_norm)
    for l in range(1, net.L + 1):
        n_in, n_out = net.layers[l - 1].n, net.layers[l].n
        for j in range(0, n_out, wide(work.theta)):
            width = panel_width(work.theta, n_out - j)
            start, factors = weights_at(net, l, j, 0, width), stretch(work.scratch[0], 0, width)
            sum_squares(factors, stretch(work.theta, start, n_in * width))
            if shrinking(stretch(factors, 0, min(width, n_out - j)), limit):
                for k in range(n_in):
                    w = stretch(work.theta, start + k * width, width)
                    for c in range(width):
                        w[c] *= factors[c]

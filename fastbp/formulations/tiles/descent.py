"""Descent in `tiles`: the gradient of a block of weights is summed in registers and applied at once.

So it need never be in memory, unless a rule of the step needs all of it (`rules.py`), or it is summed in parts.
"""

import math

from numba import prange
from numpy import int64

from fastbp.compiler.call import call
from fastbp.compiler.options import INNER, LEAN, njit
from fastbp.compiler.views import stretch
from fastbp.formulations.rules import apply_rules, begin_rules, shrink
from fastbp.formulations.tiles.gradient import add_parts, sum_parts
from fastbp.formulations.tiles.panels import layer, panel_width, weights_at
from fastbp.formulations.tiles.rules import descend_whole, limit_norms, penalty_of_batch
from fastbp.formulations.tiles.steps import backward_block, errors, forward_block
from fastbp.formulations.tiles.sums import LISTED_FROM, accumulate_gradient, activate, forward, list_samples
from fastbp.formulations.tiles.tile import lanes, wide


@njit(**INNER)
def descend_block(optimizer, work, scratch, listed, start, stop, j, k, n, m, begin, end, net, l):
    """Gradient and update of a block of weights, from `start` to `stop` in θ. Writes: these, their moments, scratch."""
    size, at_once = stop - start, optimizer.plain_descent and begin and end and not optimizer.changes_gradient
    n_biases = size - n * panel_width(work.theta, net.layers[l].n - j)
    if at_once:  # θ ← θ − η ∇C from registers: the gradient is never written
        dw, alpha = stretch(work.theta, start, size), work.theta.dtype.type(-optimizer.hyper[0])
    elif begin and end:
        dw, alpha = stretch(scratch, 0, size), work.theta.dtype.type(1)
    else:
        dw, alpha = stretch(work.gradient, start, size), work.theta.dtype.type(1)
    theta = stretch(work.theta, start, size)
    first = stretch(optimizer.first, start, size) if optimizer.first.size > 0 else theta
    second = stretch(optimizer.second, start, size) if optimizer.second.size > 0 else theta
    if at_once:
        shrink(theta, n_biases, optimizer)
    accumulate_gradient(dw, alpha, theta, first, second, work, listed, 0, m, j, k, n, net, l, begin and not at_once)
    if end and not at_once:
        apply_rules(dw, theta, n_biases, optimizer)
        call(optimizer.update, theta, first, second, optimizer.hyper, optimizer.t, dw)


@njit(**INNER)
def descend_share(thread, n_threads, optimizer, work, m, begin, end, lowest, net):
    """The blocks of weights of the layers from `lowest` on that are one thread's: those that begin in its share.

    From the last to the first: what was changed last is still in the cache when the next step begins with it.
    """
    total, scratch, width = net.layers[net.L + 1].panels_at, work.scratch[thread], wide(work.theta)
    inputs = width if work.rows > 1 else 8 * width  # of a block
    lists = work.listed_samples[thread]
    for l in range(net.L, lowest - 1, -1):
        n_in, n_out = net.layers[l - 1].n, net.layers[l].n
        for k in range((n_in - 1) // inputs * inputs, -1, -inputs):
            n = (min(inputs, n_in - k) + 3) // 4 * 4  # whole tiles, into the padding
            listed = stretch(lists, 0, lists.size if l == 1 and m >= LISTED_FROM else 0)
            if listed.size > 0:
                list_samples(listed, work, m, k, n, net)
            for j in range((n_out - 1) // width * width, -1, -width):
                columns = panel_width(work.theta, n_out - j)
                start = weights_at(net, l, j, k if k > 0 else -1, columns)
                stop = weights_at(net, l, j, k + n, columns)
                if start * n_threads // total == thread:
                    descend_block(optimizer, work, scratch, listed, start, stop, j, k, n, m, begin, end, net, l)


@njit(parallel=True)
def descend(n_threads, optimizer, work, m, begin, end, net):
    """One step down the gradient of the mini-batch whose errors are in the workspace.

    A mini-batch of more samples than the workspace has room for comes in parts: `begin` says that this is the first,
    `end` that it is the last. Until then the gradient is summed in work.gradient.
    Writes: work.theta, the optimizer's moments, work.gradient and work.scratch.
    Parallel: over blocks of weights. Each is one thread's, which sums its gradient over all m samples and updates it at
    once, so the bits do not depend on the number of threads.
    """
    for thread in prange(n_threads):
        descend_share(int64(thread), n_threads, optimizer, work, m, begin, end, 1, net)


@njit(calls=(errors, descend))
def train_epoch(n_threads, optimizer, work, X, Y, order, batch_size, net):
    """Gradient descent through all mini-batches of `order`, one step each. Returns the sum of the samples' costs.

    The cost of a sample is the one before the step that it takes part in. Once the sum is not finite, it takes no more
    steps. Writes: `optimizer`, `work`.
    """
    total_cost, whole = 0.0, optimizer.clip_norm < math.inf
    for start in range(0, order.size, batch_size):
        samples = order[start : start + batch_size]
        mean = begin_rules(optimizer, work.sample_weight, samples)
        share = work.theta.dtype.type(mean)
        optimizer.t[0] += 1
        work.steps[0] += 1
        call(optimizer.begin_step, optimizer.hyper, optimizer.t)
        penalty, cost = penalty_of_batch(optimizer, work, net), 0.0
        for first in range(0, samples.size, work.rows):
            some = samples[first : first + work.rows]
            errors(n_threads, work, X, Y, some, first, share, net)
            end = first + some.size == samples.size and not whole
            descend(n_threads, optimizer, work, some.size, first == 0, end, net)
            for s in range(some.size):
                cost += work.costs[s]
        total_cost += samples.size * (mean * cost + penalty) if optimizer.per_batch else cost
        if whole:
            descend_whole(optimizer, work, net)
        if optimizer.max_norm < math.inf:
            limit_norms(work, optimizer.max_norm, net)
        if not abs(total_cost) < math.inf:  # isfinite is x - x, which fastmath makes 0
            break
    return total_cost


@njit(calls=(sum_parts,))
def train_epoch_in_parts(n_threads, optimizer, work, X, Y, order, batch_size, net):
    """The same by `sum_parts`. A function of its own, so that only those wait for its compilation who need it."""
    total_cost = 0.0
    for start in range(0, order.size, batch_size):
        samples = order[start : start + batch_size]
        mean = begin_rules(optimizer, work.sample_weight, samples)
        optimizer.t[0] += 1
        work.steps[0] += 1
        call(optimizer.begin_step, optimizer.hyper, optimizer.t)
        penalty = penalty_of_batch(optimizer, work, net)
        sum_parts(n_threads, work, X, Y, samples, work.theta.dtype.type(mean), net)
        cost = add_parts(work, samples.size, net)
        total_cost += samples.size * (mean * cost + penalty) if optimizer.per_batch else cost
        descend_whole(optimizer, work, net)
        if optimizer.max_norm < math.inf:
            limit_norms(work, optimizer.max_norm, net)
        if not abs(total_cost) < math.inf:  # isfinite is x - x, which fastmath makes 0
            break
    return total_cost


@njit(**LEAN)
def train_one_by_one(optimizer, work, X, Y, order, net):
    """`train_epoch` of plain descent with one sample a step, which is bound by reading the first layer's weights.

    So they are read once a step: when a weight has changed, its part in the next sample's z is added at once.
    """
    scratch, one, total_cost = work.scratch[0], work.theta.dtype.type(1), 0.0
    z, delta = layer(work.z, net, 1), layer(work.delta, net, 1)
    call(net.functions[0].gather, layer(work.a, net, 0), X, order[:1], 1, 0, X.shape[1])
    forward(work, scratch, 0, 1, net, 1)
    for i in range(order.size):
        x, x_next = X[order[i]], X[order[min(i + 1, order.size - 1)]]
        forward_block(work, scratch, 0, 1, 2, net)
        backward_block(work, scratch, 0, Y, order[i : i + 1], one, net)
        total_cost += work.costs[0]
        optimizer.t[0] += 1
        work.steps[0] += 1
        call(optimizer.begin_step, optimizer.hyper, optimizer.t)
        descend_share(0, 1, optimizer, work, 1, True, True, 2, net)
        for j in range(0, net.layers[1].n, wide(z)):
            width = panel_width(z, net.layers[1].n - j)
            b = stretch(work.theta, weights_at(net, 1, j, -1, width), width)
            w = stretch(work.theta, weights_at(net, 1, j, 0, width), x.size * width)
            step, z_panel = stretch(scratch, 0, width), stretch(z, j, width)
            for c in range(width):
                step[c] = -z.dtype.type(optimizer.hyper[0]) * delta[j + c]
            call(net.functions[width // lanes(z)].step_row, z_panel, x_next, w, b, x, step, x.size)
        activate(work, scratch, 0, 1, net, 1)
        if not abs(total_cost) < math.inf:  # isfinite is x - x, which fastmath makes 0
            break
    return total_cost

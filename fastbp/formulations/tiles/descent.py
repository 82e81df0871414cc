"""Descent in `tiles`: the gradient of a patch of weights is summed in registers and applied at once.

So it need never be in memory, unless a rule of the step needs all of it (`rules.py`), or it is summed in parts.
"""

import math

from numba import prange
from numpy import int64

from fastbp.compiler.call import call
from fastbp.compiler.options import INNER, LEAN, njit
from fastbp.compiler.subnormals import compute_as, flush_subnormals, keep_subnormals
from fastbp.compiler.views import stretch
from fastbp.formulations.rules import begin_rules, has_rules, shrink
from fastbp.formulations.tiles.gradient import PATCH, add_parts, patch_of, share_of, sum_parts
from fastbp.formulations.tiles.lists import LISTED_FROM
from fastbp.formulations.tiles.panel_sums import BLOCK
from fastbp.formulations.tiles.panels import layer, panel_width, rows_at, weights
from fastbp.formulations.tiles.products import Into, from_, lists_of_samples
from fastbp.formulations.tiles.rules import end_step, penalty_of_batch
from fastbp.formulations.tiles.steps import (
    block_of,
    errors,
    errors_of_block,
    rows_of_thread,
    take_samples,
    with_lists,
)
from fastbp.formulations.tiles.sums import accumulate_gradient, activate, forward
from fastbp.formulations.tiles.tile import address_of, lanes, prefetch, wide


@njit(**INNER)
def descend_patch(optimizer, work, patch, block, begin, end, net):
    """Gradient and update of a patch of weights. Writes: these, their moments, scratch or work.gradient.

    `begin` and `end` say that these are the first and the last samples of the mini-batch.
    """
    delta, a = layer(work.delta, net, patch.l), layer(work.passed_on, net, patch.l - 1)
    theta, one = stretch(work.theta, patch.start, patch.size), work.theta.dtype.type(1)
    first = stretch(optimizer.first, patch.start, patch.size) if optimizer.first.size > 0 else theta
    second = stretch(optimizer.second, patch.start, patch.size) if optimizer.second.size > 0 else theta
    n_biases = patch.size - patch.n * panel_width(theta, delta.n - patch.j)
    coming = stretch(block.coming, 0, 1 + (optimizer.first.size > 0) + (optimizer.second.size > 0))
    coming[0], coming[coming.size - 1] = address_of(theta, n_biases), address_of(second, n_biases)
    if coming.size > 1:
        coming[1] = address_of(first, n_biases)
    if optimizer.plain_descent and begin and end and not optimizer.changes_gradient:
        # θ ← θ − η ∇C from registers: the gradient is never written
        shrink(theta, n_biases, optimizer)
        to = Into(theta, work.theta.dtype.type(-optimizer.hyper[0]), False)
        accumulate_gradient(to, delta, a, patch, block, coming, net)
    else:
        dw = stretch(work.gradient, patch.start, patch.size)
        if begin and end:
            dw = stretch(block.scratch, 0, patch.size)
        accumulate_gradient(Into(dw, one, begin), delta, a, patch, block, coming, net)
        if end:
            if has_rules(optimizer):
                call(net.functions[0].apply_rules, dw, theta, n_biases, optimizer)
            call(optimizer.update, theta, first, second, optimizer.hyper, optimizer.t, dw)


@njit(**INNER)
def descend_patches(share, optimizer, work, block, part, lowest, net):
    """The patches of weights of the layers from `lowest` on in a share of θ. part: (begin, end) of `descend`.

    From the last to the first: what was changed last is still in the cache when the next step begins with it.
    """
    width, m = wide(work.theta), block.m
    for l in range(net.L, lowest - 1, -1):
        n_in, n_out = net.layers[l - 1].n, net.layers[l].n
        lists = stretch(block.lists, 0, block.lists.size if l == 1 and m >= LISTED_FROM else 0)
        inputs = width if lists.size > 0 else PATCH * width  # a panel of inputs has lists of its own
        for k in range((n_in - 1) // inputs * inputs, -1, -inputs):
            if lists.size > 0:
                list_samples(lists, work, m, k, min(width, n_in - k), net)
            of_patch = with_lists(block, lists, block.coming)
            for j in range((n_out - 1) // width * width, -1, -width):
                patch = patch_of(work.theta, net, l, j, k, inputs, share)
                if patch.n > 0:
                    descend_patch(optimizer, work, patch, of_patch, part[0], part[1], net)


@njit(**INNER)
def list_samples(lists, work, m, k, n, net):
    """List which samples count for which of n inputs from k on: those in which they are not all 0. Writes: lists."""
    for s in range(0, m, BLOCK):
        here = from_(lists, s // BLOCK * lists_of_samples(work.theta))
        noted = from_(work.noted, k // wide(work.theta) * work.rows + s)
        call(net.functions[0].list_samples, here, noted, min(BLOCK, m - s), n)


def descend_share(thread, n_threads, optimizer, work, m, part, net):
    """The patches of weights that are one thread's: `descend` for them."""
    block = with_lists(rows_of_thread(work, thread, 0, m), work.listed_samples[thread], work.coming[thread])
    share = share_of(thread, n_threads, work.lowest, net)
    descend_patches(share, optimizer, work, block, (part & 1 != 0, part & 2 != 0), work.lowest, net)


FIRST, LAST = 1, 2  # parts of a mini-batch, as bits


@njit(parallel=True)
def descend(n_threads, optimizer, work, m, part, net):
    """One step down the gradient of the m samples whose errors are in the workspace.

    A mini-batch of more samples than the workspace has room for comes in parts: the FIRST, the LAST, or both at once.
    Until the LAST the gradient is summed in work.gradient.
    Writes: work.theta, the optimizer's moments, work.gradient and work.scratch.
    Parallel: over patches of weights. Each is one thread's, which sums its gradient over all m samples and updates it
    at once, so the bits do not depend on the number of threads.
    """
    word = keep_subnormals()
    for thread in prange(n_threads):
        before = compute_as(word)
        call(net.functions[0].descend_share, int64(thread), n_threads, optimizer, work, m, part, net)
        compute_as(before)
    compute_as(word)


@njit(**INNER)
def begin_step(optimizer, work, data, start, batch_size):
    """Count a step, on the mini-batch that begins with `start`. Returns what its costs are multiplied by, often 1/m."""
    stop = min(data.order.size, start + batch_size)
    work.batch[0], work.batch[1] = start, stop - start
    mean = begin_rules(optimizer, data.sample_weight, data.order[start:stop])
    optimizer.t[0] += 1
    work.steps[0] += 1
    call(optimizer.begin_step, optimizer.hyper, optimizer.t)
    return mean


@njit(calls=(errors, descend))
def train_epoch(n_threads, optimizer, work, data, batch_size, net):
    """Gradient descent through all mini-batches of the order, one step each. Returns the sum of the samples' costs.

    The cost of a sample is the one before the step that it takes part in. Once the sum is not finite, it takes no more
    steps. Writes: `optimizer`, `work`.
    """
    before, total_cost, whole = flush_subnormals(), 0.0, optimizer.clip_norm < math.inf or optimizer.rates.size > 0
    for start in range(0, data.order.size, batch_size):
        mean = begin_step(optimizer, work, data, start, batch_size)
        m, penalty, cost = work.batch[1], penalty_of_batch(optimizer, work, net), 0.0
        for first in range(0, m, work.rows):
            some = min(work.rows, m - first)
            errors(n_threads, work, data, start + first, start + first + some, work.theta.dtype.type(mean), net)
            part = FIRST * (first == 0) + LAST * (first + some == m and not whole)
            descend(n_threads, optimizer, work, some, part, net)
            for s in range(some):
                cost += work.costs[s]
        total_cost += m * (mean * cost + penalty) if optimizer.per_batch else cost
        end_step(optimizer, work, whole, net)
        if not abs(total_cost) < math.inf:  # isfinite is x - x, which fastmath makes 0
            break
    compute_as(before)
    return total_cost


@njit(calls=(sum_parts,))
def train_epoch_in_parts(n_threads, optimizer, work, data, batch_size, net):
    """The same by `sum_parts`. A function of its own, so that only those wait for its compilation who need it."""
    before, total_cost = flush_subnormals(), 0.0
    for start in range(0, data.order.size, batch_size):
        mean = begin_step(optimizer, work, data, start, batch_size)
        m, penalty = work.batch[1], penalty_of_batch(optimizer, work, net)
        sum_parts(n_threads, work, data, start, start + m, work.theta.dtype.type(mean), net)
        cost = add_parts(work, m, net)
        total_cost += m * (mean * cost + penalty) if optimizer.per_batch else cost
        end_step(optimizer, work, True, net)
        if not abs(total_cost) < math.inf:  # isfinite is x - x, which fastmath makes 0
            break
    compute_as(before)
    return total_cost


@njit(**LEAN)
def train_one_by_one(n_threads, optimizer, work, data, batch_size, net):
    """`train_epoch` of plain descent with one sample a step, which is bound by reading the first layer's weights.

    So they are read once a step: when a weight has changed, its part in the next sample's z is added at once.
    """
    before = flush_subnormals()
    one, total_cost, n_in, order = work.theta.dtype.type(1), 0.0, net.layers[0].n, data.order
    z, a, delta = layer(work.z, net, 1), layer(work.a, net, 1), layer(work.delta, net, 1)
    w, last = weights(work.theta, net, 1), order.size - 1
    block = block_of(work, data, 0, 0, 0, 1)
    take_samples(work, block, data.X, net)
    forward(z, a, layer(work.a, net, 0), w, block, net.layers[1], True, net)
    for i in range(order.size):
        x, x_next = stretch(data.X, order[i] * n_in, n_in), stretch(data.X, order[min(i + 1, last)] * n_in, n_in)
        later = order[min(i + 2, last)]  # the sample after the next is on its way meanwhile
        prefetch(data.Y, later, 0)
        block = block_of(work, data, 0, 0, i, i + 1)
        errors_of_block(work, data, block, 2, one, net)
        total_cost += work.costs[0]
        begin_step(optimizer, work, data, i, 1)
        block, share = with_lists(block, block.lists, work.coming[0]), share_of(0, 1, 2, net)
        descend_patches(share, optimizer, work, block, (True, True), 2, net)
        for j in range(0, delta.n, wide(z.numbers)):
            delta_j = rows_at(delta, j, 0, 1)
            width = delta_j.size
            of_j, step = rows_at(w, j, 0, 1 + n_in), stretch(block.scratch, 0, width)
            for c in range(width):
                step[c] = -step.dtype.type(optimizer.hyper[0]) * delta_j[c]
            b_j, w_j = stretch(of_j, 0, width), stretch(of_j, width, n_in * width)
            turn, next_turn = n_in * j // z.n, n_in * min(j + width, z.n) // z.n
            coming = stretch(data.X, later * n_in + turn, next_turn - turn)
            call(net.functions[width // lanes(step)].step_row, rows_at(z, j, 0, 1), x_next, w_j, b_j, x, step, coming)
        activate(a, z, block, net.layers[1], net)
        if not abs(total_cost) < math.inf:  # isfinite is x - x, which fastmath makes 0
            break
    compute_as(before)
    return total_cost

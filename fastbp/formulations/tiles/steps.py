"""What `tiles` does in a step, and in an epoch of them: two regions that may run on several threads, and no more.

`errors` goes through all layers forward and back, over blocks of samples, which do not interact. `descend` goes over
blocks of weights; the gradient of each is summed in registers and applied at once, and need never be in memory.
"""

import math

from numba import prange
from numpy import int64

from fastbp.compiler.call import call
from fastbp.compiler.options import INNER, LEAN, njit
from fastbp.compiler.views import stretch
from fastbp.formulations.rules import apply_rules, begin_rules, shrink
from fastbp.formulations.tiles.panels import layer, panel_width, unpack, weights_at
from fastbp.formulations.tiles.rules import descend_whole, limit_norms, penalty_of_batch
from fastbp.formulations.tiles.sums import (
    BLOCK,
    LISTED_FROM,
    accumulate_gradient,
    activate,
    forward,
    list_samples,
    output_error,
    propagate_error,
    rows_of,
    take_rows,
)
from fastbp.formulations.tiles.tile import lanes, wide

PART_BLOCK = 128  # samples that go through all layers together in `sum_parts`
PARTS = 16  # how many parts of the samples there are at most

REGIONS = ("errors", "descend", "sum_parts", "forward_blocks")  # have prange; `compiled.py` makes their serial twins
TWIN, INNER_TWIN = LEAN, INNER  # and compiles them so, those that only other twins call like the latter


@njit(**INNER)
def block_size(m, n_threads):
    """Samples that go through all layers together: as many blocks for each thread, whole tiles, at most BLOCK."""
    n_blocks = (m + BLOCK * n_threads - 1) // (BLOCK * n_threads) * n_threads
    return ((m + n_blocks - 1) // n_blocks + 3) // 4 * 4


@njit(**INNER)
def take_samples(work, X, samples, first, place, net):
    """a⁽⁰⁾ = x for some samples. Writes: their rows from `first` on, their places in the mini-batch; what is noted."""
    call(net.functions[0].gather, layer(work.a, net, 0), X, samples, work.rows, first, X.shape[1])
    if work.noted.size > 0:
        a, note_inputs = layer(work.a, net, 0), net.functions[0].note_inputs
        call(note_inputs, work.noted, a, work.rows, first, samples.size, X.shape[1])
    if work.places.size > 0:
        for s in range(samples.size):
            work.places[first + s] = place + s


@njit(**INNER)
def forward_block(work, scratch, first, m, lowest, net):
    """The layers from `lowest` on for m samples, the one below being in the workspace. Writes: rows of z and a."""
    for l in range(lowest, net.layers.size - 1):
        forward(work, scratch, first, m, net, l)


@njit(**INNER)
def backward_block(work, scratch, first, Y, samples, share, net):
    """The costs of a block of samples and the errors of all layers, from the output back. Writes: those rows of δ."""
    output_error(work, scratch, first, Y, samples, share, net)
    for l in range(net.layers.size - 2, 1, -1):
        propagate_error(work, scratch, first, samples.size, net, l)


@njit(**INNER)
def errors_share(thread, n_threads, work, X, Y, samples, place, share, net):
    """The blocks of samples that are one thread's: `errors` for them."""
    size, scratch = block_size(samples.size, n_threads), work.scratch[thread]
    n_blocks = (samples.size + size - 1) // size
    for i in range(n_blocks * thread // n_threads, n_blocks * (thread + 1) // n_threads):
        mine = samples[i * size : min(samples.size, (i + 1) * size)]
        take_samples(work, X, mine, i * size, place + i * size, net)
        forward_block(work, scratch, i * size, mine.size, 1, net)
        backward_block(work, scratch, i * size, Y, mine, share, net)


@njit(parallel=True)
def errors(n_threads, work, X, Y, samples, place, share, net):
    """Forward through all layers and errors back through all layers, for the samples of a mini-batch or a part of it.

    Shapes: X (n, n_in); Y (n, n_out); samples (≤ work.rows,), rows of X and Y, in the mini-batch from `place` on.
    Writes: work.costs; z, a and δ of every layer.
    Parallel: over blocks of samples, which do not interact; how they are cut changes no bits.
    """
    for thread in prange(n_threads):
        errors_share(int64(thread), n_threads, work, X, Y, samples, place, share, net)


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
    total, scratch, width = net.layers[net.layers.size - 1].panels_at, work.scratch[thread], wide(work.theta)
    inputs = width if work.rows > 1 else 8 * width  # of a block
    lists = work.listed_samples[thread]
    for l in range(net.layers.size - 2, lowest - 1, -1):
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


@njit(**INNER)
def part_size(m):
    """How many samples' gradient is one part of the sum in `sum_parts`: whole blocks, so that there are ≤ PARTS."""
    return (m + PART_BLOCK * PARTS - 1) // (PART_BLOCK * PARTS) * PART_BLOCK


@njit(**INNER)
def sum_part(thread, part, work, X, Y, samples, place, share, net):
    """The gradient of the samples of one part, a block after the other. Writes: its row of work.gradient, its cost."""
    size, first, scratch = net.layers[-1].panels_at, thread * PART_BLOCK, work.scratch[thread]
    dw, one, width, cost = stretch(work.gradient, part * size, size), work.theta.dtype.type(1), wide(work.theta), 0.0
    no_list = stretch(work.listed_inputs, 0, 0)
    for start in range(0, samples.size, PART_BLOCK):
        mine = samples[start : start + PART_BLOCK]
        take_samples(work, X, mine, first, place + start, net)
        forward_block(work, scratch, first, mine.size, 1, net)
        backward_block(work, scratch, first, Y, mine, share, net)
        costs = stretch(work.costs, first, mine.size)
        for s in range(mine.size):
            cost += costs[s]
        for l in range(1, net.layers.size - 1):
            n_in, n_out = net.layers[l - 1].n, net.layers[l].n
            for j in range(0, n_out, width):
                columns = panel_width(work.theta, n_out - j)
                for k in range(0, n_in, width):
                    n = (min(width, n_in - k) + 3) // 4 * 4  # whole tiles, into the padding
                    at = weights_at(net, l, j, k if k > 0 else -1, columns)
                    weights = stretch(dw, at, weights_at(net, l, j, k + n, columns) - at)
                    block_of = first, mine.size, j, k, n, net, l, start == 0
                    accumulate_gradient(weights, one, weights, weights, weights, work, no_list, *block_of)
    work.costs[work.rows + part] = cost


@njit(parallel=True)
def sum_parts(n_threads, work, X, Y, samples, share, net):
    """`errors` and the sum of the gradient at once, for few weights and many samples: those are cut into parts.

    Writes: work.gradient, a row for each part; work.costs behind those of samples, the parts' costs.
    Parallel: over parts. They are cut in the same way for any number of threads, and so is then the sum over them.
    """
    size = part_size(samples.size)
    n_parts = (samples.size + size - 1) // size
    for thread in prange(n_threads):
        for part in range(n_parts * thread // n_threads, n_parts * (thread + 1) // n_threads):
            mine = samples[part * size : (part + 1) * size]
            sum_part(int64(thread), part, work, X, Y, mine, part * size, share, net)


@njit(**INNER)
def add_parts(work, m, net):
    """The gradient of all m samples from that of their parts; returns the cost. Writes: row 0 of work.gradient."""
    size, n_parts, total_cost = net.layers[-1].panels_at, (m + part_size(m) - 1) // part_size(m), work.costs[work.rows]
    dw = stretch(work.gradient, 0, size)
    for part in range(1, n_parts):
        more = stretch(work.gradient, part * size, size)
        for i in range(size):
            dw[i] += more[i]
        total_cost += work.costs[work.rows + part]
    return total_cost


@njit
def gradient(n_threads, vector, work, optimizer, X, Y, samples, net):
    """Write the gradient of the mean cost of a mini-batch into `vector`, of the layout of θ. Returns the sum of costs.

    Shapes: as `errors`. Writes: vector, work.
    """
    total_cost, share = 0.0, work.theta.dtype.type(1 / samples.size)
    for first in range(0, samples.size, work.rows):
        some = samples[first : first + work.rows]
        errors(n_threads, work, X, Y, some, first, share, net)
        descend(n_threads, optimizer, work, some.size, first == 0, first < 0, net)
        for s in range(some.size):
            total_cost += work.costs[s]
    unpack(vector, work.gradient, net)
    return total_cost


@njit
def gradient_in_parts(n_threads, vector, work, optimizer, X, Y, samples, net):
    """The same by `sum_parts`."""
    sum_parts(n_threads, work, X, Y, samples, work.theta.dtype.type(1 / samples.size), net)
    total_cost = add_parts(work, samples.size, net)
    unpack(vector, work.gradient, net)
    return total_cost


@njit
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


@njit
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


@njit(**INNER)
def forward_share(thread, n_threads, outputs, work, X, samples, net):
    """The blocks of rows that are one thread's: `forward_blocks` for them."""
    size, scratch, l = block_size(samples.size, n_threads), work.scratch[thread], net.layers.size - 2
    n, n_blocks = net.layers[l].n, (samples.size + size - 1) // size
    for i in range(n_blocks * thread // n_threads, n_blocks * (thread + 1) // n_threads):
        mine = samples[i * size : min(samples.size, (i + 1) * size)]
        call(net.functions[0].gather, layer(work.a, net, 0), X, mine, work.rows, i * size, X.shape[1])
        forward_block(work, scratch, i * size, mine.size, 1, net)
        take_rows(
            stretch(outputs, i * size * n, mine.size * n), layer(work.a, net, l), work.rows, i * size, mine.size, n
        )


@njit(parallel=True)
def forward_blocks(n_threads, outputs, work, X, samples, net):
    """All layers for some rows of X, as many as the workspace has room for. Writes: outputs; z and a of every layer.

    Parallel: over blocks of rows.
    """
    for thread in prange(n_threads):
        forward_share(int64(thread), n_threads, outputs, work, X, samples, net)


@njit(**LEAN)
def costs_of_rows(costs, work, Y, net):
    """C of every row of Y, from the output layer that is in the workspace. Writes: costs."""
    l, cost = net.layers.size - 2, net.functions[0]
    n, scratch, z, a = net.layers[l].n, work.scratch[0], layer(work.z, net, l), layer(work.a, net, l)
    for s in range(costs.size):
        z_s, a_s = rows_of(z, scratch, 0, work.rows, s, 1, n), rows_of(a, scratch, n, work.rows, s, 1, n)
        y_s = stretch(scratch, 2 * n, n)
        for j in range(n):
            y_s[j] = Y[s, j]
        call(cost.cost, stretch(costs, s, 1), stretch(z_s, 0, n), stretch(a_s, 0, n), y_s, n, cost.parameter)

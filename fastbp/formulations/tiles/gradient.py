"""The gradient of a mini-batch in `tiles`: summed over blocks of weights, or, where those are few, over parts of it."""

from numba import prange
from numpy import int64

from fastbp.compiler.options import INNER, njit
from fastbp.compiler.views import stretch
from fastbp.formulations.tiles.panels import panel_width, unpack, weights_at
from fastbp.formulations.tiles.steps import backward_block, errors, forward_block, take_samples
from fastbp.formulations.tiles.sums import accumulate_gradient
from fastbp.formulations.tiles.tile import wide

PART_BLOCK = 128  # samples that go through all layers together in `sum_parts`
PARTS = 16  # how many parts of the samples there are at most


@njit(**INNER)
def sum_layer(gradient, work, first, m, begin, mine, net, l):
    """∂C/∂w and ∂C/∂b of layer l, m samples from row `first` on: those blocks of weights that are `mine`.

    Unless `begin`, added to what is there. mine: (thread, n_threads), the blocks that begin in the share of θ of one of
    so many threads. Shapes: gradient, as θ in panels. Writes: gradient.
    """
    n_in, n_out, width, one = net.layers[l - 1].n, net.layers[l].n, wide(gradient), gradient.dtype.type(1)
    inputs = width if work.rows > 1 else 8 * width  # of a block
    total, no_list = net.layers[net.L + 1].panels_at, stretch(work.listed_inputs, 0, 0)
    thread, n_threads = mine
    for j in range(0, n_out, width):
        columns = panel_width(gradient, n_out - j)
        for k in range(0, n_in, inputs):
            n = (min(inputs, n_in - k) + 3) // 4 * 4  # whole tiles, into the padding
            start = weights_at(net, l, j, k if k > 0 else -1, columns)
            if start * n_threads // total == thread:
                dw = stretch(gradient, start, weights_at(net, l, j, k + n, columns) - start)
                accumulate_gradient(dw, one, dw, dw, dw, work, no_list, first, m, j, k, n, net, l, begin)


@njit(parallel=True)
def sum_gradient(n_threads, work, m, begin, net):
    """The gradient of the m samples whose errors are in the workspace, unless `begin` added to what is there.

    Writes: work.gradient, in panels. Parallel: over blocks of weights. Each is one thread's, which sums over all m
    samples, so the bits do not depend on the number of threads.
    """
    for thread in prange(n_threads):
        for l in range(1, net.L + 1):
            sum_layer(work.gradient, work, 0, m, begin, (int64(thread), n_threads), net, l)


@njit(**INNER)
def part_size(m):
    """How many samples' gradient is one part of the sum in `sum_parts`: whole blocks, so that there are ≤ PARTS."""
    return (m + PART_BLOCK * PARTS - 1) // (PART_BLOCK * PARTS) * PART_BLOCK


@njit(**INNER)
def sum_part(thread, part, work, X, Y, samples, place, share, net):
    """The gradient of the samples of one part, a block after the other. Writes: its row of work.gradient, its cost."""
    size, first, scratch = net.layers[-1].panels_at, thread * PART_BLOCK, work.scratch[thread]
    dw, cost = stretch(work.gradient, part * size, size), 0.0
    for start in range(0, samples.size, PART_BLOCK):
        mine = samples[start : start + PART_BLOCK]
        take_samples(work, X, mine, first, place + start, net)
        forward_block(work, scratch, first, mine.size, 1, net)
        backward_block(work, scratch, first, Y, mine, share, net)
        costs = stretch(work.costs, first, mine.size)
        for s in range(mine.size):
            cost += costs[s]
        for l in range(1, net.L + 1):
            sum_layer(dw, work, first, mine.size, start == 0, (0, 1), net, l)
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


@njit(calls=(errors, sum_gradient))
def gradient(n_threads, vector, work, X, Y, samples, net):
    """Write the gradient of the mean cost of a mini-batch into `vector`, of the layout of θ. Returns the sum of costs.

    Shapes: as `errors`. Writes: vector, work.
    """
    total_cost, share = 0.0, work.theta.dtype.type(1 / samples.size)
    for first in range(0, samples.size, work.rows):
        some = samples[first : first + work.rows]
        errors(n_threads, work, X, Y, some, first, share, net)
        sum_gradient(n_threads, work, some.size, first == 0, net)
        for s in range(some.size):
            total_cost += work.costs[s]
    unpack(vector, work.gradient, net)
    return total_cost


@njit(calls=(sum_parts,))
def gradient_in_parts(n_threads, vector, work, X, Y, samples, net):
    """The same by `sum_parts`."""
    sum_parts(n_threads, work, X, Y, samples, work.theta.dtype.type(1 / samples.size), net)
    total_cost = add_parts(work, samples.size, net)
    unpack(vector, work.gradient, net)
    return total_cost

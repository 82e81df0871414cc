"""All layers forward and back in `tiles`, over blocks of samples, which do not interact."""

from numba import prange
from numpy import int64

from fastbp.compiler.call import call
from fastbp.compiler.options import INNER, LEAN, njit
from fastbp.compiler.subnormals import compute_as, keep_subnormals
from fastbp.compiler.views import stretch
from fastbp.formulations.dropout import drop, layer_key
from fastbp.formulations.output_weights import weighted_cost
from fastbp.formulations.tiles.lists import LISTED_FROM
from fastbp.formulations.tiles.panel_sums import BLOCK
from fastbp.formulations.tiles.panels import Block, layer, rows_at, weights
from fastbp.formulations.tiles.rows import rows_of, take_layer
from fastbp.formulations.tiles.sums import forward, output_error, propagate_error
from fastbp.formulations.tiles.tile import address_of, prefetch, wide


@njit(**INNER)
def block_size(m, n_threads):
    """Samples that go through all layers together: as many blocks for each thread, whole tiles, at most BLOCK."""
    n_blocks = (m + BLOCK * n_threads - 1) // (BLOCK * n_threads) * n_threads
    return ((m + n_blocks - 1) // n_blocks + 3) // 4 * 4


@njit(**INNER)
def own_blocks(thread, n_threads, m):
    """The blocks of m samples that are one thread's: (size, the first, the one after the last)."""
    size = block_size(m, n_threads)
    n_blocks = (m + size - 1) // size
    return size, n_blocks * thread // n_threads, n_blocks * (thread + 1) // n_threads


@njit(**INNER)
def block_of(work, data, thread, first, start, stop):
    """The samples from `start` to `stop` of the order, in the rows from `first` on of z, a and δ."""
    block = rows_of_thread(work, thread, first, stop - start)
    samples, place = data.order[start:stop], start - work.batch[0]
    return Block(first, block.m, samples, place, block.scratch, block.lists, block.coming, block.where)


@njit(**INNER)
def rows_of_thread(work, thread, first, m):
    """m rows from `first` on of z, a and δ as a block, without the samples that they belong to."""
    none, no_lists = stretch(work.batch, 0, 0), stretch(work.listed_inputs, 0, 0)
    return Block(first, m, none, 0, work.scratch[thread], no_lists, none, work.where[thread])


@njit(**INNER)
def with_lists(block, lists, coming):
    """The same block with these lists and addresses."""
    return Block(block.first, block.m, block.samples, block.place, block.scratch, lists, coming, block.where)


@njit(**INNER)
def take_samples(work, block, X, net):
    """a⁽⁰⁾ = x for a block of samples. Writes: their rows of it."""
    a = layer(work.passed_on, net, 0)
    call(net.functions[0].gather, a.numbers, X, block.samples, a.rows, block.first, a.n)


@njit(**INNER)
def forward_block(work, block, first, last, net):
    """The layers from `first` to `last`, the one below being in the workspace. Writes: the block's rows of z and a."""
    for l in range(first, last + 1):
        z, a, a_previous = layer(work.z, net, l), layer(work.a, net, l), layer(work.passed_on, net, l - 1)
        forward(z, a, a_previous, weights(work.theta, net, l), block, net.layers[l], l == 1, net)
        if l < work.dropout.size:
            of_block = block.first, block.m, block.place
            call(net.functions[0].drop_neurons, work.passed_on, work.a, work, *of_block, l, net)


@njit(**INNER)
def errors_of_block(work, data, block, first, share, net):
    """The layers from `first` on, the costs, and the errors of all layers, from the output back: a block of samples.

    Writes: the block's rows of z, a and δ; its costs.
    """
    forward_block(work, block, first, net.L, net)
    z, a, delta = layer(work.z, net, net.L), layer(work.a, net, net.L), layer(work.delta, net, net.L)
    output_error(delta, z, a, data, work.costs, block, share, net)
    propagate_errors(work, block, net.L, work.lowest, net)


@njit(**INNER)
def propagate_errors(work, block, last, first, net):
    """The errors of the layers before the `last`, down to the `first`. Writes: the block's rows of δ."""
    for l in range(last, first, -1):
        delta_previous, delta, w = layer(work.delta, net, l - 1), layer(work.delta, net, l), weights(work.theta, net, l)
        z, a = layer(work.z, net, l - 1), layer(work.a, net, l - 1)
        propagate_error(delta_previous, z, a, w, delta, block, net.layers[l - 1], net)
        if l - 1 < work.dropout.size:
            of_block = block.first, block.m, block.place
            call(net.functions[0].drop_neurons, work.delta, work.delta, work, *of_block, l - 1, net)


def drop_neurons(to, values, work, first, m, place, l, net):
    """Copy m rows of layer l of a or δ, without the neurons that are dropped, each sample its own. Writes: `to`.

    `to` and `values` hold all layers; the first row's sample has this place in its mini-batch.
    """
    to, values = layer(to, net, l), layer(values, net, l)
    for j in range(0, to.n, wide(to.numbers)):
        for s in range(m):
            row, of_row = rows_at(to, j, first + s, 1), rows_at(values, j, first + s, 1)
            for c in range(row.size):
                row[c] = of_row[c]
            drop(row, work.dropout[l], layer_key(work.seed, work.steps[0], l, place + s), j)


@njit(**INNER)
def list_inputs(work, block, net):
    """List the inputs of a block that are not 0, if it pays; return how many numbers the lists have. Writes: lists."""
    a = layer(work.passed_on, net, 0)
    if work.noted.size == 0:
        return 0
    call(net.functions[0].note_inputs, work.noted, a.numbers, block.first, block.m, a.n)
    if block.m < LISTED_FROM:
        return 0
    call(net.functions[0].list_inputs, work.listed_inputs, work.noted, a.numbers, block.first, block.m, a.n)
    return work.listed_inputs.size


@njit(**INNER)
def addresses_of_next(work, data, thread, start, stop, net):
    """Where the inputs of the samples from `start` to `stop` of the order lie; return how many. Writes: work.coming."""
    coming, X, Y, order, n = work.coming[thread], data.X, data.Y, data.order, net.layers[0].n
    count = max(0, min(min(stop, order.size) - start, coming.size))
    for i in range(count):
        coming[i] = address_of(X, order[start + i] * n)
        prefetch(Y, order[start + i], 0)
    return count


def errors_share(thread, n_threads, work, data, start, stop, share, net):
    """The blocks of samples that are one thread's: `errors` for them.

    While one goes through the first layer, the inputs of the next are prefetched: the thread's next of these samples,
    or its first of the next mini-batch.
    """
    size, mine, last = own_blocks(thread, n_threads, stop - start)
    for i in range(mine, last):
        begin, end = start + i * size, min(stop, start + (i + 1) * size)
        block = block_of(work, data, thread, i * size, begin, end)
        take_samples(work, block, data.X, net)
        following = begin + size if i + 1 < last else start + mine * size + work.batch[1]
        coming = stretch(
            work.coming[thread], 0, addresses_of_next(work, data, thread, following, following + size, net)
        )
        lists = stretch(work.listed_inputs, 0, list_inputs(work, block, net))
        errors_of_block(work, data, with_lists(block, lists, coming), 1, share, net)


@njit(parallel=True)
def errors(n_threads, work, data, start, stop, share, net):
    """Forward through all layers and errors back through all layers, for the samples from `start` to `stop`.

    They are a mini-batch or a part of it, as many as the workspace has rows. Writes: work.costs; z, a and δ of every
    layer. Parallel: over blocks of samples, which do not interact; how they are cut changes no bits.
    """
    word = keep_subnormals()
    for thread in prange(n_threads):
        before = compute_as(word)
        call(net.functions[0].errors_share, int64(thread), n_threads, work, data, start, stop, share, net)
        compute_as(before)
    compute_as(word)


def forward_share(thread, n_threads, outputs, work, data, start, stop, net):
    """The blocks of rows that are one thread's: `forward_blocks` for them."""
    size, mine, last = own_blocks(thread, n_threads, stop - start)
    a = layer(work.a, net, net.L)
    for i in range(mine, last):
        begin, end = start + i * size, min(stop, start + (i + 1) * size)
        block = block_of(work, data, thread, i * size, begin, end)
        take_samples(work, block, data.X, net)
        forward_block(work, block, 1, net.L, net)
        take_layer(stretch(outputs, begin * a.n, block.m * a.n), a, block.first, block.m, net)


@njit(parallel=True)
def forward_blocks(n_threads, outputs, work, data, start, stop, net):
    """All layers for some rows of X, as many as the workspace has room for. Writes: outputs; z and a of every layer.

    Shapes: outputs (n, n_out), of all rows. Parallel: over blocks of rows.
    """
    for thread in prange(n_threads):
        call(net.functions[0].forward_share, int64(thread), n_threads, outputs, work, data, start, stop, net)


@njit(**LEAN)
def costs_of_rows(costs, work, Y, net):
    """C of every row of Y, from the output layer that is in the workspace. Writes: costs."""
    z, a, scratch = layer(work.z, net, net.L), layer(work.a, net, net.L), work.scratch[0]
    n = z.n
    for s in range(costs.size):
        z_s, a_s = rows_of(z, scratch, 0, s, 1, net), rows_of(a, scratch, n, s, 1, net)
        y_s = stretch(scratch, 2 * n, n)
        for j in range(n):
            y_s[j] = Y[s, j]
        call(net.cost, stretch(costs, s, 1), stretch(z_s, 0, n), stretch(a_s, 0, n), y_s, n, net.cost_parameter)


@njit(**LEAN)
def weighted_costs_of_rows(costs, work, Y, weights, net):
    """The same with a weight for each output. Shapes: Y, weights (m, n_out). Writes: costs."""
    z, a, scratch = layer(work.z, net, net.L), layer(work.a, net, net.L), work.scratch[0]
    for s in range(costs.size):
        z_s, a_s = rows_of(z, scratch, 0, s, 1, net), rows_of(a, scratch, z.n, s, 1, net)
        weighted_cost(stretch(costs, s, 1), z_s, a_s, Y[s], weights[s], net)

"""All layers forward and back in `tiles`, over blocks of samples, which do not interact."""

from numba import prange
from numpy import int64

from fastbp.compiler.call import call
from fastbp.compiler.options import INNER, LEAN, njit
from fastbp.compiler.views import stretch
from fastbp.formulations.tiles.panels import layer
from fastbp.formulations.tiles.sums import BLOCK, forward, output_error, propagate_error, rows_of, take_rows


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
    for l in range(lowest, net.L + 1):
        forward(work, scratch, first, m, net, l)


@njit(**INNER)
def backward_block(work, scratch, first, Y, samples, share, net):
    """The costs of a block of samples and the errors of all layers, from the output back. Writes: those rows of δ."""
    output_error(work, scratch, first, Y, samples, share, net)
    for l in range(net.L, 1, -1):
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
def forward_share(thread, n_threads, outputs, work, X, samples, net):
    """The blocks of rows that are one thread's: `forward_blocks` for them."""
    size, scratch, l = block_size(samples.size, n_threads), work.scratch[thread], net.L
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
    l, scratch = net.L, work.scratch[0]
    n, z, a = net.layers[l].n, layer(work.z, net, l), layer(work.a, net, l)
    for s in range(costs.size):
        z_s, a_s = rows_of(z, scratch, 0, work.rows, s, 1, n), rows_of(a, scratch, n, work.rows, s, 1, n)
        y_s = stretch(scratch, 2 * n, n)
        for j in range(n):
            y_s[j] = Y[s, j]
        call(net.cost, stretch(costs, s, 1), stretch(z_s, 0, n), stretch(a_s, 0, n), y_s, n, net.cost_parameter)

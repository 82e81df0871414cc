"""Products with matrices of second derivatives and with Jacobians: regions that may run on several threads, no more.

As in `tiles`: in `tangent_blocks` a thread owns samples, in `sum_products` weights; where weights are few and
samples many, `product_parts` does both at once, for parts of the samples that are always cut in the same way.
"""

from numba import prange
from numpy import int64

from fastbp.compiler.call import call
from fastbp.compiler.options import INNER, njit
from fastbp.compiler.views import stretch
from fastbp.derivatives.tangents import (
    HESSIAN,
    add_products,
    forward_tangent,
    output_tangent,
    propagate_tangent,
)
from fastbp.formulations.tiles.gradient import PART_BLOCK, part_size
from fastbp.formulations.tiles.panels import layer, unpack
from fastbp.formulations.tiles.steps import block_size, forward_block, take_samples
from fastbp.formulations.tiles.sums import propagate_error, take_rows


@njit(**INNER)
def tangent_block(work, dot, scratch, first, X, Y, samples, kind, share, net, tangents):
    """Forward and back with tangents, a block of samples. Writes: its rows of z, a, δ, ż, ȧ and δ̇."""
    m, L = samples.size, net.L
    take_samples(work, X, samples, first, first, net)
    forward_block(work, scratch, first, m, 1, net)
    for l in range(1, L + 1):
        forward_tangent(work, dot, scratch, first, m, False, net, tangents, l)
    output_tangent(work, dot, scratch, first, Y, samples, kind, share, net, tangents)
    for l in range(L, 1, -1):
        if kind == HESSIAN:
            propagate_tangent(work, dot, scratch, first, m, net, tangents, l)
        else:
            propagate_error(work, scratch, first, m, net, l)


@njit(**INNER)
def tangent_share(thread, n_threads, work, dot, X, Y, samples, kind, share, net, tangents):
    """The blocks of samples that are one thread's: `tangent_blocks` for them."""
    size, scratch = block_size(samples.size, n_threads), work.scratch[thread]
    n_blocks = (samples.size + size - 1) // size
    for i in range(n_blocks * thread // n_threads, n_blocks * (thread + 1) // n_threads):
        mine = samples[i * size : min(samples.size, (i + 1) * size)]
        tangent_block(work, dot, scratch, i * size, X, Y, mine, kind, share, net, tangents)


@njit(parallel=True)
def tangent_blocks(n_threads, work, dot, X, Y, samples, kind, share, net, tangents):
    """Forward through all layers and back, with the tangents along v, for some samples.

    Shapes: X (n, n_in); Y (n, n_out); samples (≤ work.rows,), rows of X and Y.
    Writes: z, a and δ of every layer in `work`, ż, ȧ and δ̇ in `dot`.
    Parallel: over blocks of samples, which do not interact; how they are cut changes no bits.
    """
    for thread in prange(n_threads):
        tangent_share(int64(thread), n_threads, work, dot, X, Y, samples, kind, share, net, tangents)


@njit(parallel=True)
def sum_products(n_threads, work, dot, kind, m, net):
    """The product of v and the matrix from what `tangent_blocks` left, m samples. Writes: work.gradient, adding to it.

    Parallel: over blocks of weights, each one thread's, which sums over all samples.
    """
    for thread in prange(n_threads):
        add_products(int64(thread), n_threads, work.gradient, work, dot, kind, 0, m, net)


@njit(**INNER)
def product_part(thread, part, work, dot, X, Y, samples, kind, share, net, tangents):
    """The samples of one part, a block after the other. Writes: its row of work.gradient."""
    size, first = net.layers[-1].panels_at, thread * PART_BLOCK
    gradient = stretch(work.gradient, part * size, size)
    for i in range(size):
        gradient[i] = 0
    for start in range(0, samples.size, PART_BLOCK):
        mine = samples[start : start + PART_BLOCK]
        tangent_block(work, dot, work.scratch[thread], first, X, Y, mine, kind, share, net, tangents)
        add_products(0, 1, gradient, work, dot, kind, first, mine.size, net)


@njit(parallel=True)
def product_parts(n_threads, work, dot, X, Y, samples, kind, share, net, tangents):
    """`tangent_blocks` and `sum_products` at once, for few weights and many samples.

    Writes: work.gradient, a row for each part.
    Parallel: over parts, which are cut in the same way for any number of threads; so is then the sum over them.
    """
    size = part_size(samples.size)
    n_parts = (samples.size + size - 1) // size
    for thread in prange(n_threads):
        for part in range(n_parts * thread // n_threads, n_parts * (thread + 1) // n_threads):
            mine = samples[part * size : (part + 1) * size]
            product_part(int64(thread), part, work, dot, X, Y, mine, kind, share, net, tangents)


@njit(calls=(tangent_blocks, sum_products))
def product(n_threads, vector, work, dot, X, Y, samples, kind, net, tangents):
    """The product of v and a matrix of second derivatives of the mean cost. Writes: vector, in the order of θ; work."""
    share = work.theta.dtype.type(1 / samples.size)
    work.gradient[:] = 0
    for first in range(0, samples.size, work.rows):
        some = samples[first : first + work.rows]
        tangent_blocks(n_threads, work, dot, X, Y, some, kind, share, net, tangents)
        sum_products(n_threads, work, dot, kind, some.size, net)
    unpack(vector, work.gradient, net)


@njit(calls=(product_parts,))
def product_in_parts(n_threads, vector, work, dot, X, Y, samples, kind, net, tangents):
    """The same by `product_parts`."""
    share, size = work.theta.dtype.type(1 / samples.size), net.layers[-1].panels_at
    product_parts(n_threads, work, dot, X, Y, samples, kind, share, net, tangents)
    total = work.gradient[:size]
    for part in range(1, (samples.size + part_size(samples.size) - 1) // part_size(samples.size)):
        more = work.gradient[part * size : (part + 1) * size]
        for i in range(size):
            total[i] += more[i]
    unpack(vector, work.gradient, net)


@njit(**INNER)
def jvp_share(thread, n_threads, outputs, work, dot, X, V, samples, net, tangents):
    """The blocks of rows that are one thread's: `jvp_blocks` for them."""
    size, scratch, L = block_size(samples.size, n_threads), work.scratch[thread], net.L
    n, n_blocks = net.layers[L].n, (samples.size + size - 1) // size
    for i in range(n_blocks * thread // n_threads, n_blocks * (thread + 1) // n_threads):
        mine = samples[i * size : min(samples.size, (i + 1) * size)]
        take_samples(work, X, mine, i * size, i * size, net)
        call(net.functions[0].gather, layer(dot.a, net, 0), V, mine, work.rows, i * size, V.shape[1])
        forward_block(work, scratch, i * size, mine.size, 1, net)
        for l in range(1, L + 1):
            forward_tangent(work, dot, scratch, i * size, mine.size, True, net, tangents, l)
        to = stretch(outputs, i * size * n, mine.size * n)
        take_rows(to, layer(dot.a, net, L), work.rows, i * size, mine.size, n)


@njit(parallel=True)
def jvp_blocks(n_threads, outputs, work, dot, X, V, samples, net, tangents):
    """ȧ⁽ᴸ⁾ when x moves along v, for some rows of X and V, as many as the workspace has room for.

    Shapes: outputs (samples.size, n_out); X, V (n, n_in). Writes: outputs; z and a in `work`, ż and ȧ in `dot`.
    Parallel: over blocks of rows.
    """
    for thread in prange(n_threads):
        jvp_share(int64(thread), n_threads, outputs, work, dot, X, V, samples, net, tangents)

"""Products with matrices of second derivatives and with Jacobians: regions that may run on several threads, no more.

As in `tiles`: in `tangent_blocks` a thread owns samples, in `sum_products` weights; where weights are few and
samples many, `product_parts` does both at once, for parts of the samples that are always cut in the same way. What a
thread does is its share, a function that is called by address (`by_address.py`), and so gets its arguments one by one.
"""

from numba import prange
from numpy import int64

from fastbp.compiler.call import call
from fastbp.compiler.options import INNER, njit
from fastbp.compiler.views import stretch
from fastbp.derivatives.tangents import HESSIAN, add_products, forward_tangent, output_tangent, propagate_tangent
from fastbp.formulations.tiles.gradient import PART_BLOCK, part_size, share_of
from fastbp.formulations.tiles.panels import layer
from fastbp.formulations.tiles.rows import take_layer
from fastbp.formulations.tiles.steps import (
    block_of,
    forward_block,
    own_blocks,
    propagate_errors,
    rows_of_thread,
    take_samples,
)


@njit(**INNER)
def tangent_block(work, dot, data, block, kind, share, net, functions):
    """Forward and back with tangents, a block of samples. Writes: its rows of z, a, δ, ż, ȧ and δ̇."""
    take_samples(work, block, data.X, net)
    forward_block(work, block, 1, net.L, net)
    for l in range(1, net.L + 1):
        forward_tangent(work, dot, block, False, net, functions, l)
    output_tangent(work, dot, block, data, kind, share, net, functions)
    if kind == HESSIAN:
        for l in range(net.L, 1, -1):
            propagate_tangent(work, dot, block, net, functions, l)
    else:
        propagate_errors(work, block, net.L, 1, net)


def tangent_share(thread, n_threads, work, dot, data, start, stop, kind, share, net, functions):
    """The blocks of samples that are one thread's: `tangent_blocks` for them."""
    size, mine, last = own_blocks(thread, n_threads, stop - start)
    for i in range(mine, last):
        block = block_of(work, data, thread, i * size, start + i * size, min(stop, start + (i + 1) * size))
        tangent_block(work, dot, data, block, kind, share, net, functions)


@njit(parallel=True)
def tangent_blocks(n_threads, work, dot, data, samples, kind, share, net, functions):
    """Forward through all layers and back, with the tangents along v, for the samples (start, stop) of the order.

    Writes: z, a and δ of every layer in `work`, ż, ȧ and δ̇ in `dot`.
    Parallel: over blocks of samples, which do not interact; how they are cut changes no bits.
    """
    (start, stop), of_thread = samples, functions.shares[0].tangent_share
    for thread in prange(n_threads):
        call(of_thread, int64(thread), n_threads, work, dot, data, start, stop, kind, share, net, functions)


def products_share(thread, n_threads, gradient, work, dot, kind, m, net):
    """The patches of weights that are one thread's: `sum_products` for them."""
    share, block = share_of(thread, n_threads, 1, net), rows_of_thread(work, thread, 0, m)
    add_products(gradient, share, work, dot, kind, block, net)


@njit(parallel=True)
def sum_products(n_threads, gradient, work, dot, kind, m, net, functions):
    """The product of v and the matrix from what `tangent_blocks` left, m samples. Writes: gradient, adding to it.

    Parallel: over patches of weights, each one thread's, which sums over all samples.
    """
    of_thread = functions.shares[0].products_share
    for thread in prange(n_threads):
        call(of_thread, int64(thread), n_threads, gradient, work, dot, kind, m, net)


@njit(**INNER)
def product_part(thread, part, work, dot, data, kind, share, net, functions):
    """The samples of one part, a block after the other. Writes: its row of work.gradient."""
    size, n = net.layers[-1].panels_at, data.order.size
    gradient = stretch(work.gradient, part * size, size)
    for i in range(size):
        gradient[i] = 0
    stop = min(n, (part + 1) * part_size(n))
    for start in range(part * part_size(n), stop, PART_BLOCK):
        block = block_of(work, data, thread, thread * PART_BLOCK, start, min(stop, start + PART_BLOCK))
        tangent_block(work, dot, data, block, kind, share, net, functions)
        add_products(gradient, share_of(0, 1, 1, net), work, dot, kind, block, net)


def product_part_share(thread, n_threads, work, dot, data, kind, share, net, functions):
    """The parts that are one thread's: `product_parts` for them."""
    n_parts = (data.order.size + part_size(data.order.size) - 1) // part_size(data.order.size)
    for part in range(n_parts * thread // n_threads, n_parts * (thread + 1) // n_threads):
        product_part(thread, part, work, dot, data, kind, share, net, functions)


@njit(parallel=True)
def product_parts(n_threads, work, dot, data, kind, share, net, functions):
    """`tangent_blocks` and `sum_products` at once, for few weights and many samples.

    Writes: work.gradient, a row for each part.
    Parallel: over parts, which are cut in the same way for any number of threads; so is then the sum over them.
    """
    of_thread = functions.shares[0].product_part_share
    for thread in prange(n_threads):
        call(of_thread, int64(thread), n_threads, work, dot, data, kind, share, net, functions)


@njit(calls=(tangent_blocks, sum_products))
def product(n_threads, work, dot, data, kind, net, functions):
    """The product of v and a matrix of second derivatives of the mean cost. Writes: work.gradient, in panels; work."""
    n = data.order.size
    share = work.theta.dtype.type(1 / n)
    work.gradient[:] = 0
    for first in range(0, n, work.rows):
        m = min(work.rows, n - first)
        tangent_blocks(n_threads, work, dot, data, (first, first + m), kind, share, net, functions)
        sum_products(n_threads, work.gradient, work, dot, kind, m, net, functions)


@njit(calls=(product_parts,))
def product_in_parts(n_threads, work, dot, data, kind, net, functions):
    """The same by `product_parts`."""
    n, size = data.order.size, net.layers[-1].panels_at
    product_parts(n_threads, work, dot, data, kind, work.theta.dtype.type(1 / n), net, functions)
    total = work.gradient[:size]
    for part in range(1, (n + part_size(n) - 1) // part_size(n)):
        more = work.gradient[part * size : (part + 1) * size]
        for i in range(size):
            total[i] += more[i]


@njit(**INNER)
def jvp_block(outputs, work, dot, data, block, start, net, functions):
    """`jvp_blocks` for a block of samples, of which the first is row `start` of the outputs."""
    v, a_dot, n = layer(dot.a, net, 0), layer(dot.a, net, net.L), net.layers[net.L].n
    take_samples(work, block, data.X, net)
    call(net.functions[0].gather, v.numbers, data.Y, block.samples, work.rows, block.first, v.n)
    forward_block(work, block, 1, net.L, net)
    for l in range(1, net.L + 1):
        forward_tangent(work, dot, block, True, net, functions, l)
    take_layer(stretch(outputs, start * n, block.m * n), a_dot, block.first, block.m, net)


def jvp_share(thread, n_threads, outputs, work, dot, data, start, stop, net, functions):
    """The blocks of rows that are one thread's: `jvp_blocks` for them."""
    size, mine, last = own_blocks(thread, n_threads, stop - start)
    for i in range(mine, last):
        first = start + i * size
        block = block_of(work, data, thread, i * size, first, min(stop, first + size))
        jvp_block(outputs, work, dot, data, block, first, net, functions)


@njit(parallel=True)
def jvp_blocks(n_threads, outputs, work, dot, data, samples, net, functions):
    """ȧ⁽ᴸ⁾ when x moves along v, data.Y having v for Y, for the samples (start, stop) of the order.

    Shapes: outputs (n, n_out); X, Y (n, n_in). Writes: outputs; z and a in `work`, ż and ȧ in `dot`.
    Parallel: over blocks of rows.
    """
    (start, stop), of_thread = samples, functions.shares[0].jvp_share
    for thread in prange(n_threads):
        call(of_thread, int64(thread), n_threads, outputs, work, dot, data, start, stop, net, functions)

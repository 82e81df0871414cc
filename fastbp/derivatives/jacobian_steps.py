"""Jacobians J_ik = ∂a_i/∂a_k of a layer's activations by those of an earlier one, for every sample, by the chain rule.

Row i of J is sent back through the layers as an error is; BP1 with ∂C/∂a the unit vector of output i, then BP2:

    unit_rows             J_ij = [i = j]                    of the layer `of`
    through_sigma         J_ij ← J_ij σ′(z_j)               through the σ of layer l (softmax: times its own Jacobian)
    multiply_transposed   J_ik ← Σ_j J_ij w_jk              to layer l − 1

The rows of all samples are one tall matrix in panels, row s n + i being row i of sample s, of which a thread has a few
hundred at a time. What a sample has once for all its rows, σ′(z_sj), takes the place of δ in the workspace. What a
thread does is its share, called by address (`by_address.py`), and so it gets its arguments one by one.
"""

from numba import prange
from numpy import int64

from fastbp.compiler.call import call
from fastbp.compiler.options import INNER, njit
from fastbp.compiler.views import stretch
from fastbp.formulations.tiles.panels import Panels, layer, rows_at, weights
from fastbp.formulations.tiles.products import ZERO, multiply_transposed
from fastbp.formulations.tiles.rows import put_back, rows_of, take_layer
from fastbp.formulations.tiles.steps import block_of, forward_block, own_blocks, rows_of_thread, take_samples
from fastbp.formulations.tiles.tile import wide


@njit(**INNER)
def slopes(work, block, net, l):
    """σ′(z_sj) of one layer, a block of samples. Writes: their rows of δ."""
    z, a, slope = layer(work.z, net, l), layer(work.a, net, l), layer(work.delta, net, l)
    for j in range(0, z.n, wide(z.numbers)):
        some = rows_at(slope, j, block.first, block.m)
        for c in range(some.size):
            some[c] = 1
        z_j, a_j = rows_at(z, j, block.first, block.m), rows_at(a, j, block.first, block.m)
        call(net.layers[l].derivative, some, z_j, a_j)


def slopes_share(thread, n_threads, work, data, start, stop, of, wrt, net):
    """The blocks of samples that are one thread's: `forward_and_slopes` for them."""
    size, mine, last = own_blocks(thread, n_threads, stop - start)
    for i in range(mine, last):
        block = block_of(work, data, thread, i * size, start + i * size, min(stop, start + (i + 1) * size))
        take_samples(work, block, data.X, net)
        forward_block(work, block, 1, of, net)
        for l in range(wrt + 1, of + 1):
            if net.layers[l].elementwise:
                slopes(work, block, net, l)


@njit(parallel=True)
def forward_and_slopes(n_threads, work, data, samples, layers, net, functions):
    """Go forward to layer `of`: z and a, and σ′(z) of those after `wrt`; samples (start, stop); layers: (of, wrt).

    Writes: z, a and δ. Parallel: over blocks of samples, which do not interact.
    """
    (start, stop), (of, wrt), of_thread = samples, layers, functions.shares[0].slopes_share
    for thread in prange(n_threads):
        call(of_thread, int64(thread), n_threads, work, data, start, stop, of, wrt, net)


@njit(**INNER)
def unit_rows(J, start, m):
    """J_ij = [i = j]: m rows, of which the first is row `start` of all samples. Shapes: J (rows, n). Writes: J."""
    for j in range(0, J.n, wide(J.numbers)):
        panel = rows_at(J, j, 0, m)
        width = panel.size // m
        for c in range(panel.size):
            panel[c] = 0
        for r in range(m):
            i = (start + r) % J.n
            if j <= i < j + width:
                panel[r * width + i - j] = 1


@njit(**INNER)
def through_sigma(J, start, block, n_of, work, net, l):
    """J_ij ← J_ij σ′(z_sj): a block of rows, of which the first is row `start` of all samples. Writes: J, scratch."""
    n, z, a, slope = J.n, layer(work.z, net, l), layer(work.a, net, l), layer(work.delta, net, l)
    if net.layers[l].elementwise:
        for j in range(0, n, wide(J.numbers)):
            for r in range(block.m):
                row, factors = rows_at(J, j, r, 1), rows_at(slope, j, (start + r) // n_of, 1)
                for c in range(row.size):
                    row[c] *= factors[c]
    else:
        for r in range(block.m):
            s = (start + r) // n_of
            row, z_s = rows_of(J, block.scratch, 0, r, 1, net), rows_of(z, block.scratch, n, s, 1, net)
            a_s = rows_of(a, block.scratch, 2 * n, s, 1, net)
            call(net.layers[l].derivative, stretch(row, 0, n), stretch(z_s, 0, n), stretch(a_s, 0, n))
            put_back(J, row, r, 1, net)


def rows_share(thread, n_threads, jacobians, buffers, n_rows, size, work, m, of, wrt, net):
    """The blocks of rows that are one thread's: `multiply_back` for them. A buffer has n_rows rows, `size` numbers."""
    n_of, n_wrt, buffer = net.layers[of].n, net.layers[wrt].n, stretch(buffers, thread * 2 * size, 2 * size)
    n_blocks = (m * n_of + n_rows - 1) // n_rows
    for i in range(n_blocks * thread // n_threads, n_blocks * (thread + 1) // n_threads):
        start, here = i * n_rows, 0
        block = rows_of_thread(work, thread, 0, min(n_rows, m * n_of - start))
        unit_rows(Panels(stretch(buffer, 0, size), n_rows, n_of), start, block.m)
        for l in range(of, wrt, -1):
            J = Panels(stretch(buffer, here * size, size), n_rows, net.layers[l].n)
            J_previous = Panels(stretch(buffer, (1 - here) * size, size), n_rows, net.layers[l - 1].n)
            through_sigma(J, start, block, n_of, work, net, l)
            multiply_transposed(J_previous, J, weights(work.theta, net, l), block, ZERO, net)
            here = 1 - here
        J = Panels(stretch(buffer, here * size, size), n_rows, n_wrt)
        take_layer(stretch(jacobians, start * n_wrt, block.m * n_wrt), J, 0, block.m, net)


@njit(parallel=True)
def multiply_back(n_threads, jacobians, buffers, work, m, layers, net, functions):
    """J of the m samples whose z, a and σ′ are in the workspace, some rows at a time; layers: (of, wrt).

    Shapes: jacobians (m, n_of, n_wrt); buffers (threads, 2, rows, columns of the widest of the layers in panels).
    Writes: jacobians, buffers, scratch. Parallel: over blocks of rows of J, which do not interact.
    """
    n_rows, size = buffers.shape[2], buffers.shape[2] * buffers.shape[3]
    (of, wrt), of_thread = layers, functions.shares[0].rows_share
    for thread in prange(n_threads):
        call(of_thread, int64(thread), n_threads, jacobians, buffers, n_rows, size, work, m, of, wrt, net)


@njit(calls=(forward_and_slopes, multiply_back))
def jacobians(n_threads, out, buffers, work, data, layers, net, functions):
    """J of every sample, of one layer by another: layers (of, wrt).

    Shapes: out (n, n_of, n_wrt). Writes: out, buffers, work.
    """
    for first in range(0, data.order.size, work.rows):
        m = min(work.rows, data.order.size - first)
        forward_and_slopes(n_threads, work, data, (first, first + m), layers, net, functions)
        multiply_back(n_threads, out[first : first + m], buffers, work, m, layers, net, functions)

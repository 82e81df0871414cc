"""Jacobians J_ik = ∂a_i/∂a_k of a layer's activations by those of an earlier one, for every sample, by the chain rule.

Row i of J is sent back through the layers as an error is; BP1 with ∂C/∂a the unit vector of output i, then BP2:

    unit_rows         J_ij = [i = j]                        of the layer `of`
    through_sigma     J_ij ← J_ij σ′(z_j)                   through the σ of layer l (softmax: times its own Jacobian)
    through_weights   J_ik ← Σ_j J_ij w_jk                  to layer l − 1, tiles of (i, k), sum over j

The rows of all samples are one tall matrix in panels, row s n + i being row i of sample s, of which a thread has a few
hundred at a time. What a sample has once for all its rows, σ′(z_sj), takes the place of δ in the workspace.
"""

from numba import prange
from numpy import int64

from fastbp.compiler.call import call
from fastbp.compiler.options import INNER, njit
from fastbp.compiler.views import block, stretch
from fastbp.formulations.tiles.panels import layer, panel_width
from fastbp.formulations.tiles.steps import block_size, take_samples
from fastbp.formulations.tiles.sums import CACHED, forward, put_rows, rows_of, take_rows, transpose
from fastbp.formulations.tiles.tile import lanes, wide


@njit(**INNER)
def slopes(work, first, m, net, l):
    """σ′(z_sj) of one layer, m samples. Writes: their rows of δ."""
    z, a, slope = layer(work.z, net, l), layer(work.a, net, l), layer(work.delta, net, l)
    for j in range(0, net.layers[l].n, wide(z)):
        width = panel_width(z, net.layers[l].n - j)
        some = block(slope, work.rows, j, width, first, m)
        for c in range(some.size):
            some[c] = 1
        call(
            net.layers[l].derivative,
            some,
            block(z, work.rows, j, width, first, m),
            block(a, work.rows, j, width, first, m),
        )


@njit(**INNER)
def forward_share(thread, n_threads, work, X, samples, of, wrt, net):
    """The blocks of samples that are one thread's: `forward_and_slopes` for them."""
    size, scratch = block_size(samples.size, n_threads), work.scratch[thread]
    n_blocks = (samples.size + size - 1) // size
    for i in range(n_blocks * thread // n_threads, n_blocks * (thread + 1) // n_threads):
        mine = samples[i * size : min(samples.size, (i + 1) * size)]
        take_samples(work, X, mine, i * size, i * size, net)
        for l in range(1, of + 1):
            forward(work, scratch, i * size, mine.size, net, l)
            if l > wrt and net.layers[l].elementwise:
                slopes(work, i * size, mine.size, net, l)


@njit(parallel=True)
def forward_and_slopes(n_threads, work, X, samples, of, wrt, net):
    """Go forward to layer `of`: z and a, and σ′(z) of those after `wrt`. Shapes: samples (≤ work.rows,).

    Writes: z, a and δ. Parallel: over blocks of samples, which do not interact.
    """
    for thread in prange(n_threads):
        forward_share(int64(thread), n_threads, work, X, samples, of, wrt, net)


@njit(**INNER)
def unit_rows(J, n_rows, start, m, n):
    """J_ij = [i = j]: m rows, of which the first is row `start`. Shapes: J (n_rows, n) in panels. Writes: J."""
    for j in range(0, n, wide(J)):
        width = panel_width(J, n - j)
        panel = block(J, n_rows, j, width, 0, m)
        for c in range(panel.size):
            panel[c] = 0
        for r in range(m):
            i = (start + r) % n
            if j <= i < j + width:
                panel[r * width + i - j] = 1


@njit(**INNER)
def through_sigma(J, n_rows, start, m, n_of, work, scratch, net, l):
    """J_ij ← J_ij σ′(z_sj): m rows, of which the first is row `start`. Writes: J, scratch."""
    n, z, a, slope = net.layers[l].n, layer(work.z, net, l), layer(work.a, net, l), layer(work.delta, net, l)
    if net.layers[l].elementwise:
        for j in range(0, n, wide(J)):
            width = panel_width(J, n - j)
            for r in range(m):
                row, factors = (
                    block(J, n_rows, j, width, r, 1),
                    block(slope, work.rows, j, width, (start + r) // n_of, 1),
                )
                for c in range(width):
                    row[c] *= factors[c]
    else:
        for r in range(m):
            s = (start + r) // n_of
            row, z_s = rows_of(J, scratch, 0, n_rows, r, 1, n), rows_of(z, scratch, n, work.rows, s, 1, n)
            a_s = rows_of(a, scratch, 2 * n, work.rows, s, 1, n)
            call(net.layers[l].derivative, stretch(row, 0, n), stretch(z_s, 0, n), stretch(a_s, 0, n))
            if n > wide(J):
                put_rows(J, row, n_rows, r, 1, n)


@njit(**INNER)
def through_weights(J_previous, J, n_rows, m, work, scratch, net, l):
    """J_ik = Σ_j J_ij w_jk: m rows, from layer l to the one before it. Writes: J_previous."""
    n_in, n_out, theta = net.layers[l - 1].n, net.layers[l].n, work.theta
    no_bias, transposed = stretch(scratch, 0, wide(theta)), stretch(scratch, wide(theta), scratch.size - wide(theta))
    for c in range(no_bias.size):
        no_bias[c] = 0
    at_once = CACHED // (wide(theta) * theta.itemsize)
    for k in range(0, n_in, wide(theta)):
        width = panel_width(theta, n_in - k)
        panel, sums = block(J_previous, n_rows, k, width, 0, n_rows), net.functions[width // lanes(theta)]
        for j in range(0, n_out, at_once):
            n = min(at_once, n_out - j)
            transpose(transposed, theta, j, n, k, width, net, l)
            some = stretch(J, j * n_rows, J.size - j * n_rows)
            call(sums.forward_panel, panel, some, transposed, no_bias, n_rows, 0, m, n, j == 0)


@njit(**INNER)
def rows_share(thread, n_threads, jacobians, buffers, n_rows, work, m, of, wrt, net):
    """The blocks of rows that are one thread's: `multiply_back` for them."""
    n_of, n_wrt, scratch, buffer = net.layers[of].n, net.layers[wrt].n, work.scratch[thread], buffers[thread]
    n_blocks = (m * n_of + n_rows - 1) // n_rows
    size = buffer.size // 2
    for i in range(n_blocks * thread // n_threads, n_blocks * (thread + 1) // n_threads):
        start = i * n_rows
        some, here = min(n_rows, m * n_of - start), 0
        unit_rows(stretch(buffer, 0, size), n_rows, start, some, n_of)
        for l in range(of, wrt, -1):
            J, J_previous = stretch(buffer, here * size, size), stretch(buffer, (1 - here) * size, size)
            through_sigma(J, n_rows, start, some, n_of, work, scratch, net, l)
            through_weights(J_previous, J, n_rows, some, work, scratch, net, l)
            here = 1 - here
        J = stretch(buffer, here * size, size)
        take_rows(stretch(jacobians, start * n_wrt, some * n_wrt), J, n_rows, 0, some, n_wrt)


@njit(parallel=True)
def multiply_back(n_threads, jacobians, buffers, n_rows, work, m, of, wrt, net):
    """J of the m samples whose z, a and σ′ are in the workspace, `n_rows` rows at a time.

    Shapes: jacobians (m, n_of, n_wrt); buffers (threads, 2 n_rows times the widest of the layers, in panels).
    Writes: jacobians, buffers, scratch. Parallel: over blocks of rows of J, which do not interact.
    """
    for thread in prange(n_threads):
        rows_share(int64(thread), n_threads, jacobians, buffers, n_rows, work, m, of, wrt, net)


@njit(calls=(forward_and_slopes, multiply_back))
def jacobians(n_threads, out, buffers, n_rows, work, X, samples, of, wrt, net):
    """J of every sample. Shapes: out (n, n_of, n_wrt). Writes: out, buffers, work."""
    for first in range(0, samples.size, work.rows):
        some = samples[first : first + work.rows]
        forward_and_slopes(n_threads, work, X, some, of, wrt, net)
        multiply_back(n_threads, out[first : first + some.size], buffers, n_rows, work, some.size, of, wrt, net)

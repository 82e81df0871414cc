"""What takes a way back from each output: the diagonal of the Gauss–Newton matrix, and the Jacobian by the parameters.

The error of a cost that is the output c itself, δ⁽ᴸ⁾ = e_c ⊙ σ′(z), goes back as any other: ∂a_sc/∂w_jk = δ_sj a_sk.
What a thread does is its share, as in `tangent_steps.py`.
"""

from numba import prange
from numpy import int64

from fastbp.compiler.call import call
from fastbp.compiler.options import INNER, STRICT, njit
from fastbp.compiler.views import stretch
from fastbp.formulations.tiles.panels import layer, rows_at
from fastbp.formulations.tiles.rows import put_back, rows_of, take_layer
from fastbp.formulations.tiles.steps import (
    block_of,
    forward_block,
    own_blocks,
    propagate_errors,
    take_samples,
)
from fastbp.formulations.tiles.tile import wide


@njit(**INNER)
def seed_output(work, block, c, through, net, functions):
    """δ⁽ᴸ⁾ = e_c, or `through` σ its derivative times e_c: a block. Writes: its rows of δ of the output layer.

    Not through σ, softmax's is e_c − a: Σ_c a_c (e_c − a)(e_c − a)ᵀ = diag(a) − a aᵀ.
    """
    l, scratch, zero, one = net.L, block.scratch, work.theta.dtype.type(0), work.theta.dtype.type(1)
    z, a, delta = layer(work.z, net, l), layer(work.a, net, l), layer(work.delta, net, l)
    n = z.n
    for s in range(block.first, block.first + block.m):
        z_s, a_s = rows_of(z, scratch, 0, s, 1, net), rows_of(a, scratch, n, s, 1, net)
        delta_s = rows_of(delta, scratch, 2 * n, s, 1, net)
        for j in range(delta_s.size):
            delta_s[j] = one if j == c else zero
        if through:
            call(functions.layers[l].back, stretch(delta_s, 0, n), stretch(z_s, 0, n), stretch(a_s, 0, n))
        elif not net.layers[l].elementwise:
            for j in range(n):
                delta_s[j] -= a_s[j]
        put_back(delta, delta_s, s, 1, net)


@njit(**INNER)
def output_curvature(work, squares, data, block, at_z, net, functions):
    """h_sc = ∂²C/∂a_c², or `at_z`, in a pair with functions of its own, what stands for it there. Writes: rows of h."""
    l, scratch, one = net.L, block.scratch, work.theta.dtype.type(1)
    z, a, h = layer(work.z, net, l), layer(work.a, net, l), layer(squares.z, net, l)
    n = z.n
    for i in range(block.m):
        s = block.first + i
        z_s, a_s = rows_of(z, scratch, 0, s, 1, net), rows_of(a, scratch, n, s, 1, net)
        h_s, y_s = rows_of(h, scratch, 2 * n, s, 1, net), stretch(scratch, 3 * n, n)
        ones, a_dot, junk = stretch(scratch, 4 * n, n), stretch(scratch, 5 * n, n), stretch(scratch, 6 * n, n)
        for j in range(n):
            y_s[j], ones[j], a_dot[j] = data.Y[block.samples[i], j], one, one
        of_h, of_z, of_a = stretch(h_s, 0, n), stretch(z_s, 0, n), stretch(a_s, 0, n)
        if at_z and net.layers[l].elementwise:
            call(functions.layers[l].derivative, a_dot, of_z, of_a)
        call(functions.layers[l].error_tangent, junk, of_h, of_z, of_a, y_s, ones, a_dot, net.cost_parameter)
        put_back(h, h_s, s, 1, net)


@njit(**INNER)
def square(to, values, block):
    """to_sj = values_sj²: a block of rows. Writes: these of `to`."""
    for j in range(0, values.n, wide(values.numbers)):
        of, squared = rows_at(values, j, block.first, block.m), rows_at(to, j, block.first, block.m)
        for i in range(of.size):
            squared[i] = of[i] * of[i]


@njit(**INNER, **STRICT)
def square_weighted(to, values, h, c, block, share):
    """to_sj = share h_sc values_sj²: a block of rows. Writes: these of `to`. STRICT keeps the order of the factors."""
    panel = c // wide(h.numbers) * wide(h.numbers)
    for j in range(0, values.n, wide(values.numbers)):
        for s in range(block.first, block.first + block.m):
            factor = share * rows_at(h, panel, s, 1)[c - panel]
            of, squared = rows_at(values, j, s, 1), rows_at(to, j, s, 1)
            for i in range(of.size):
                squared[i] = factor * (of[i] * of[i])


@njit(**INNER)
def diagonal_block(c, work, squares, data, block, share, at_z, net, functions):
    """`diagonal_blocks` for a block of samples."""
    h = layer(squares.z, net, net.L)
    if c == 0:
        take_samples(work, block, data.X, net)
        forward_block(work, block, 1, net.L, net)
        output_curvature(work, squares, data, block, at_z, net, functions)
        for l in range(net.L):
            square(layer(squares.a, net, l), layer(work.a, net, l), block)
    seed_output(work, block, c, not at_z, net, functions)
    propagate_errors(work, block, net.L, 1, net)
    for l in range(1, net.L + 1):
        square_weighted(layer(squares.delta, net, l), layer(work.delta, net, l), h, c, block, share)


def diagonal_share(thread, n_threads, c, work, squares, data, start, stop, at_z, net, functions):
    """The blocks of samples that are one thread's: `diagonal_blocks` for them."""
    share = work.theta.dtype.type(1 / data.order.size)
    size, mine, last = own_blocks(thread, n_threads, stop - start)
    for i in range(mine, last):
        block = block_of(work, data, thread, i * size, start + i * size, min(stop, start + (i + 1) * size))
        diagonal_block(c, work, squares, data, block, share, at_z != 0, net, functions)


@njit(parallel=True)
def diagonal_blocks(n_threads, c, work, squares, data, samples, at_z, net, functions):
    """a² of all layers, with c = 0, and h_c δ² / n from the output c back, for the samples (start, stop) of the order.

    Writes: `work`, and in `squares`, whose z of the output layer is h, a and δ: `tangent_steps.sum_products` of them
    has Σ_s (h δ²)_sj (a²)_sk. Parallel: over blocks of samples.
    """
    (start, stop), of_thread = samples, functions.shares[0].diagonal_share
    for thread in prange(n_threads):
        call(of_thread, int64(thread), n_threads, c, work, squares, data, start, stop, at_z, net, functions)


@njit(**INNER)
def jacobian_rows(J, work, block, c, net):
    """Rows (s, c) of ∂a/∂θ from the errors of the output c: δ_sj a_sk and δ_sj. Shapes: J (m n_out P,). Writes: J."""
    n_out, size, scratch = net.layers[net.L].n, net.layers[net.L + 1].weights_at, block.scratch
    for l in range(1, net.L + 1):
        n, n_in = net.layers[l].n, net.layers[l - 1].n
        deltas, inputs = layer(work.delta, net, l), layer(work.a, net, l - 1)
        weights_at, biases_at = net.layers[l].weights_at, net.layers[l].biases_at
        for s in range(block.m):
            delta, a = (
                rows_of(deltas, scratch, 0, block.first + s, 1, net),
                rows_of(inputs, scratch, n, block.first + s, 1, net),
            )
            at = (s * n_out + c) * size
            of_weights, of_biases = stretch(J, at + weights_at, n * n_in), stretch(J, at + biases_at, n)
            for j in range(n):
                of_biases[j] = delta[j]
            if n_in == 1:  # vector instructions along j, else along k
                for j in range(n):
                    of_weights[j] = delta[j] * a[0]
            else:
                for j in range(n):
                    of_j = stretch(of_weights, j * n_in, n_in)
                    for k in range(n_in):
                        of_j[k] = delta[j] * a[k]


@njit(**INNER)
def jacobian_block(J, outputs, work, data, block, net, functions):
    """`jacobian_blocks` for a block of samples."""
    first, m, n_out, n_parameters = block.first, block.m, net.layers[net.L].n, net.layers[net.L + 1].weights_at
    take_samples(work, block, data.X, net)
    forward_block(work, block, 1, net.L, net)
    take_layer(stretch(outputs, first * n_out, m * n_out), layer(work.a, net, net.L), first, m, net)
    for c in range(n_out):
        seed_output(work, block, c, True, net, functions)
        propagate_errors(work, block, net.L, 1, net)
        jacobian_rows(stretch(J, first * n_out * n_parameters, m * n_out * n_parameters), work, block, c, net)


def output_jacobian_share(thread, n_threads, J, outputs, work, data, net, functions):
    """The blocks of samples that are one thread's: `jacobian_blocks` for them."""
    size, mine, last = own_blocks(thread, n_threads, data.order.size)
    for i in range(mine, last):
        block = block_of(work, data, thread, i * size, i * size, min(data.order.size, (i + 1) * size))
        jacobian_block(J, outputs, work, data, block, net, functions)


@njit(parallel=True)
def jacobian_blocks(n_threads, J, outputs, work, data, net, functions):
    """∂a_sc/∂θ and a_sc, for the samples of the order, at most as many as the workspace has room for.

    Shapes: J (m n_out, P), row s n_out + c; outputs (m, n_out). Writes: these, and `work`.
    Parallel: over blocks of samples, each of which has its own rows.
    """
    of_thread = functions.shares[0].output_jacobian_share
    for thread in prange(n_threads):
        call(of_thread, int64(thread), n_threads, J, outputs, work, data, net, functions)

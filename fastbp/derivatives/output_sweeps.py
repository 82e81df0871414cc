"""Backward passes from each output: the diagonal of the Gauss–Newton matrix, and the Jacobian by the parameters.

If the cost is output c itself, its error is δ⁽ᴸ⁾ = e_c ⊙ σ′(z), and backpropagation gives ∂a_sc/∂w_jk = δ_sj a_sk.
"""

from numba import prange
from numpy import int64

from fastbp.compiler.call import call
from fastbp.compiler.options import INNER, njit
from fastbp.compiler.views import block, stretch
from fastbp.derivatives.tangents import GAUSS_NEWTON, add_products
from fastbp.formulations.tiles.panels import layer, panel_width
from fastbp.formulations.tiles.steps import block_size, forward_block, take_samples
from fastbp.formulations.tiles.sums import propagate_error, put_rows, rows_of, take_rows
from fastbp.formulations.tiles.tile import wide


@njit(**INNER)
def seed_output(work, scratch, first, m, c, through, net, tangents):
    """δ⁽ᴸ⁾ = e_c, or e_c times σ′ if `through` σ: m samples. Writes: their rows of δ of the output layer.

    If not `through` softmax, δ⁽ᴸ⁾ = e_c − a, because Σ_c a_c (e_c − a)(e_c − a)ᵀ = diag(a) − a aᵀ.
    """
    l, rows = net.L, work.rows
    n, zero, one = net.layers[l].n, work.theta.dtype.type(0), work.theta.dtype.type(1)
    z, a, delta = layer(work.z, net, l), layer(work.a, net, l), layer(work.delta, net, l)
    for s in range(first, first + m):
        z_s, a_s = rows_of(z, scratch, 0, rows, s, 1, n), rows_of(a, scratch, n, rows, s, 1, n)
        delta_s = rows_of(delta, scratch, 2 * n, rows, s, 1, n)
        for j in range(delta_s.size):
            delta_s[j] = one if j == c else zero
        if through:
            call(tangents[l].derivative, stretch(delta_s, 0, n), stretch(z_s, 0, n), stretch(a_s, 0, n))
        elif not net.layers[l].elementwise:
            for j in range(n):
                delta_s[j] -= a_s[j]
        if n > wide(delta):
            put_rows(delta, delta_s, rows, s, 1, n)


@njit(**INNER)
def output_curvature(work, squares, scratch, first, Y, samples, at_z, net, tangents):
    """h_sc = ∂²C/∂a_c², or what a pair with functions of its own has for it `at_z`. Writes: rows of h."""
    l, rows = net.L, work.rows
    n, one = net.layers[l].n, work.theta.dtype.type(1)
    z, a, h = layer(work.z, net, l), layer(work.a, net, l), layer(squares.z, net, l)
    for i in range(samples.size):
        s = first + i
        z_s, a_s = rows_of(z, scratch, 0, rows, s, 1, n), rows_of(a, scratch, n, rows, s, 1, n)
        h_s, y_s = rows_of(h, scratch, 2 * n, rows, s, 1, n), stretch(scratch, 3 * n, n)
        ones, a_dot, junk = stretch(scratch, 4 * n, n), stretch(scratch, 5 * n, n), stretch(scratch, 6 * n, n)
        for j in range(n):
            y_s[j], ones[j], a_dot[j] = Y[samples[i], j], one, one
        of_h, of_z, of_a = stretch(h_s, 0, n), stretch(z_s, 0, n), stretch(a_s, 0, n)
        if at_z and net.layers[l].elementwise:
            call(tangents[l].derivative, a_dot, of_z, of_a)
        call(tangents[l].error_tangent, junk, of_h, of_z, of_a, y_s, ones, a_dot, net.cost_parameter)
        if n > wide(h):
            put_rows(h, h_s, rows, s, 1, n)


@njit(**INNER)
def square_panels(to, values, weights, c, rows, first, m, n, weighted, share):
    """to_sj = share h_sc values_sj², h only if `weighted`: m rows of a matrix in panels. Writes: to."""
    for j in range(0, n, wide(values)):
        width = panel_width(values, n - j)
        for s in range(first, first + m):
            factor = share
            if weighted:
                start = c // wide(values) * wide(values)
                width_h = panel_width(values, weights.size // rows - start)
                factor *= block(weights, rows, start, width_h, s, 1)[c - start]
            of, square = block(values, rows, j, width, s, 1), block(to, rows, j, width, s, 1)
            for i in range(width):
                square[i] = factor * (of[i] * of[i])


@njit(**INNER)
def diagonal_share(thread, n_threads, c, work, squares, X, Y, samples, share, at_z, net, tangents):
    """`diagonal_blocks` for the blocks of samples of one thread."""
    size, scratch, L = block_size(samples.size, n_threads), work.scratch[thread], net.L
    n_blocks, one, rows = (samples.size + size - 1) // size, work.theta.dtype.type(1), work.rows
    h = layer(squares.z, net, L)
    for i in range(n_blocks * thread // n_threads, n_blocks * (thread + 1) // n_threads):
        mine, first = samples[i * size : min(samples.size, (i + 1) * size)], i * size
        m = mine.size
        if c == 0:
            take_samples(work, X, mine, first, first, net)
            forward_block(work, scratch, first, m, 1, net)
            output_curvature(work, squares, scratch, first, Y, mine, at_z, net, tangents)
            for l in range(L):
                to = layer(squares.a, net, l)
                square_panels(to, layer(work.a, net, l), h, 0, rows, first, m, net.layers[l].n, False, one)
        seed_output(work, scratch, first, m, c, not at_z, net, tangents)
        for l in range(L, 1, -1):
            propagate_error(work, scratch, first, m, net, l)
        for l in range(1, L + 1):
            to = layer(squares.delta, net, l)
            square_panels(to, layer(work.delta, net, l), h, c, rows, first, m, net.layers[l].n, True, share)


@njit(parallel=True)
def diagonal_blocks(n_threads, c, work, squares, X, Y, samples, share, at_z, net, tangents):
    """h_c δ² of all layers, backward from output c, for some samples; for c = 0 also a² of all layers and h.

    Writes: `work`, and a, δ and the output layer's z of `squares`, which is h. Parallel: over blocks of samples.
    """
    for thread in prange(n_threads):
        diagonal_share(int64(thread), n_threads, c, work, squares, X, Y, samples, share, at_z, net, tangents)


@njit(parallel=True)
def sum_squares(n_threads, gradient, squares, m, net):
    """gradient_jk += Σ_s (h δ²)_sj (a²)_sk, m samples. Writes: gradient. Parallel: over blocks of weights."""
    for thread in prange(n_threads):
        add_products(int64(thread), n_threads, gradient, squares, squares, GAUSS_NEWTON, 0, m, net)


@njit(**INNER)
def jacobian_rows(J, scratch, work, first, m, c, net):
    """Rows (s, c) of ∂a/∂θ from the errors of output c: δ_sj a_sk and δ_sj. Shapes: J (m n_out P,). Writes: J."""
    rows, L = work.rows, net.L
    n_out, size = net.layers[L].n, net.layers[L + 1].weights_at
    for l in range(1, L + 1):
        n, n_in = net.layers[l].n, net.layers[l - 1].n
        delta, a = stretch(scratch, 0, n), stretch(scratch, n, n_in)
        for s in range(m):
            take_rows(delta, layer(work.delta, net, l), rows, first + s, 1, n)
            take_rows(a, layer(work.a, net, l - 1), rows, first + s, 1, n_in)
            row = stretch(J, (s * n_out + c) * size, size)
            for j in range(n):
                row[net.layers[l].biases_at + j] = delta[j]
                of_j = stretch(row, net.layers[l].weights_at + j * n_in, n_in)
                for k in range(n_in):
                    of_j[k] = delta[j] * a[k]


@njit(**INNER)
def jacobian_share(thread, n_threads, J, outputs, work, X, samples, net, tangents):
    """`jacobian_blocks` for the blocks of samples of one thread."""
    size, scratch, L = block_size(samples.size, n_threads), work.scratch[thread], net.L
    n_blocks, n_out, n_parameters = (samples.size + size - 1) // size, net.layers[L].n, net.layers[L + 1].weights_at
    for i in range(n_blocks * thread // n_threads, n_blocks * (thread + 1) // n_threads):
        mine, first = samples[i * size : min(samples.size, (i + 1) * size)], i * size
        take_samples(work, X, mine, first, first, net)
        forward_block(work, scratch, first, mine.size, 1, net)
        to = stretch(outputs, first * n_out, mine.size * n_out)
        take_rows(to, layer(work.a, net, L), work.rows, first, mine.size, n_out)
        for c in range(n_out):
            seed_output(work, scratch, first, mine.size, c, True, net, tangents)
            for l in range(L, 1, -1):
                propagate_error(work, scratch, first, mine.size, net, l)
            of_mine = stretch(J, first * n_out * n_parameters, mine.size * n_out * n_parameters)
            jacobian_rows(of_mine, scratch, work, first, mine.size, c, net)


@njit(parallel=True)
def jacobian_blocks(n_threads, J, outputs, work, X, samples, net, tangents):
    """∂a_sc/∂θ and a_sc for some samples, at most as many as the workspace has room for.

    Shapes: J (samples.size n_out, P), row s n_out + c; outputs (samples.size, n_out). Writes: these, and `work`.
    Parallel: over blocks of samples, each of which writes its own rows.
    """
    for thread in prange(n_threads):
        jacobian_share(int64(thread), n_threads, J, outputs, work, X, samples, net, tangents)

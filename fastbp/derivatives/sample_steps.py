"""What every sample says by itself, of which a step of `tiles` sums: the loops over samples are left as they are.

`errors` of that module, given a share of 1, leaves each sample's own δ in the workspace. From there

    write_gradients     ∂C_s/∂w_jk = a_sk δ_sj,  ∂C_s/∂b_j = δ_sj
    square_norms        ‖∂C_s/∂w‖² + ‖∂C_s/∂b‖² = Σ_jk a_sk² δ_sj² + Σ_j δ_sj² = ‖δ_s‖² (‖a_s‖² + 1), layer by layer
    scale_errors        δ_s ← f_s δ_s, after which `sum_gradient` sums Σ_s f_s ∇C_s: everything is linear in δ
    propagate_to_inputs ∂C_s/∂x_sk = Σ_j δ_sj w_jk
"""

from numba import prange
from numpy import float64, int64

from fastbp.compiler.options import INNER, STRICT, njit
from fastbp.compiler.views import stretch
from fastbp.formulations.rules import scale
from fastbp.formulations.tiles.gradient import sum_gradient
from fastbp.formulations.tiles.panels import layer, rows_at
from fastbp.formulations.tiles.rows import rows_of, take_layer
from fastbp.formulations.tiles.steps import errors, own_blocks, propagate_errors, rows_of_thread
from fastbp.formulations.tiles.tile import wide


@njit(calls=(errors,))
def own_errors(n_threads, work, data, start, stop, net):
    """Forward, and each sample's own errors back, for at most work.rows. Writes: z, a and δ of all layers."""
    errors(n_threads, work, data, start, stop, work.theta.dtype.type(1), net)


@njit(**INNER)
def outer_product(gradient, a, delta, n_in, n_out):
    """∂C/∂w_jk = a_k δ_j and ∂C/∂b_j = δ_j: one layer, one sample. Writes: gradient, w row by row and then b."""
    for j in range(n_out):
        row, error = stretch(gradient, j * n_in, n_in), delta[j]
        for k in range(n_in):
            row[k] = a[k] * error
    db = stretch(gradient, n_out * n_in, n_out)
    for j in range(n_out):
        db[j] = delta[j]


@njit(**INNER)
def gradients_share(thread, n_threads, gradients, work, m, net):
    """The samples that are one thread's: `write_gradients` for them."""
    scratch, size = work.scratch[thread], net.layers[net.L + 1].weights_at
    for s in range(m * thread // n_threads, m * (thread + 1) // n_threads):
        for l in range(1, net.L + 1):
            n_in, n_out = net.layers[l - 1].n, net.layers[l].n
            a = rows_of(layer(work.a, net, l - 1), scratch, 0, s, 1, net)
            delta = rows_of(layer(work.delta, net, l), scratch, n_in, s, 1, net)
            to = stretch(gradients, s * size + net.layers[l].weights_at, (n_in + 1) * n_out)
            outer_product(to, a, delta, n_in, n_out)


@njit(parallel=True)
def write_gradients(n_threads, gradients, work, m, net):
    """∇C_s of the m samples whose errors are in the workspace. Shapes: gradients (m, n_parameters).

    Writes: gradients, scratch. Parallel: over samples; a row is one thread's.
    """
    for thread in prange(n_threads):
        gradients_share(int64(thread), n_threads, gradients, work, m, net)


@njit(**INNER, **STRICT)
def sum_squares(sums, A, s):
    """Σ_j v_sj², row s of a matrix in panels, in double precision: squares of small numbers would be 0.

    In as many sums as a panel has columns, one after the other added up: vector lanes, and one order. Writes: sums.
    """
    for c in range(sums.size):
        sums[c] = 0
    for j in range(0, A.n, wide(A.numbers)):
        row = rows_at(A, j, s, 1)
        for c in range(min(row.size, A.n - j)):
            sums[c] += float64(row[c]) * float64(row[c])
    total = 0.0
    for c in range(sums.size):
        total += sums[c]
    return total


@njit(**INNER, **STRICT)
def norms_share(thread, n_threads, squared, sums, work, m, net):
    """The samples that are one thread's: `square_norms` for them."""
    for s in range(m * thread // n_threads, m * (thread + 1) // n_threads):
        for l in range(1, net.L + 1):
            of_a = sum_squares(sums[thread], layer(work.a, net, l - 1), s)
            of_delta = sum_squares(sums[thread], layer(work.delta, net, l), s)
            squared[s, l - 1] = of_delta * (of_a + 1)


@njit(parallel=True)
def square_norms(n_threads, squared, sums, work, m, net):
    """‖∇C_s‖² of the m samples whose errors are in the workspace, layer by layer.

    Shapes: squared (m, L), sums (threads, columns of a panel). Writes: squared, sums.
    Parallel: over samples; a row is one thread's.
    """
    for thread in prange(n_threads):
        norms_share(int64(thread), n_threads, squared, sums, work, m, net)


@njit(**INNER)
def scale_share(thread, n_threads, factors, work, net):
    """The samples that are one thread's: `scale_errors` for them."""
    m = factors.size
    for s in range(m * thread // n_threads, m * (thread + 1) // n_threads):
        for l in range(1, net.L + 1):
            delta = layer(work.delta, net, l)
            for j in range(0, delta.n, wide(delta.numbers)):
                scale(rows_at(delta, j, s, 1), factors[s])


@njit(parallel=True)
def scale_errors(n_threads, factors, work, net):
    """δ_sj ← f_s δ_sj in every layer. Shapes: factors (m,). Writes: δ. Parallel: over samples."""
    for thread in prange(n_threads):
        scale_share(int64(thread), n_threads, factors, work, net)


@njit(calls=(scale_errors, sum_gradient))
def add_scaled(n_threads, factors, work, begin, net):
    """Σ_s f_s ∇C_s of the samples whose errors are in the workspace, unless `begin` added to those before.

    Writes: work.gradient, in panels; δ.
    """
    scale_errors(n_threads, factors, work, net)
    sum_gradient(n_threads, work, factors.size, begin, net)


@njit(**INNER)
def inputs_share(thread, n_threads, gradients, work, m, net):
    """The blocks of samples that are one thread's: `propagate_to_inputs` for them."""
    size, mine, last = own_blocks(thread, n_threads, m)
    delta = layer(work.delta, net, 0)
    for i in range(mine, last):
        block = rows_of_thread(work, thread, i * size, min(size, m - i * size))
        propagate_errors(work, block, 1, 0, net)
        take_layer(stretch(gradients, block.first * delta.n, block.m * delta.n), delta, block.first, block.m, net)


@njit(parallel=True)
def propagate_to_inputs(n_threads, gradients, work, m, net):
    """∂C_s/∂x_sk = Σ_j δ_sj w_jk, BP2 once more. Shapes: gradients (m, n_in). Writes: gradients, δ, scratch.

    Parallel: over blocks of samples, which do not interact.
    """
    for thread in prange(n_threads):
        inputs_share(int64(thread), n_threads, gradients, work, m, net)

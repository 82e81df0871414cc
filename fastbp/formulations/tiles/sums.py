"""Backpropagation over register tiles: the loops of `loops.py`, a block of samples by a panel of neurons at a time.

    z_sj = Σ_k a_sk w_jk + b_j        a_sj = σ(z_sj)        for the samples s of a mini-batch

The functions are those of `loops.py` in their order. Each sum over a layer is one of three products of matrices in
panels (`products.py`), and those leave the sum over a panel to a loop around a register tile (`panel_sums.py`):

    forward             z_sj = Σ_k a_sk w_jk + b_j               `multiply`
    output_error        BP1    δ⁽ᴸ⁾ = ∇_a C ⊙ σ′(z⁽ᴸ⁾)
    propagate_error     BP2    δ_sk = (Σ_j δ_sj w_jk) σ′(z_sk)   `multiply_transposed`
    accumulate_gradient BP3,4  ∂C/∂w_jk = Σ_s a_sk δ_sj / m      `sum_outer_products`

`steps.py`, `gradient.py` and `descent.py` put them together.
"""

from fastbp.compiler.call import call
from fastbp.compiler.options import INNER, njit
from fastbp.compiler.views import stretch
from fastbp.formulations.output_weights import weigh
from fastbp.formulations.rules import scale
from fastbp.formulations.tiles.panels import rows_at
from fastbp.formulations.tiles.products import (
    BIASES,
    ZERO,
    multiply,
    multiply_transposed,
    sum_biases,
    sum_outer_products,
)
from fastbp.formulations.tiles.rows import put_back, put_errors, room_for, row_width, rows_of, take_targets
from fastbp.formulations.tiles.tile import wide

OUTPUTS = 16 * 1024  # bytes of the output layer that are brought to rows at a time


@njit(**INNER)
def forward(z, a, a_previous, w, block, layer, inputs, net):
    """z_sj = Σ_k a_sk w_jk + b_j, a_sj = σ(z_sj): one layer, a block of samples.

    `inputs` says whether a_previous are those of the network. Shapes: z, a (rows, n_out); a_previous (rows, n_in);
    w (1 + n_in, n_out), b in row 0; all in panels. Writes: the block's rows of z and a.
    """
    multiply(z, a_previous, w, block, BIASES, inputs, net)
    activate(a, z, block, layer, net)


@njit(**INNER)
def activate(a, z, block, layer, net):
    """a_sj = σ(z_sj): one layer, a block of samples. Writes: its rows of a."""
    n, m = z.n, block.m
    if layer.elementwise:
        for j in range(0, n, wide(z.numbers)):
            call(layer.activation, rows_at(a, j, block.first, m), rows_at(z, j, block.first, m))
    else:
        for start in range(0, m, rows_at_once(z)):
            some, s = min(rows_at_once(z), m - start), block.first + start
            z_s, a_s = rows_of(z, block.scratch, 0, s, some, net), room_for(a, block.scratch, some * n, s, some)
            call(net.output_activation, a_s, z_s, n, some)
            put_back(a, a_s, s, some, net)


@njit(**INNER)
def rows_at_once(z):
    """Samples of the output layer that are brought to rows for one call: z, a, δ and y fit into `OUTPUTS` bytes."""
    return max(1, OUTPUTS // (4 * row_width(z) * z.numbers.itemsize))


@njit(**INNER)
def output_error(delta, z, a, data, costs, block, share, net):
    """C and δ_sj = ∂C/∂a_j · σ′(z_sj) / m: BP1, the output layer, a block of samples.

    The 1/m of the mean over the mini-batch, `share`, comes in here: everything after is linear in δ.
    Writes: costs, the block's rows of δ.
    """
    n, width, output, scratch = z.n, row_width(z), net.layers[net.L], block.scratch
    for start in range(0, block.m, rows_at_once(z)):
        m, s = min(rows_at_once(z), block.m - start), block.first + start
        z_s, a_s = rows_of(z, scratch, 0, s, m, net), rows_of(a, scratch, m * n, s, m, net)
        delta_s, y_s = room_for(delta, scratch, 2 * m * n, s, m), stretch(scratch, 3 * m * n, m * width)
        take_targets(y_s, data.Y, stretch(block.samples, start, m), n, net)
        call(net.cost, stretch(costs, s, m), z_s, a_s, y_s, n, net.cost_parameter)
        if not net.errors_by_sample:
            call(net.cost_gradient, delta_s, z_s, a_s, y_s, net.cost_parameter)
            call(output.derivative, delta_s, z_s, a_s)
        else:
            for i in range(0, m * width, width):
                d, z_i, a_i = stretch(delta_s, i, n), stretch(z_s, i, n), stretch(a_s, i, n)
                call(net.cost_gradient, d, z_i, a_i, stretch(y_s, i, n), net.cost_parameter)
                call(output.derivative, d, z_i, a_i)
        scale(delta_s, share)
        if data.sample_weight.size > 0:
            samples, of_output = stretch(block.samples, start, m), net.functions[0].weigh_samples
            call(of_output, stretch(costs, s, m), delta_s, z_s, a_s, y_s, data, samples, net)
        put_errors(delta, delta_s, s, m, net)


def weigh_samples(costs, delta, z, a, y, data, samples, net):
    """C and δ of some samples times their weights, or the weights of their outputs. Writes: costs, delta.

    Shapes: costs (m,); delta, z, a, y (m, n_out), in rows as of `rows_of`.
    """
    n, width, n_weights = net.layers[net.L].n, delta.size // costs.size, data.sample_weight.size // data.Y.shape[0]
    for i in range(costs.size):
        at, w = i * width, stretch(data.sample_weight, samples[i] * n_weights, n_weights)
        z_i, a_i, y_i = stretch(z, at, n), stretch(a, at, n), stretch(y, at, n)
        weigh(stretch(costs, i, 1), stretch(delta, at, n), z_i, a_i, y_i, w, net)


@njit(**INNER)
def propagate_error(delta_previous, z_previous, a_previous, w, delta, block, layer, net):
    """δ_sk = (Σ_j δ_sj w_jk) · σ′(z_sk): BP2, to the layer before, σ′ being that of `layer`, a block of samples.

    Shapes: delta_previous, z_previous, a_previous (rows, n_in); w (1 + n_in, n_out); delta (rows, n_out); in panels.
    Writes: the block's rows of delta_previous.
    """
    multiply_transposed(delta_previous, delta, w, block, ZERO, net)
    first, m = block.first, block.m
    for k in range(0, delta_previous.n, wide(delta.numbers)):
        z_k, a_k = rows_at(z_previous, k, first, m), rows_at(a_previous, k, first, m)
        call(layer.derivative, rows_at(delta_previous, k, first, m), z_k, a_k)


@njit(**INNER)
def accumulate_gradient(to, delta, a_previous, patch, block, coming, net):
    """∂C/∂w_jk = Σ_s a_sk δ_sj, ∂C/∂b_j = Σ_s δ_sj: BP4 and BP3, a patch of weights, a block of samples.

    Shapes: delta (rows, n_out), a_previous (rows, n_in), in panels. Writes: to.dw. Meanwhile prefetches what an update
    touches next.
    """
    if patch.k == 0:
        sum_biases(to, delta, patch, block, net)
    sum_outer_products(to, delta, a_previous, patch, block, coming, net)

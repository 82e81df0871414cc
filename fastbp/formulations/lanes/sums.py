"""Backpropagation for many small nets: the loops of `loops.py`, in which every number is a register of nets.

    z_sj = Σ_k a_sk w_jk + b_j        a_sj = σ(z_sj)        for the samples s of a mini-batch, each net its own

The functions are those of `loops.py` in their order. However few neurons a layer has, the registers are full:

    forward             z_sj = Σ_k a_sk w_jk + b_j
    output_error        BP1    δ⁽ᴸ⁾ = ∇_a C ⊙ σ′(z⁽ᴸ⁾)
    propagate_error     BP2    δ_sk = (Σ_j δ_sj w_jk) σ′(z_sk)
    accumulate_gradient BP3,4  ∂C/∂w_jk = Σ_s a_sk δ_sj / m

Each sum has the order of `tiles`, so that a net has the same bits as alone. σ, σ′, C and ∂C/∂a are the same functions.
"""

from fastbp.compiler.call import call
from fastbp.compiler.options import INNER, njit
from fastbp.compiler.views import stretch
from fastbp.formulations.rules import scale
from fastbp.formulations.tiles.tile import lanes


@njit(**INNER)
def forward(z, a_previous, w, b, m, n_in, n_out, work, net):
    """z_sj = Σ_k w_jk a_sk + b_j: one layer, m samples.

    Shapes: z (rows, n_out); a_previous (rows, n_in); w (n_out, n_in); b (n_out,); all in lanes. Writes: z.
    """
    if n_out == 1:
        call(net.functions[0].forward_column, z, a_previous, w, b, work.scratch, m, n_in)
    else:  # i is s, j is j, p is k
        call(net.functions[0].sum_products, z, a_previous, w, b, m, n_out, n_in, n_out, 1, n_in, 1, 1, n_in)


@njit(**INNER)
def activate(a, z, m, of_layer):
    """a_sj = σ(z_sj): one layer, m samples. Writes: a."""
    size = m * of_layer.n * lanes(z)
    call(of_layer.activation, stretch(a, 0, size), stretch(z, 0, size))


@njit(**INNER)
def output_error(delta, z, work, data, start, m, net):
    """C and δ_sj = ∂C/∂a_j · σ′(z_sj) / m: BP1, the output layer, m samples from `start` of the order on.

    Net by net, where the numbers of a sample lie one behind the other, as softmax and C take them. The 1/m of the mean
    over the mini-batch comes in here: everything after is linear in δ. Shapes: delta, z (rows, n_out) in lanes.
    Writes: delta; work.outputs; work.costs.
    """
    n, output, size = net.layers[net.L].n, net.layers[net.L], work.outputs.size // 4
    z_of, a_of = stretch(work.outputs, 0, size), stretch(work.outputs, size, size)
    delta_of, y_of = stretch(work.outputs, 2 * size, size), stretch(work.outputs, 3 * size, size)
    call(net.functions[0].from_lanes, z_of, z, m * n)
    take(y_of, data.Y, data.order, start, m, n, net)
    if output.elementwise:
        call(output.activation, a_of, z_of)
    else:
        for i in range(0, size, n):
            call(output.activation, stretch(a_of, i, n), stretch(z_of, i, n))
    call(net.cost, work.costs, z_of, a_of, y_of, n, net.cost_parameter)
    call(net.cost_gradient, delta_of, z_of, a_of, y_of, net.cost_parameter)
    if output.elementwise:
        call(output.derivative, delta_of, z_of, a_of)
    else:
        for i in range(0, size, n):
            call(output.derivative, stretch(delta_of, i, n), stretch(z_of, i, n), stretch(a_of, i, n))
    scale(delta_of, 1 / m)
    call(net.functions[0].to_lanes, delta, delta_of, m * n)


@njit(**INNER)
def take(to, X, order, start, m, n, net):
    """The rows of m samples from `start` of the order on, of every net its own. Shapes: to (lanes, rows, n)."""
    call(net.functions[0].take_rows, to, X, order, start, m, n)


@njit(**INNER)
def propagate_error(delta_previous, z_previous, a_previous, w, delta, m, n_in, n_out, derivative, net):
    """δ_sk = (Σ_j w_jk δ_sj) · σ′(z_sk): BP2, one layer, m samples. `forward` read w_jk along k for z_j; this along j.

    Shapes: delta_previous, z_previous, a_previous (rows, n_in); w (n_out, n_in); delta (rows, n_out); all in lanes.
    Writes: delta_previous.
    """
    no_start = stretch(delta, 0, 0)  # i is s, j is k, p is j
    call(net.functions[0].sum_products, delta_previous, delta, w, no_start, m, n_in, n_out, n_in, 1, n_out, 1, n_in, 1)
    size = m * n_in * lanes(delta)
    call(derivative, stretch(delta_previous, 0, size), stretch(z_previous, 0, size), stretch(a_previous, 0, size))


@njit(**INNER)
def accumulate_gradient(dw, db, delta, a_previous, m, n_in, n_out, net):
    """∂C/∂w_jk = Σ_s a_sk δ_sj and ∂C/∂b_j = Σ_s δ_sj: BP4 and BP3, one layer, m samples.

    Shapes: dw (n_out, n_in) and db (n_out,), both with the layers behind them, whose gradient comes later; delta
    (rows, n_out), a_previous (rows, n_in); all in lanes. Writes: dw, db, and up to 3 numbers behind each.
    """
    if n_out == 1:
        call(net.functions[0].gradient_column, dw, a_previous, delta, m, n_in)
    else:  # i is k, j is j, p is s
        no_start = stretch(delta, 0, 0)
        call(net.functions[0].sum_products, dw, a_previous, delta, no_start, n_in, n_out, m, 1, n_in, 1, n_in, n_out, 1)
    call(net.functions[0].sum_biases, db, delta, m, n_out)

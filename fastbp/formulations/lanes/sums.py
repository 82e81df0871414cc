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
from fastbp.formulations.lanes.layout import weights
from fastbp.formulations.rules import scale
from fastbp.formulations.tiles.tile import lanes


@njit(**INNER)
def forward(z, a_previous, w, b, l, block, work, net):
    """z_sj = Σ_k w_jk a_sk + b_j: layer l, a block of samples.

    Shapes: z (rows, n_out); a_previous (rows, n_in); w (n_out, n_in); b (n_out,); all in lanes. Writes: z.
    """
    n_in, n_out, m = net.layers[l - 1].n, net.layers[l].n, block.m
    if n_out == 1:
        call(net.functions[0].forward_column, z, a_previous, w, b, work.scratch, m, n_in)
    else:  # i is s, j is j, p is k
        call(net.functions[0].sum_products, z, a_previous, w, b, m, n_out, n_in, n_out, 1, n_in, 1, 1, n_in, 1)


@njit(**INNER)
def activate(a, z, l, block, net):
    """a_sj = σ(z_sj): layer l, a block of samples. Writes: a."""
    size = block.m * net.layers[l].n * lanes(z)
    call(net.layers[l].activation, stretch(a, 0, size), stretch(z, 0, size))


@njit(**INNER)
def output_error(delta, z, work, data, block, share, net):
    """C and δ_sj = ∂C/∂a_j · σ′(z_sj) / m: BP1, the output layer, a block of samples.

    Net by net, where the numbers of a sample lie one behind the other, as softmax and C take them. The 1/m of the mean
    over the mini-batch, `share`, comes in here: everything after is linear in δ. Shapes: delta, z (rows, n_out), in
    lanes. Writes: delta; work.outputs; work.costs.
    """
    n, output, size = net.layers[net.L].n, net.layers[net.L], work.outputs.size // 4
    z_of, a_of = stretch(work.outputs, 0, size), stretch(work.outputs, size, size)
    delta_of, y_of = stretch(work.outputs, 2 * size, size), stretch(work.outputs, 3 * size, size)
    call(net.functions[0].from_lanes, z_of, z, block.m * n)
    call(net.functions[0].take_rows, y_of, data.Y, data.order, block.start, block.m, n)
    if output.elementwise:
        call(output.activation, a_of, z_of)
    else:
        call(net.output_activation, a_of, z_of, n, size // n)
    call(net.cost, work.costs, z_of, a_of, y_of, n, net.cost_parameter)
    if not net.errors_by_sample:
        call(net.cost_gradient, delta_of, z_of, a_of, y_of, net.cost_parameter)
        call(output.derivative, delta_of, z_of, a_of)
    else:
        for i in range(0, size, n):
            d, z_i, a_i = stretch(delta_of, i, n), stretch(z_of, i, n), stretch(a_of, i, n)
            call(net.cost_gradient, d, z_i, a_i, stretch(y_of, i, n), net.cost_parameter)
            call(output.derivative, d, z_i, a_i)
    scale(delta_of, share)
    call(net.functions[0].to_lanes, delta, delta_of, block.m * n)


@njit(**INNER)
def propagate_error(delta_previous, z_previous, a_previous, w, delta, l, block, net):
    """δ_sk = (Σ_j w_jk δ_sj) · σ′(z_sk): BP2, layer l, a block of samples.

    `forward` read w_jk along k for z_j; this along j. Shapes: delta_previous, z_previous, a_previous (rows, n_in); w
    (n_out, n_in); delta (rows, n_out); all in lanes. Writes: delta_previous.
    """
    n_in, n_out, m = net.layers[l - 1].n, net.layers[l].n, block.m
    products, none = net.functions[0].sum_products, stretch(delta, 0, 0)  # i is s, j is k, p is j
    call(products, delta_previous, delta, w, none, m, n_in, n_out, n_in, 1, n_out, 1, n_in, 1, 1)
    size = m * n_in * lanes(delta)
    z, a = stretch(z_previous, 0, size), stretch(a_previous, 0, size)
    call(net.layers[l - 1].derivative, stretch(delta_previous, 0, size), z, a)


@njit(**INNER)
def accumulate_gradient(work, delta, a_previous, l, block, net):
    """∂C/∂w_jk = Σ_s a_sk δ_sj and ∂C/∂b_j = Σ_s δ_sj: BP4 and BP3, layer l, a block of samples.

    The sums that `tiles` has in four parts, side by side, are here in four quarters of the samples, until
    `join_quarters`. Shapes: delta (rows, n_out), a_previous (rows, n_in), in lanes. Writes: work.gradient or
    work.quarters.
    """
    n_in, n_out, m, begin = net.layers[l - 1].n, net.layers[l].n, block.m, block.begin
    none, width, of_quarters = stretch(delta, 0, 0), lanes(delta), net.functions[0].sum_quarters
    if n_out > 1:  # i is k, j is j, p is s
        dw, products = weights(work.gradient, net, l), net.functions[0].sum_products
        call(products, dw, a_previous, delta, none, n_in, n_out, m, 1, n_in, 1, n_in, n_out, 1, begin)
    else:
        call(of_quarters, work.quarters, net.layers[l].weights_at * width, a_previous, delta, m, n_in, begin)
    call(of_quarters, work.quarters, net.layers[l].biases_at * width, delta, none, m, n_out, begin)


@njit(**INNER)
def join_quarters(work, l, net):
    """What `accumulate_gradient` has left in quarters, layer l, when all blocks are through. Writes: work.gradient."""
    layer, join, width = net.layers[l], net.functions[0].add_quarters, lanes(work.gradient)
    if layer.n == 1:
        call(join, work.gradient, work.quarters, layer.weights_at * width, net.layers[l - 1].n)
    call(join, work.gradient, work.quarters, layer.biases_at * width, layer.n)

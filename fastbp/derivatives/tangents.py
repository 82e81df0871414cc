"""How a layer changes when the network is moved along a direction, over register tiles: forward and back.

Every number x of forward and backward pass gets a tangent ẋ, its derivative along a direction v of the parameters, or
along one of the inputs (Pearlmutter's R{x}). The product rule turns one sum of `tiles` into two, and they are the
same products of the same matrices:

    forward_tangent     ż_sj = Σ_k a_sk v_jk + v_j + Σ_k ȧ_sk w_jk        ȧ_sj = σ′(z_sj) ż_sj
    output_tangent      δ̇⁽ᴸ⁾ = ∂²C/∂z² ż, or only a part of it
    propagate_tangent   δ̇_sk = (Σ_j δ̇_sj w_jk + δ_sj v_jk) σ′(z_sk) + (Σ_j δ_sj w_jk) σ″(z_sk) ż_sk
    add_products        Ṙ of ∂C/∂w_jk:  Σ_s δ̇_sj a_sk + δ_sj ȧ_sk

`work` has θ, z, a and δ, `dot` has v, ż, ȧ and δ̇ in the same places. Source: B. A. Pearlmutter, *Fast exact
multiplication by the Hessian*, 1994.
"""

from fastbp.compiler.call import call
from fastbp.compiler.options import INNER, njit
from fastbp.compiler.views import stretch
from fastbp.formulations.rules import scale
from fastbp.formulations.tiles.gradient import PATCH, patch_of
from fastbp.formulations.tiles.panels import layer, rows_at, weights
from fastbp.formulations.tiles.products import (
    BIASES,
    SUM,
    ZERO,
    Into,
    multiply,
    multiply_transposed,
    sum_biases,
    sum_outer_products,
)
from fastbp.formulations.tiles.rows import put_back, put_errors, row_width, rows_of, take_targets
from fastbp.formulations.tiles.sums import OUTPUTS
from fastbp.formulations.tiles.tile import wide

HESSIAN, GAUSS_NEWTON, EMPIRICAL_FISHER = 0, 1, 2  # what a product is with; the Fisher matrix is like Gauss–Newton's


@njit(**INNER)
def forward_tangent(work, dot, block, inputs_move, net, functions, l):
    """ż_sj = v_j + Σ_k a_sk v_jk + Σ_k ȧ_sk w_jk, ȧ_sj = σ′(z_sj) ż_sj. Writes: the block's rows of ż and ȧ.

    The first sum where v moves the parameters, the second where the a below move: in all layers but the first one, and
    in that too if `inputs_move`.
    """
    z_dot, parameters_move = layer(dot.z, net, l), dot.theta.size > 0
    if parameters_move:
        multiply(z_dot, layer(work.a, net, l - 1), weights(dot.theta, net, l), block, BIASES, False, net)
    if l > 1 or inputs_move:
        begin = SUM if parameters_move else ZERO
        multiply(z_dot, layer(dot.a, net, l - 1), weights(work.theta, net, l), block, begin, False, net)
    activate_tangent(work, dot, block, net, functions, l)


@njit(**INNER)
def activate_tangent(work, dot, block, net, functions, l):
    """ȧ = σ′(z) ż, for softmax its Jacobian times ż: one layer, a block of samples. Writes: its rows of ȧ."""
    z, a, z_dot, a_dot = layer(work.z, net, l), layer(work.a, net, l), layer(dot.z, net, l), layer(dot.a, net, l)
    n, first, m, scratch = z.n, block.first, block.m, block.scratch
    if net.layers[l].elementwise:
        for j in range(0, n, wide(z.numbers)):
            from_, to = rows_at(z_dot, j, first, m), rows_at(a_dot, j, first, m)
            for i in range(to.size):
                to[i] = from_[i]
            call(functions.layers[l].derivative, to, rows_at(z, j, first, m), rows_at(a, j, first, m))
    else:
        for s in range(first, first + m):
            z_s, a_s = rows_of(z, scratch, 0, s, 1, net), rows_of(a, scratch, n, s, 1, net)
            from_, to = rows_of(z_dot, scratch, 2 * n, s, 1, net), rows_of(a_dot, scratch, 3 * n, s, 1, net)
            for j in range(n):
                to[j] = from_[j]
            call(functions.layers[l].derivative, stretch(to, 0, n), stretch(z_s, 0, n), stretch(a_s, 0, n))
            put_back(a_dot, to, s, 1, net)


@njit(**INNER)
def output_tangent(work, dot, block, data, kind, share, net, functions):
    """δ and δ̇ of the output layer, a block of samples: what the product of this kind begins its way back with.

    HESSIAN: δ = ∂C/∂z and δ̇ = ∂²C/∂z² ż. GAUSS_NEWTON: δ = H ż, where H is ∂²C/∂z² of a fused pair of activation and
    cost, and else σ′ ∂²C/∂a² σ′; for the Fisher matrix, with the information of a for ∂²C/∂a². EMPIRICAL_FISHER:
    δ = ∂C/∂z (∂C/∂z · ż). All times `share`, the 1/n of the mean. Writes: rows of δ and δ̇, for softmax of ż.
    """
    l, scratch, output = net.L, block.scratch, net.layers[net.L]
    z, a, delta = layer(work.z, net, l), layer(work.a, net, l), layer(work.delta, net, l)
    z_dot, a_dot, delta_dot = layer(dot.z, net, l), layer(dot.a, net, l), layer(dot.delta, net, l)
    n, width = z.n, row_width(z)
    some = max(1, OUTPUTS // (8 * width * z.numbers.itemsize))  # samples at a time, for one call
    for start in range(0, block.m, some):
        m, s = min(some, block.m - start), block.first + start
        z_s, a_s = rows_of(z, scratch, 0, s, m, net), rows_of(a, scratch, m * n, s, m, net)
        delta_s, zd_s = rows_of(delta, scratch, 2 * m * n, s, m, net), rows_of(z_dot, scratch, 3 * m * n, s, m, net)
        ad_s, dd_s = rows_of(a_dot, scratch, 4 * m * n, s, m, net), rows_of(delta_dot, scratch, 5 * m * n, s, m, net)
        y_s = stretch(scratch, 6 * m * n, m * width)
        take_targets(y_s, data.Y, stretch(block.samples, start, m), n, net)
        step = m * width if output.elementwise else width  # softmax goes sample by sample
        size = step if output.elementwise else n
        for i in range(0, m * width, step):
            d, z_i, a_i = stretch(delta_s, i, size), stretch(z_s, i, size), stretch(a_s, i, size)
            y_i, dd = stretch(y_s, i, size), stretch(dd_s, i, size)
            zd, ad = stretch(zd_s, i, size), stretch(ad_s, i, size)
            if kind == EMPIRICAL_FISHER:
                call(net.cost_gradient, d, z_i, a_i, y_i, net.cost_parameter)
            else:
                call(functions.layers[l].error_tangent, d, dd, z_i, a_i, y_i, zd, ad, net.cost_parameter)
            if kind == GAUSS_NEWTON:
                for j in range(size):
                    d[j] = dd[j]
            if kind == HESSIAN:
                call(functions.layers[l].bend, d, dd, z_i, a_i, zd, ad)
            else:
                call(functions.layers[l].error_derivative, d, z_i, a_i)
        if kind == EMPIRICAL_FISHER:
            for i in range(0, m * width, width):
                along = 0.0  # ∂C/∂z · ż is the derivative of this sample's cost along v
                for j in range(n):
                    along += delta_s[i + j] * zd_s[i + j]
                scale(stretch(delta_s, i, width), along)
        scale(delta_s, share)
        put_errors(delta, delta_s, s, m, net)
        if kind == HESSIAN:
            scale(dd_s, share)
            put_errors(delta_dot, dd_s, s, m, net)


@njit(**INNER)
def propagate_tangent(work, dot, block, net, functions, l):
    """δ and δ̇ of the layer before l: `propagate_error` and its tangent, a block. Writes: its rows of their δ and δ̇.

    e_sk = Σ_j δ_sj w_jk,   ė_sk = Σ_j δ̇_sj w_jk + δ_sj v_jk,   δ = e σ′(z),   δ̇ = ė σ′(z) + e σ″(z) ż
    """
    d_before, dd_before, delta = layer(work.delta, net, l - 1), layer(dot.delta, net, l - 1), layer(work.delta, net, l)
    z, a = layer(work.z, net, l - 1), layer(work.a, net, l - 1)
    z_dot, a_dot = layer(dot.z, net, l - 1), layer(dot.a, net, l - 1)
    multiply_transposed(d_before, delta, weights(work.theta, net, l), block, ZERO, net)
    multiply_transposed(dd_before, layer(dot.delta, net, l), weights(work.theta, net, l), block, ZERO, net)
    multiply_transposed(dd_before, delta, weights(dot.theta, net, l), block, SUM, net)
    first, m = block.first, block.m
    for k in range(0, z.n, wide(z.numbers)):
        d_k, dd_k = rows_at(d_before, k, first, m), rows_at(dd_before, k, first, m)
        z_k, a_k = rows_at(z, k, first, m), rows_at(a, k, first, m)
        zd_k, ad_k = rows_at(z_dot, k, first, m), rows_at(a_dot, k, first, m)
        call(functions.layers[l - 1].bend, d_k, dd_k, z_k, a_k, zd_k, ad_k)


@njit(**INNER)
def add_products(gradient, share, work, dot, kind, block, net):
    """∂C/∂w_jk += Σ_s δ_sj a_sk, of HESSIAN Σ_s δ̇_sj a_sk + δ_sj ȧ_sk: of the weights in a share of θ.

    Writes: their part of `gradient`, in panels.
    """
    inputs, none = PATCH * wide(gradient), stretch(work.coming, 0, 0)
    for l in range(1, net.L + 1):
        a, a_dot = layer(work.a, net, l - 1), layer(dot.a, net, l - 1)
        delta, delta_dot = layer(work.delta, net, l), layer(dot.delta, net, l)
        for j in range(0, delta.n, wide(gradient)):
            for k in range(0, a.n, inputs):
                patch = patch_of(gradient, net, l, j, k, inputs, share)
                if patch.n > 0:
                    to = Into(stretch(gradient, patch.start, patch.size), gradient.dtype.type(1), False)
                    of_product = delta_dot if kind == HESSIAN else delta
                    if patch.k == 0:
                        sum_biases(to, of_product, patch, block, net)
                    sum_outer_products(to, of_product, a, patch, block, none, net)
                    if kind == HESSIAN and l > 1:  # the inputs do not move
                        sum_outer_products(to, delta, a_dot, patch, block, none, net)

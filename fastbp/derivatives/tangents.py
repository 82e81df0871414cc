"""How a layer changes when the network is moved along a direction, over register tiles: forward and back.

Every number x of forward and backward pass gets a tangent ẋ, its derivative along a direction v of the parameters, or
along one of the inputs (Pearlmutter's R{x}). The product rule turns one sum of `tiles.py` into two, and they are the
same sums over the same panels:

    forward_tangent     ż_sj = Σ_k a_sk v_jk + v_j + Σ_k ȧ_sk w_jk        ȧ_sj = σ′(z_sj) ż_sj
    output_tangent      δ̇⁽ᴸ⁾ = ∂²C/∂z² ż, or only a part of it
    propagate_tangent   δ̇_sk = (Σ_j δ̇_sj w_jk + δ_sj v_jk) σ′(z_sk) + (Σ_j δ_sj w_jk) σ″(z_sk) ż_sk
    add_products        Ṙ of ∂C/∂w_jk:  Σ_s δ̇_sj a_sk + δ_sj ȧ_sk

`work` has θ, z, a and δ, `dot` has v, ż, ȧ and δ̇ in the same places. Source: B. A. Pearlmutter, *Fast exact
multiplication by the Hessian*, 1994.
"""

from fastbp.compiler.call import call
from fastbp.compiler.options import INNER, njit
from fastbp.compiler.views import block, stretch
from fastbp.formulations.rules import scale
from fastbp.formulations.tiles.panels import layer, panel_width, weights_at
from fastbp.formulations.tiles.sums import (
    BLOCK,
    CACHED,
    clear_padding,
    depth,
    put_rows,
    row_width,
    rows_of,
    take_targets,
    transpose,
)
from fastbp.formulations.tiles.tile import lanes, wide

HESSIAN, GAUSS_NEWTON, EMPIRICAL_FISHER = 0, 1, 2  # what a product is with; the Fisher matrix is like Gauss–Newton's


@njit(**INNER)
def sum_over_inputs(z_panel, a_previous, w, b, rows, first, m, n_in, begin, sums):
    """z_sj = b_j + Σ_k a_sk w_jk, or from z_sj on unless `begin`: m samples, a panel of neurons. Writes: z."""
    width = w.size // n_in
    for k in range(0, n_in, depth(w, m)):
        n = min(depth(w, m), n_in - k)
        some_a, some_w = stretch(a_previous, k * rows, a_previous.size - k * rows), stretch(w, k * width, n * width)
        call(sums.forward_panel, z_panel, some_a, some_w, b, rows, first, m, n, begin and k == 0)


@njit(**INNER)
def forward_tangent(work, dot, scratch, first, m, inputs_move, net, tangents, l):
    """ż_sj = v_j + Σ_k a_sk v_jk + Σ_k ȧ_sk w_jk, ȧ_sj = σ′(z_sj) ż_sj: one layer, m samples. Writes: rows of ż and ȧ.

    The first sum where v moves the parameters, the second where the a below move: in all layers but the first one, and
    in that too if `inputs_move`.
    """
    n_in, n_out, rows, theta = net.layers[l - 1].n, net.layers[l].n, work.rows, work.theta
    z_dot, a_dot_previous = layer(dot.z, net, l), layer(dot.a, net, l - 1)
    parameters_move = dot.theta.size > 0
    for j in range(0, n_out, wide(theta)):
        width = panel_width(theta, n_out - j)
        sums, z_panel = net.functions[width // lanes(theta)], block(z_dot, rows, j, width, 0, rows)
        start, at, size = weights_at(net, l, j, -1, width), weights_at(net, l, j, 0, width), n_in * width
        no_bias = stretch(scratch, 0, width)
        for c in range(width):
            no_bias[c] = 0
        if parameters_move:
            v, v_bias = stretch(dot.theta, at, size), stretch(dot.theta, start, width)
            sum_over_inputs(z_panel, layer(work.a, net, l - 1), v, v_bias, rows, first, m, n_in, True, sums)
        if l > 1 or inputs_move:
            w = stretch(theta, at, size)
            sum_over_inputs(z_panel, a_dot_previous, w, no_bias, rows, first, m, n_in, not parameters_move, sums)
    activate_tangent(work, dot, scratch, first, m, net, tangents, l)


@njit(**INNER)
def activate_tangent(work, dot, scratch, first, m, net, tangents, l):
    """ȧ = σ′(z) ż, for softmax its Jacobian times ż: one layer, m samples. Writes: their rows of ȧ."""
    n, rows = net.layers[l].n, work.rows
    z, a, z_dot, a_dot = layer(work.z, net, l), layer(work.a, net, l), layer(dot.z, net, l), layer(dot.a, net, l)
    if net.layers[l].elementwise:
        for j in range(0, n, wide(z)):
            width = panel_width(z, n - j)
            from_, to = block(z_dot, rows, j, width, first, m), block(a_dot, rows, j, width, first, m)
            for i in range(to.size):
                to[i] = from_[i]
            call(tangents[l].derivative, to, block(z, rows, j, width, first, m), block(a, rows, j, width, first, m))
    else:
        for s in range(first, first + m):
            z_s, a_s = rows_of(z, scratch, 0, rows, s, 1, n), rows_of(a, scratch, n, rows, s, 1, n)
            from_, to = rows_of(z_dot, scratch, 2 * n, rows, s, 1, n), rows_of(a_dot, scratch, 3 * n, rows, s, 1, n)
            for j in range(n):
                to[j] = from_[j]
            call(tangents[l].derivative, stretch(to, 0, n), stretch(z_s, 0, n), stretch(a_s, 0, n))
            if n > wide(a):
                put_rows(a_dot, to, rows, s, 1, n)


@njit(**INNER)
def output_tangent(work, dot, scratch, first, Y, samples, kind, share, net, tangents):
    """δ and δ̇ of the output layer, a block of samples: what the product of this kind begins its way back with.

    HESSIAN: δ = ∂C/∂z and δ̇ = ∂²C/∂z² ż. GAUSS_NEWTON: δ = H ż, where H is ∂²C/∂z² of a fused pair of activation and
    cost, and else σ′ ∂²C/∂a² σ′; for the Fisher matrix, with the information of a for ∂²C/∂a². EMPIRICAL_FISHER:
    δ = ∂C/∂z (∂C/∂z · ż). All times `share`, the 1/n of the mean. Writes: rows of δ and δ̇, for softmax of ż.
    """
    l, rows = net.L, work.rows
    n, output = net.layers[l].n, net.layers[l]
    z, a, delta = layer(work.z, net, l), layer(work.a, net, l), layer(work.delta, net, l)
    z_dot, a_dot, delta_dot = layer(dot.z, net, l), layer(dot.a, net, l), layer(dot.delta, net, l)
    width = row_width(delta, n)
    some = max(1, CACHED // (8 * width * delta.itemsize))  # samples at a time, for one call
    for start in range(0, samples.size, some):
        m, s = min(some, samples.size - start), first + start
        z_s, a_s = rows_of(z, scratch, 0, rows, s, m, n), rows_of(a, scratch, m * n, rows, s, m, n)
        delta_s = rows_of(delta, scratch, 2 * m * n, rows, s, m, n)
        zd_s = rows_of(z_dot, scratch, 3 * m * n, rows, s, m, n)
        ad_s = rows_of(a_dot, scratch, 4 * m * n, rows, s, m, n)
        dd_s = rows_of(delta_dot, scratch, 5 * m * n, rows, s, m, n)
        y_s = stretch(scratch, 6 * m * n, m * width)
        take_targets(y_s, Y, stretch(samples, start, m), n, net)
        step = m * width if output.elementwise else width  # softmax goes sample by sample
        size = step if output.elementwise else n
        for i in range(0, m * width, step):
            d, z_i, a_i, y_i = (
                stretch(delta_s, i, size),
                stretch(z_s, i, size),
                stretch(a_s, i, size),
                stretch(y_s, i, size),
            )
            dd, zd, ad = stretch(dd_s, i, size), stretch(zd_s, i, size), stretch(ad_s, i, size)
            if kind == EMPIRICAL_FISHER:
                call(net.cost_gradient, d, z_i, a_i, y_i, net.cost_parameter)
            else:
                call(tangents[l].error_tangent, d, dd, z_i, a_i, y_i, zd, ad, net.cost_parameter)
            if kind == GAUSS_NEWTON:
                for j in range(size):
                    d[j] = dd[j]
            if kind == HESSIAN:
                call(tangents[l].bend, d, dd, z_i, a_i, zd, ad)
            else:
                call(tangents[l].error_derivative, d, z_i, a_i)
        if kind == EMPIRICAL_FISHER:
            for i in range(0, m * width, width):
                along = 0.0  # ∂C/∂z · ż is the derivative of this sample's cost along v
                for j in range(n):
                    along += delta_s[i + j] * zd_s[i + j]
                scale(stretch(delta_s, i, width), along)
        scale(delta_s, share)
        put_outputs(delta, delta_s, rows, s, m, n, width)
        if kind == HESSIAN:
            scale(dd_s, share)
            put_outputs(delta_dot, dd_s, rows, s, m, n, width)


@njit(**INNER)
def put_outputs(delta, delta_s, rows, s, m, n, width):
    """Bring rows of `rows_of` back to where they belong; what lies behind the outputs becomes 0. Writes: rows of δ."""
    if n > wide(delta):
        put_rows(delta, delta_s, rows, s, m, n)
    else:
        clear_padding(delta_s, m, n, width)


@njit(**INNER)
def propagate_tangent(work, dot, scratch, first, m, net, tangents, l):
    """δ and δ̇ of the layer before l: `propagate_error` and its tangent, m samples. Writes: their rows of its δ and δ̇.

    e_sk = Σ_j δ_sj w_jk,   ė_sk = Σ_j δ̇_sj w_jk + δ_sj v_jk,   δ = e σ′(z),   δ̇ = ė σ′(z) + e σ″(z) ż
    """
    n_in, n_out, rows, theta = net.layers[l - 1].n, net.layers[l].n, work.rows, work.theta
    d_before, dd_before, delta = layer(work.delta, net, l - 1), layer(dot.delta, net, l - 1), layer(work.delta, net, l)
    delta_dot, z, a = layer(dot.delta, net, l), layer(work.z, net, l - 1), layer(work.a, net, l - 1)
    z_dot, a_dot = layer(dot.z, net, l - 1), layer(dot.a, net, l - 1)
    no_bias, transposed = stretch(scratch, 0, wide(theta)), stretch(scratch, wide(theta), scratch.size - wide(theta))
    for c in range(no_bias.size):
        no_bias[c] = 0
    chunk = CACHED // (wide(theta) * theta.itemsize)
    for k in range(0, n_in, wide(theta)):
        width = panel_width(theta, n_in - k)
        d, dd = block(d_before, rows, k, width, 0, rows), block(dd_before, rows, k, width, 0, rows)
        sums = net.functions[width // lanes(theta)]
        for j in range(0, n_out, chunk):
            n = min(chunk, n_out - j)
            some_delta = stretch(delta, j * rows, delta.size - j * rows)
            some_delta_dot = stretch(delta_dot, j * rows, delta.size - j * rows)
            transpose(transposed, theta, j, n, k, width, net, l)
            call(sums.forward_panel, d, some_delta, transposed, no_bias, rows, first, m, n, j == 0)
            call(sums.forward_panel, dd, some_delta_dot, transposed, no_bias, rows, first, m, n, j == 0)
            transpose(transposed, dot.theta, j, n, k, width, net, l)
            call(sums.forward_panel, dd, some_delta, transposed, no_bias, rows, first, m, n, False)
        z_s, a_s = block(z, rows, k, width, first, m), block(a, rows, k, width, first, m)
        zd_s, ad_s = block(z_dot, rows, k, width, first, m), block(a_dot, rows, k, width, first, m)
        d_s, dd_s = block(d_before, rows, k, width, first, m), block(dd_before, rows, k, width, first, m)
        call(tangents[l - 1].bend, d_s, dd_s, z_s, a_s, zd_s, ad_s)


@njit(**INNER)
def add_products(thread, n_threads, gradient, work, dot, kind, first, m, net):
    """∂C/∂w_jk += Σ_s δ_sj a_sk, of HESSIAN Σ_s δ̇_sj a_sk + δ_sj ȧ_sk: the blocks of weights that are one thread's.

    Those that begin in its share of θ. Writes: their part of `gradient`, in panels.
    """
    total, width = net.layers[net.L + 1].panels_at, wide(work.theta)
    for l in range(1, net.L + 1):
        n_in, n_out = net.layers[l - 1].n, net.layers[l].n
        a, a_dot = layer(work.a, net, l - 1), layer(dot.a, net, l - 1)
        delta, delta_dot = layer(work.delta, net, l), layer(dot.delta, net, l)
        for j in range(0, n_out, width):
            columns = panel_width(work.theta, n_out - j)
            for k in range(0, n_in, width):
                n = (min(width, n_in - k) + 3) // 4 * 4  # whole tiles, into the padding
                start = weights_at(net, l, j, k if k > 0 else -1, columns)
                if start * n_threads // total == thread:
                    dw = stretch(gradient, start, weights_at(net, l, j, k + n, columns) - start)
                    if kind == HESSIAN:
                        add_outer(dw, a, delta_dot, True, work.rows, first, m, j, k, n, net, l)
                        if l > 1:  # the inputs do not move
                            add_outer(dw, a_dot, delta, False, work.rows, first, m, j, k, n, net, l)
                    else:
                        add_outer(dw, a, delta, True, work.rows, first, m, j, k, n, net, l)


@njit(**INNER)
def add_outer(dw, a, delta, biases, rows, first, m, j, k, n, net, l):
    """dw_jk += Σ_s a_sk δ_sj, and if `biases` db_j += Σ_s δ_sj: m samples, a block of weights. Writes: dw."""
    one, width = dw.dtype.type(1), panel_width(dw, net.layers[l].n - j)
    width_a = panel_width(dw, net.layers[l - 1].n - k)
    sums, weights = net.functions[width // lanes(dw)], stretch(dw, dw.size - n * width, n * width)
    if k == 0 and biases:
        call(sums.bias_panel, stretch(dw, 0, width), one, block(delta, rows, j, width, first, m), m, False)
    for s in range(first, first + m, BLOCK):
        some = min(BLOCK, first + m - s)
        delta_s, a_s = block(delta, rows, j, width, s, some), block(a, rows, k, width_a, s, some)
        call(sums.gradient_panel, weights, one, a_s, delta_s, weights, weights, weights, some, n, False)

"""Training on derivatives as well as values (Sobolev training): reverse mode over tangents, over register tiles.

The cost of a sample gets E = ½ Σ_ck v_ck (∂a_c/∂x_k − d_ck)², with weights v that are 0 where a derivative is not
known. For each input k a tangent goes forward, and its error back:

    forward     ȧ⁽⁰⁾ = e_k,   ż = W ȧ,   ȧ = σ′(z) ż
    output      ∂E/∂ȧ⁽ᴸ⁾ = v (ȧ⁽ᴸ⁾ − d)
    back        δ̇ = σ′(z) ∂E/∂ȧ,   δ = σ′(z) ∂C/∂a + Σ_k σ″(z) ż ∂E/∂ȧ,   ∂E/∂ȧ of the layer before = Wᵀ δ̇
    gradient    ∂C/∂W = Σ_s δ aᵀ + Σ_k δ̇ ȧᵀ,   ∂C/∂b = Σ_s δ

`work` has z, a and δ of a block of samples; `dot` has ż, ȧ and δ̇ with a row for each input and sample, one input after
the other, so that each layer is one product of matrices for all of them. Serial: the networks are small.

Source: Czarnecki et al., *Sobolev training for neural networks*, 2017; Griewank & Walther, *Evaluating Derivatives*,
2008.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from fastbp.compiler.call import call
from fastbp.compiler.options import INNER, LEAN, njit
from fastbp.compiler.structs import Struct
from fastbp.compiler.views import stretch
from fastbp.formulations.loops import apply_gradient
from fastbp.formulations.tiles.gradient import PATCH, patch_of, share_of
from fastbp.formulations.tiles.panels import copy, layer, rows_at, weights
from fastbp.formulations.tiles.products import (
    ZERO,
    Into,
    multiply,
    multiply_transposed,
    sum_biases,
    sum_outer_products,
)
from fastbp.formulations.tiles.rows import rows_of
from fastbp.formulations.tiles.steps import block_of, forward_block, rows_of_thread, take_samples
from fastbp.formulations.tiles.sums import output_error
from fastbp.formulations.tiles.tile import wide


class Derivatives(Struct):
    """The derivatives that are known: of output c by input inputs[k], of sample s, in row s, column c n_k + k."""

    d: npt.NDArray[Any]  # (n, n_out n_k)
    v: npt.NDArray[Any]  # their weights
    inputs: npt.NDArray[np.int64]  # (n_k,)
    sums: npt.NDArray[Any]  # memory: 2 panels of a block


@njit(**INNER)
def forward_tangents(dot, work, block, tall, of, net, tangents):
    """Ż and ȧ of all layers, for all inputs. Writes: rows of ż and ȧ."""
    m, first_layer = block.m, weights(work.theta, net, 1)
    for l in range(1, net.L + 1):
        z_dot, a_dot = layer(dot.z, net, l), layer(dot.a, net, l)
        if l > 1:
            multiply(z_dot, layer(dot.a, net, l - 1), weights(work.theta, net, l), tall, ZERO, False, net)
        z, a = layer(work.z, net, l), layer(work.a, net, l)
        for j in range(0, z.n, wide(z.numbers)):
            z_j, a_j = rows_at(z, j, block.first, m), rows_at(a, j, block.first, m)
            for k in range(of.inputs.size):
                zd, ad = rows_at(z_dot, j, k * m, m), rows_at(a_dot, j, k * m, m)
                if l == 1:  # ż_j = w_jk: ȧ⁽⁰⁾ is a unit vector
                    w_k = rows_at(first_layer, j, 1 + of.inputs[k], 1)
                    for s in range(m):
                        row = stretch(zd, s * w_k.size, w_k.size)
                        for i in range(w_k.size):
                            row[i] = w_k[i]
                for i in range(ad.size):
                    ad[i] = zd[i]
                call(tangents[l].derivative, ad, z_j, a_j)


@njit(**INNER)
def errors_of_tangents(dot, costs, block, of, share, net):
    """∂E/∂ȧ of the outputs, times `share`, and E. Writes: rows of δ̇ of the output layer; adds E to costs."""
    n_k, m, a_dot, delta_dot = of.inputs.size, block.m, layer(dot.a, net, net.L), layer(dot.delta, net, net.L)
    n, width_of_row = a_dot.n, a_dot.n * n_k
    for j in range(0, n, wide(a_dot.numbers)):
        for k in range(n_k):
            ad, dd = rows_at(a_dot, j, k * m, m), rows_at(delta_dot, j, k * m, m)
            width = ad.size // m
            for s in range(m):
                for c in range(width):
                    i, error = s * width + c, ad.dtype.type(0)
                    if j + c < n:
                        at = block.samples[s] * width_of_row + (j + c) * n_k + k
                        distance = ad[i] - of.d[at]
                        error = of.v[at] * distance
                        costs[block.first + s] += 0.5 * error * distance
                    dd[i] = share * error


@njit(**INNER)
def through_sigma(dot, work, block, of, net, tangents, l, is_output):
    """δ̇ = σ′ ∂E/∂ȧ, and δ = σ′ ∂C/∂a + Σ_k σ″ ż ∂E/∂ȧ; that of an output has σ′ already. Writes: rows of δ̇ and δ."""
    z, a, delta = layer(work.z, net, l), layer(work.a, net, l), layer(work.delta, net, l)
    z_dot, a_dot, delta_dot, m = layer(dot.z, net, l), layer(dot.a, net, l), layer(dot.delta, net, l), block.m
    for j in range(0, z.n, wide(z.numbers)):
        z_j, a_j, d_j = (
            rows_at(z, j, block.first, m), rows_at(a, j, block.first, m), rows_at(delta, j, block.first, m)
        )  # fmt: skip
        total, part = stretch(of.sums, 0, d_j.size), stretch(of.sums, d_j.size, d_j.size)
        for i in range(d_j.size):
            total[i] = 0
        for k in range(of.inputs.size):
            for i in range(d_j.size):
                part[i] = 0
            zd, ad, dd = rows_at(z_dot, j, k * m, m), rows_at(a_dot, j, k * m, m), rows_at(delta_dot, j, k * m, m)
            call(tangents[l].bend, dd, part, z_j, a_j, zd, ad)
            for i in range(d_j.size):
                total[i] += part[i]
        if not is_output:
            call(tangents[l].derivative, d_j, z_j, a_j)
        width = d_j.size // m
        for s in range(m):
            for c in range(min(width, z.n - j)):  # not the padding
                d_j[s * width + c] += total[s * width + c]


@njit(**INNER)
def add_gradients(dot, work, block, tall, of, net):
    """∂C/∂W += Σ_s δ aᵀ + Σ_k δ̇ ȧᵀ, ∂C/∂b += Σ_s δ, of a block. Writes: work.gradient, in panels."""
    gradient, one, m = work.gradient, work.gradient.dtype.type(1), block.m
    inputs, none, share = PATCH * wide(gradient), stretch(work.coming, 0, 0), share_of(0, 1, 1, net)
    for l in range(1, net.L + 1):
        delta, a = layer(work.delta, net, l), layer(work.a, net, l - 1)
        delta_dot, a_dot = layer(dot.delta, net, l), layer(dot.a, net, l - 1)
        for j in range(0, delta.n, wide(gradient)):
            for k in range(0, a.n, inputs):
                patch = patch_of(gradient, net, l, j, k, inputs, share)
                to = Into(stretch(gradient, patch.start, patch.size), one, False)
                if k == 0:
                    sum_biases(to, delta, patch, block, net)
                sum_outer_products(to, delta, a, patch, block, none, net)
                if l > 1:
                    sum_outer_products(to, delta_dot, a_dot, patch, tall, none, net)
            if l == 1:  # ȧ⁽⁰⁾ is a unit vector
                for k in range(of.inputs.size):
                    row, dd = (
                        rows_at(weights(gradient, net, 1), j, 1 + of.inputs[k], 1),
                        rows_at(delta_dot, j, k * m, m),
                    )
                    for s in range(m):
                        of_s = stretch(dd, s * row.size, row.size)
                        for i in range(row.size):
                            row[i] += of_s[i]


@njit(**INNER)
def gradient_block(dot, work, data, block, of, share, net, tangents):
    """Forward and back through all layers, a block of samples. Writes: work.costs; adds to work.gradient."""
    tall = rows_of_thread(work, 0, 0, block.m * of.inputs.size)
    take_samples(work, block, data.X, net)
    forward_block(work, block, 1, net.L, net)
    forward_tangents(dot, work, block, tall, of, net, tangents)
    z, a, delta = layer(work.z, net, net.L), layer(work.a, net, net.L), layer(work.delta, net, net.L)
    output_error(delta, z, a, data, work.costs, block, share, net)
    errors_of_tangents(dot, work.costs, block, of, share, net)
    for l in range(net.L, 0, -1):
        through_sigma(dot, work, block, of, net, tangents, l, l == net.L)
        if l > 1:
            w = weights(work.theta, net, l)
            multiply_transposed(layer(work.delta, net, l - 1), layer(work.delta, net, l), w, block, ZERO, net)
            multiply_transposed(layer(dot.delta, net, l - 1), layer(dot.delta, net, l), w, tall, ZERO, net)
    add_gradients(dot, work, block, tall, of, net)


@njit(**LEAN)
def gradient_of_samples(dot, work, data, of, start, stop, share, net, tangents):
    """The gradient of `share` times the sum of the costs of some samples of the order. Returns that sum.

    Writes: work.gradient, in panels; `work`, `dot`, `of`.
    """
    total, number = 0.0, work.theta.dtype.type(share)
    for i in range(work.gradient.size):
        work.gradient[i] = 0
    for first in range(start, stop, work.rows):
        block = block_of(work, data, 0, 0, first, min(stop, first + work.rows))
        gradient_block(dot, work, data, block, of, number, net, tangents)
        for s in range(block.m):
            total += work.costs[s]
    return total


@njit(calls=(apply_gradient,))
def train_epoch(theta, gradient, optimizer, dot, work, data, of, batch_size, net, flat, tangents):
    """Descent through all mini-batches of the order, one step each. Returns the sum of the samples' costs.

    Shapes: theta, gradient (n_parameters,). Writes: these, `optimizer`, `work`, `dot`, `of`.
    """
    total = 0.0
    for start in range(0, data.order.size, batch_size):
        stop = min(data.order.size, start + batch_size)
        copy(work.theta, theta, net, True)
        total += gradient_of_samples(dot, work, data, of, start, stop, 1 / (stop - start), net, tangents)
        copy(work.gradient, gradient, net, False)
        apply_gradient(theta, gradient, optimizer, work.steps, flat)
        if not abs(total) < math.inf:  # isfinite is x - x, which fastmath makes 0
            break
    return total


@njit(**INNER)
def seed_slope(dot, work, block, c, k, net, tangents):
    """∂ȧ_c/∂ȧ = e_c of the tangent along input k, then through σ. Writes: its rows of δ̇, and those of δ."""
    m, l = block.m, net.L
    z, delta = layer(work.z, net, l), layer(work.delta, net, l)
    for j in range(0, z.n, wide(z.numbers)):
        dd, d_j = rows_at(layer(dot.delta, net, l), j, k * m, m), rows_at(delta, j, block.first, m)
        width = d_j.size // m
        for s in range(m):
            for i in range(width):
                d_j[s * width + i], dd[s * width + i] = 0, 1 if j + i == c else 0
        bend_one(dot, work, block, j, k, net, tangents, l)


@njit(**INNER)
def bend_one(dot, work, block, j, k, net, tangents, l):
    """δ ← δ σ′ + δ̇ σ″ ż and δ̇ ← δ̇ σ′: a panel, the tangent along input k. Writes: its rows of δ̇, and those of δ."""
    m, first = block.m, block.first
    z_j, a_j = rows_at(layer(work.z, net, l), j, first, m), rows_at(layer(work.a, net, l), j, first, m)
    zd, ad = rows_at(layer(dot.z, net, l), j, k * m, m), rows_at(layer(dot.a, net, l), j, k * m, m)
    dd, d_j = rows_at(layer(dot.delta, net, l), j, k * m, m), rows_at(layer(work.delta, net, l), j, first, m)
    call(tangents[l].bend, dd, d_j, z_j, a_j, zd, ad)


@njit(**INNER)
def slope_rows(J, dot, work, block, of, c, k, net):
    """Rows of ∂(∂a_c/∂x_k)/∂θ: δ_sj a_si + δ̇_sj ȧ_si and δ_sj. Shapes: J (m n_out n_k P,). Writes: J, scratch."""
    n_k, size, scratch, m = of.inputs.size, net.layers[net.L + 1].weights_at, block.scratch, block.m
    for l in range(1, net.L + 1):
        n, n_in = net.layers[l].n, net.layers[l - 1].n
        deltas, deltas_dot = layer(work.delta, net, l), layer(dot.delta, net, l)
        inputs, inputs_dot = layer(work.a, net, l - 1), layer(dot.a, net, l - 1)
        for s in range(m):
            row = stretch(J, ((s * net.layers[net.L].n + c) * n_k + k) * size, size)
            delta = rows_of(deltas, scratch, 0, block.first + s, 1, net)
            delta_dot = rows_of(deltas_dot, scratch, n, k * m + s, 1, net)
            a = rows_of(inputs, scratch, 2 * n, block.first + s, 1, net)
            a_dot = a if l == 1 else rows_of(inputs_dot, scratch, 2 * n + n_in, k * m + s, 1, net)
            for j in range(n):
                row[net.layers[l].biases_at + j] = delta[j]
                of_j = stretch(row, net.layers[l].weights_at + j * n_in, n_in)
                for i in range(n_in):
                    of_j[i] = delta[j] * a[i] if l == 1 else delta[j] * a[i] + delta_dot[j] * a_dot[i]
                if l == 1:
                    of_j[of.inputs[k]] += delta_dot[j]


@njit(**INNER)
def slopes_block(J, slopes, dot, work, data, block, of, net, tangents):
    """`slope_jacobian` for a block of samples."""
    n_k, m, n_out = of.inputs.size, block.m, net.layers[net.L].n
    take_samples(work, block, data.X, net)
    forward_block(work, block, 1, net.L, net)
    forward_tangents(dot, work, block, rows_of_thread(work, 0, 0, m * n_k), of, net, tangents)
    for k in range(n_k):
        of_k = rows_of_thread(work, 0, k * m, m)
        for s in range(m):
            a_dot = rows_of(layer(dot.a, net, net.L), block.scratch, 0, k * m + s, 1, net)
            for c in range(n_out):
                slopes[(s * n_out + c) * n_k + k] = a_dot[c]
        for c in range(n_out):
            seed_slope(dot, work, block, c, k, net, tangents)
            for l in range(net.L, 1, -1):
                w, delta, delta_dot = weights(work.theta, net, l), layer(work.delta, net, l), layer(dot.delta, net, l)
                multiply_transposed(layer(work.delta, net, l - 1), delta, w, block, ZERO, net)
                multiply_transposed(layer(dot.delta, net, l - 1), delta_dot, w, of_k, ZERO, net)
                for j in range(0, net.layers[l - 1].n, wide(work.theta)):
                    bend_one(dot, work, block, j, k, net, tangents, l - 1)
            slope_rows(J, dot, work, block, of, c, k, net)


@njit(**LEAN)
def slope_jacobian(J, slopes, dot, work, data, of, net, tangents):
    """∂a_c/∂x_k and its derivatives by θ, for the samples of the order.

    Shapes: J (m n_out n_k P,), slopes (m n_out n_k,). Writes: these, `work`, `dot`.
    """
    n, of_sample = data.order.size, slopes.size // data.order.size
    size = of_sample * net.layers[net.L + 1].weights_at
    for first in range(0, n, work.rows):
        block = block_of(work, data, 0, 0, first, min(n, first + work.rows))
        of_block = stretch(slopes, first * of_sample, block.m * of_sample)
        slopes_block(stretch(J, first * size, block.m * size), of_block, dot, work, data, block, of, net, tangents)

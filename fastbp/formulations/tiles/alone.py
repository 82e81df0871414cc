"""What is called on its own, again and again, in one compiled call: a step from θ to θ, the outputs of a row or some.

A trainer keeps θ in panels. Between two steps the user may have changed it; most often he has not, and then the panels
still hold it: to compare takes a fraction of the time of packing.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from fastbp.compiler.call import call, cost_of
from fastbp.compiler.options import INNER, LEAN, njit
from fastbp.compiler.structs import Struct
from fastbp.compiler.views import matrix, stretch
from fastbp.formulations.network_data import biases
from fastbp.formulations.tiles.panels import Block, copy, layer
from fastbp.formulations.tiles.row_sums import LINE, inner_products
from fastbp.formulations.tiles.rows import take_layer
from fastbp.formulations.tiles.steps import forward_block, take_samples
from fastbp.formulations.tiles.tile import store_row_sums, zeros
from fastbp.model import Array


class Alone(Struct):
    """What is kept for such calls: the address of a trainer's loop, and θ outside its panels."""

    loop: int  # 0 for outputs
    theta: npt.NDArray[Any]  # the model's
    packed: npt.NDArray[Any]  # θ as the panels hold it, if `is_packed`
    theta_bits: npt.NDArray[Any]  # both as whole numbers: 0 and -0 differ
    packed_bits: npt.NDArray[Any]
    is_packed: npt.NDArray[np.int64]  # (1,): not 0 unless something else has written the panels since the last step


def alone(theta: Array, loop: int = 0) -> Alone:
    """Return what is kept for steps by this loop, or for outputs. Nothing is packed yet."""
    packed, bits = np.empty_like(theta), f"i{theta.itemsize}"
    return Alone(loop, theta, packed, theta.view(bits), packed.view(bits), np.zeros(1, np.int64))


@njit(**INNER)
def are_equal(left, right):
    """Whether two vectors of whole numbers are equal."""
    differences = left[0] ^ right[0]
    for i in range(1, left.size):
        differences |= left[i] ^ right[i]
    return differences == 0


@njit(**INNER)
def are_finite(numbers):
    """Whether all numbers of a vector are finite: 0 x is 0 of no others."""
    total = zero = numbers.dtype.type(0)
    for i in range(numbers.size):
        total += zero * numbers[i]
    return total == 0


@njit(**INNER)
def put(to, numbers):
    """Copy a vector. Writes: to."""
    for i in range(to.size):
        to[i] = numbers[i]


@njit(**INNER)
def pack_if_changed(kept, work, net):
    """Copy θ into panels, unless they hold it. Writes: work.theta, kept."""
    if kept.is_packed[0] == 0 or not are_equal(kept.theta_bits, kept.packed_bits):
        copy(work.theta, kept.theta, net, True)
        put(kept.packed, kept.theta)
        kept.is_packed[0] = 1


@njit(**LEAN)
def step_alone(kept, optimizer, work, data, batch_size, net):
    """Train on the samples of data.order; return the sum of the costs. Writes: θ, what is kept, what the loop writes.

    If the cost or a parameter is not finite then, θ is as it was, and NaN is returned.
    """
    theta, packed = kept.theta, kept.packed
    pack_if_changed(kept, work, net)
    kept.is_packed[0] = 0
    total_cost = cost_of(kept.loop, 1, optimizer, work, data, batch_size, net)
    copy(work.theta, theta, net, False)
    if not abs(total_cost) < math.inf or not are_finite(theta):
        put(theta, packed)
        return math.nan
    put(packed, theta)
    kept.is_packed[0] = 1
    return total_cost


@njit(**LEAN)
def forward_alone(outputs, X, kept, work, rows, net):
    """All layers for the rows 0…n − 1 of X, one block of samples. Shapes: outputs (n, n_out), X (n, n_in), rows (≥ n,).

    Writes: outputs, work, what is kept.
    """
    n, none = X.shape[0], stretch(rows, 0, 0)
    pack_if_changed(kept, work, net)
    no_lists = stretch(work.listed_inputs, 0, 0)
    block = Block(0, n, stretch(rows, 0, n), 0, work.scratch[0], no_lists, none, work.where[0])
    take_samples(work, block, X, net)
    forward_block(work, block, 1, net.L, net)
    a = layer(work.a, net, net.L)
    take_layer(stretch(outputs, 0, n * a.n), a, 0, n, net)


@njit(**INNER)
def weighted_inputs(z, w, b, a_previous):
    """z_j = Σ_k w_jk a_k + b_j: one layer, one sample, w as it is in θ. Shapes: w (n_out · n_in,). Writes: z."""
    n_out, n_in = z.size, a_previous.size
    sums, a = matrix(z, 0, 1, n_out), matrix(a_previous, 0, 1, n_in)
    for j in range(0, n_out - 3, 4):
        store_row_sums(inner_products(zeros(w, 4, LINE), w, 0, j, a, n_in), sums, 0, j)
    for j in range(n_out - n_out % 4, n_out):
        store_row_sums(inner_products(zeros(w, 1, LINE), w, 0, j, a, n_in), sums, 0, j)
    for j in range(n_out):
        z[j] += b[j]


@njit(**LEAN)
def row_alone(output, scratch, theta, x, net):
    """All layers for one row of inputs, from θ as it is: to copy it into panels would take longer than the sums.

    As `loops.forward_row`, but LLVM divides no sum, so the bits do not depend on the registers.
    Shapes: output (1, n_out); x (1, n_in); scratch (2 times all neurons,). Writes: output, scratch.
    """
    a_previous = stretch(x, 0, net.layers[0].n)
    for l in range(1, net.L + 1):
        of_layer, n_in = net.layers[l], net.layers[l - 1].n
        z = stretch(scratch, of_layer.neurons_before, of_layer.n)
        a = stretch(scratch, scratch.size // 2 + of_layer.neurons_before, of_layer.n)
        weighted_inputs(z, stretch(theta, of_layer.weights_at, of_layer.n * n_in), biases(theta, net, l), a_previous)
        call(of_layer.activation, a, z)
        a_previous = a
    for j in range(output.shape[1]):
        output[0, j] = a_previous[j]

"""How the numbers of a group of nets lie in memory: in registers of nets, or net by net.

A group has as many nets as a vector register has lanes. *In lanes* each number is a register that has that number of
every net: θ is (n_parameters, lanes), z, a and δ of a layer are (samples, neurons, lanes). *Net by net* the same
numbers of one net lie one behind the other, in a row for each net. One is the other transposed.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastbp.compiler.options import INLINE, njit
from fastbp.compiler.structs import Struct
from fastbp.compiler.views import matrix, stretch
from fastbp.formulations.tiles.tile import lanes, load, store_transposed, zeros


class Members(Struct):
    """The optimizers of the nets of a group, a row for each net, and what they work on, net by net."""

    theta: npt.NDArray[Any]  # (lanes, n): n parameters, rounded up to whole registers
    first: npt.NDArray[Any]  # the same, as are the others
    second: npt.NDArray[Any]
    hyper: npt.NDArray[np.float64]  # (n_nets, N_HYPER)
    t: npt.NDArray[np.int64]  # (n_nets,)
    limits: npt.NDArray[np.float64]  # (n_nets, 4): l2, l1, decay and clip_value of `OptimizerData`
    updates: npt.NDArray[Any]  # of each net begin_step and update, and whether it is plain_descent or changes_gradient


class LanesWorkspace(Struct):
    """What a step writes and the next one does not read, so that groups that take turns may share it."""

    theta: npt.NDArray[Any]  # (n, lanes)
    gradient: npt.NDArray[Any]
    gradients: npt.NDArray[Any]  # the same net by net, (lanes, n), n rounded up to whole registers
    quarters: npt.NDArray[Any]  # (4, n, lanes): sums over every fourth sample
    z: npt.NDArray[Any]  # layer after layer, (rows, n_l, lanes), as are a and δ
    a: npt.NDArray[Any]
    delta: npt.NDArray[Any]
    inputs: npt.NDArray[Any]  # (lanes, rows, n_0): x net by net
    outputs: npt.NDArray[Any]  # (4, lanes, rows, n_L): z, a, δ and y of the output layer net by net
    costs: npt.NDArray[np.float64]  # (lanes, rows)
    batch_costs: npt.NDArray[np.float64]  # (lanes, batch_size)
    scratch: npt.NDArray[Any]
    rows: int  # samples of a block


class Block(NamedTuple):
    """Some samples of a mini-batch that go through all layers together."""

    start: int  # where they begin in the order
    m: int
    begin: bool  # whether they are the first of the mini-batch


class LanesData(Struct):
    """The samples of an epoch, sample i of net c is row order[c, i] of X and Y; and their costs."""

    X: npt.NDArray[Any]
    Y: npt.NDArray[Any]
    order: npt.NDArray[np.int64]  # (lanes, n)
    costs: npt.NDArray[np.float64]  # (n_nets,): sums over the samples


# Views that begin where they should and go on to the end of the buffer, because a tile may reach a little further.


@njit(**INLINE)
def layer(buffer, work, net, l):
    """z, a or δ of layer l, (rows, n_l, lanes), in the buffer that holds it for all layers."""
    start = work.rows * lanes(buffer) * net.layers[l].neurons_before
    return stretch(buffer, start, buffer.size - start)


@njit(**INLINE)
def weights(vector, net, l):
    """w_jk of layer l in a vector of the layout of θ, (n_out, n_in, lanes)."""
    start = lanes(vector) * net.layers[l].weights_at
    return stretch(vector, start, vector.size - start)


@njit(**INLINE)
def biases(vector, net, l):
    """b_j of layer l in a vector of the layout of θ, (n_out, lanes)."""
    start = lanes(vector) * net.layers[l].biases_at
    return stretch(vector, start, vector.size - start)


def to_lanes(in_lanes, by_net, n):
    """Copy n numbers of every net to where each is a register. Shapes: in_lanes (≥ n, lanes); by_net (lanes, ≥ n).

    In whole registers, so up to lanes − 1 numbers behind the n are copied as well.
    """
    width = lanes(in_lanes)
    to, of = matrix(in_lanes, 0, in_lanes.size // width, width), matrix(by_net, 0, width, by_net.size // width)
    for i in range(0, n, width):
        store_transposed(load(zeros(of, lanes(of), 1), of, 0, i), to, i, 0)


def from_lanes(by_net, in_lanes, n):
    """And back."""
    width = lanes(in_lanes)
    of, to = matrix(in_lanes, 0, in_lanes.size // width, width), matrix(by_net, 0, width, by_net.size // width)
    for i in range(0, n, width):
        store_transposed(load(zeros(of, lanes(of), 1), of, i, 0), to, 0, i)

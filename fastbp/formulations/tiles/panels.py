"""How matrices lie in memory for register tiles: in panels.

A panel is as many neighbouring columns as two vector registers hold, all its rows one after the other in one contiguous
piece; the last panel is one register wide if that is enough for what is left. So a tile walks straight through memory,
whatever the size of the matrix, and what a loop needs next lies behind what it has.

z, a and δ of a layer have a row for each sample of a mini-batch and a column for each neuron. The weights of a layer
have a column for each neuron too: row 0 holds the biases b_j, row 1 + k the weights w_jk of the input k. Columns are
padded to whole registers; padding may hold anything and never enters a result.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import types
from numba.core import cgutils
from numba.extending import lower_builtin, type_callable

from fastbp.compiler.options import INLINE, INNER, LEAN, njit
from fastbp.compiler.structs import Struct
from fastbp.compiler.together import to_call
from fastbp.compiler.views import borrow, matrix, stretch
from fastbp.formulations.tiles.registers import I64, VECS, VECTOR_BYTES
from fastbp.formulations.tiles.tile import lanes, load, store_transposed, wide, zeros


class Panels(NamedTuple):
    """A matrix in panels: its numbers, its rows, and its columns without padding."""

    numbers: Any
    rows: int
    n: int


class TiledWorkspace(Struct):
    """All memory that a call writes, sized once."""

    theta: npt.NDArray[Any]  # parameters, moments and gradient in panels
    first: npt.NDArray[Any]
    second: npt.NDArray[Any]
    gradient: npt.NDArray[Any]  # of a mini-batch with more samples than rows below; or of each of its parts
    z: npt.NDArray[Any]
    a: npt.NDArray[Any]
    passed_on: npt.NDArray[Any]  # what the next layer gets of a: a itself, unless neurons are dropped
    delta: npt.NDArray[Any]
    costs: npt.NDArray[np.float64]  # of the samples; then of the parts
    scratch: npt.NDArray[Any]  # a row for each thread
    rows: int  # how many samples z, a and δ have room for
    in_parts: bool  # whether the gradient is summed in parts
    norm: npt.NDArray[np.float64]  # (1,): ‖v‖² of what was asked for last
    coming: npt.NDArray[np.int64]  # a row for each thread: addresses of what it needs next
    where: npt.NDArray[np.int64]  # a row for each thread, on cache lines of its own
    batch: npt.NDArray[np.int64]  # (2,): where the mini-batch begins in the order of samples, and how many it has
    noted: npt.NDArray[np.uint32]  # which inputs are not 0, and their lists: see `lists.py`; or empty
    listed_inputs: npt.NDArray[np.uint32]
    listed_samples: npt.NDArray[np.uint32]  # a row for each thread
    dropout: npt.NDArray[np.float64]  # these as in `network_data.Workspace`
    seed: int
    steps: npt.NDArray[np.int64]
    lowest: int = 1  # the first layer that is not frozen: below it, no errors and no gradient are computed


class Data(Struct):
    """The samples of a call: sample i of it is row order[i] of X and Y."""

    X: npt.NDArray[Any]
    Y: npt.NDArray[Any]
    order: npt.NDArray[np.int64]
    sample_weight: npt.NDArray[Any]  # of each row one or n_out, one behind the other: `output_weights.py`; or empty


class Block(NamedTuple):
    """Some samples that go through all layers together, on one thread."""

    first: int  # row of z, a and δ of the first of them
    m: int  # how many there are
    samples: Any  # their rows of X and Y; empty where they are not asked for
    place: int  # of the first of them in its mini-batch
    scratch: Any  # the thread's memory
    lists: Any  # of inputs, or of samples, that are not 0: see `lists.py`; or empty
    coming: Any  # addresses of the inputs of the next block, a sample each; or empty
    where: Any  # whole numbers for the sum that is called next: see `panel_sums.py`


@njit(**INNER)
def narrow(A):
    """Columns of a last panel that is one register wide. Registers of two numbers are too small for that."""
    return lanes(A) if lanes(A) >= 4 else 2 * lanes(A)


@njit(**INNER)
def panel_width(A, left):
    """Columns of a panel from which on `left` columns are left."""
    return wide(A) if left > narrow(A) else narrow(A)


@njit(**INNER)
def layer(buffer, net, l):
    """z, a or δ of layer l, in the buffer that holds it for all layers."""
    rows = buffer.size // net.layers[-1].columns_before
    numbers = stretch(buffer, rows * net.layers[l].columns_before, rows * net.layers[l].columns)
    return Panels(numbers, rows, net.layers[l].n)


@njit(**INNER)
def weights(vector, net, l):
    """b and w of layer l in a vector of the layout of θ in panels."""
    start, stop = net.layers[l].panels_at, net.layers[l + 1].panels_at
    return Panels(stretch(vector, start, stop - start), 1 + net.layers[l - 1].columns, net.layers[l].n)


@njit(**INNER)
def width_at(A, j):
    """Columns of the panel that begins with column j, padding included."""
    return panel_width(A.numbers, A.n - j)


def rows_at(A, j, first, m):
    """Rows `first` to first + m − 1 of the panel that begins with column j, one behind the other: a view."""
    width = panel_width(A.numbers, A.n - j)
    return stretch(A.numbers, j * A.rows + first * width, m * width)


# Compiled code gets it as instructions: a function could not return a view where it does not count references.


@type_callable(rows_at)
def _type_of_rows(context):
    return lambda A, j, first, m: A.types[0]


@lower_builtin(rows_at, types.NamedTuple, types.Integer, types.Integer, types.Integer)
def _rows_code(context, builder, sig, args):
    A, *index = args
    numbers, rows, n = cgutils.unpack_tuple(builder, A)
    j, first, m = (context.cast(builder, i, kind, types.intp) for i, kind in zip(index, sig.args[1:], strict=True))
    lanes_of_register = VECTOR_BYTES * 8 // sig.return_type.dtype.bitwidth
    unit = I64(lanes_of_register if lanes_of_register >= 4 else 2 * lanes_of_register)
    is_wide = builder.icmp_signed(">", builder.sub(n, j), unit)
    width = builder.select(is_wide, I64(VECS * lanes_of_register), unit)
    start = builder.add(builder.mul(j, rows), builder.mul(first, width))
    view = sig.return_type(sig.return_type, types.intp, types.intp)
    return borrow(context, builder, view, [numbers, start, builder.mul(m, width)])


@njit(**INLINE)
def panel(A, j):
    """All rows of the panel that begins with column j."""
    return rows_at(A, j, 0, A.rows)


@njit(**LEAN)
def copy(panels, vector, net, to_panels):
    """Copy a vector of the layout of θ into panels, without padding, or, unless `to_panels`, panels into the vector."""
    for l in range(1, net.L + 1):
        n_in, n_out, of_layer = net.layers[l - 1].n, net.layers[l].n, weights(panels, net, l)
        w, b = matrix(vector, net.layers[l].weights_at, n_out, n_in), stretch(vector, net.layers[l].biases_at, n_out)
        for j in range(0, n_out, wide(panels)):
            width = panel_width(panels, n_out - j)
            columns, rows = min(width, n_out - j), matrix(rows_at(of_layer, j, 0, 1 + n_in), 0, 1 + n_in, width)
            for c in range(columns):
                if to_panels:
                    rows[0, c] = b[j + c]
                else:
                    b[j + c] = rows[0, c]
            for k in range(0, n_in, lanes(panels)):
                for c in range(0, columns, lanes(panels)):
                    is_square = k + lanes(panels) <= n_in and c + lanes(panels) <= columns
                    if is_square and to_panels:
                        store_transposed(load(zeros(panels, lanes(panels), 1), w, j + c, k), rows, 1 + k, c)
                    elif is_square:
                        store_transposed(load(zeros(panels, lanes(panels), 1), rows, 1 + k, c), w, j + c, k)
                    else:
                        for i in range(k, min(n_in, k + lanes(panels))):
                            for e in range(c, min(columns, c + lanes(panels))):
                                if to_panels:
                                    rows[1 + i, e] = w[j + e, i]
                                else:
                                    w[j + e, i] = rows[1 + i, e]


def pack(panels: Any, vector: Any, net: Any) -> None:
    """Copy a vector of the layout of θ into panels, for Python. Writes: panels, but not their padding."""
    to_call(copy)(panels, vector if vector.flags.writeable else vector.copy(), net, True)


def unpack(vector: Any, panels: Any, net: Any) -> None:
    """And back. Writes: vector."""
    to_call(copy)(panels, vector, net, False)

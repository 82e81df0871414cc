"""How matrices lie in memory for register tiles: in panels.

A panel is as many neighbouring columns as two vector registers hold, all its rows one after the other in one contiguous
piece; the last panel is one register wide if that is enough for what is left. So a tile walks straight through memory,
whatever the size of the matrix, and what a loop needs next lies behind what it has.

z, a and δ of a layer have a row for each sample of a mini-batch and a column for each neuron. The weights have a panel
for every panel of z: its row 0 holds the biases b_j, its row 1 + k the weights w_jk of the input k. Columns are padded
to whole registers; padding may hold anything and never enters a result.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from fastbp.compiler.options import INLINE, INNER, LEAN, njit
from fastbp.compiler.structs import Struct
from fastbp.compiler.views import matrix, stretch
from fastbp.formulations.tiles.tile import lanes, load, store_transposed, wide, zeros


class TiledWorkspace(Struct):
    """All memory that a call writes, sized once."""

    theta: npt.NDArray[Any]  # parameters, moments and gradient in panels
    first: npt.NDArray[Any]
    second: npt.NDArray[Any]
    gradient: npt.NDArray[Any]  # of a mini-batch with more samples than rows below; or of each of its parts
    z: npt.NDArray[Any]
    a: npt.NDArray[Any]
    delta: npt.NDArray[Any]
    costs: npt.NDArray[np.float64]  # of the samples; then of the parts
    scratch: npt.NDArray[Any]  # a row for each thread, beginning with zeros
    rows: int  # how many samples z, a and δ have room for
    in_parts: bool  # whether the gradient is summed in parts
    noted: npt.NDArray[np.uint32]  # which inputs are not 0, and their lists: see `listed_sums.py`; or empty
    listed_inputs: npt.NDArray[np.uint32]
    listed_samples: npt.NDArray[np.uint32]
    places: npt.NDArray[np.int64]  # of each row's sample in the mini-batch, where neurons are dropped
    dropout: npt.NDArray[np.float64]  # these as in `network_data.Workspace`
    seed: int
    steps: npt.NDArray[np.int64]
    sample_weight: npt.NDArray[Any]


@njit(**INNER)
def narrow(A):
    """Columns of a last panel that is one register wide. Registers of two numbers are too small for that."""
    return lanes(A) if lanes(A) >= 4 else 2 * lanes(A)


@njit(**INNER)
def panel_width(A, left):
    """Columns of a panel from which on `left` columns are left."""
    return wide(A) if left > narrow(A) else narrow(A)


@njit(**INLINE)
def layer(buffer, net, l):
    """z, a or δ of layer l in the buffer that holds it for all layers, as a flat view."""
    rows = buffer.size // net.layers[-1].columns_before
    return stretch(buffer, rows * net.layers[l].columns_before, rows * net.layers[l].columns)


@njit(**INNER)
def weights_at(net, l, j, k, width):
    """Where the weights of input k begin in the panel of layer l whose first neuron is j; with k = −1 the biases."""
    return net.layers[l].panels_at + (1 + net.layers[l - 1].columns) * j + (1 + k) * width


@njit(**LEAN)
def pack(panels, vector, net):
    """Copy a vector of the layout of θ into panels. Writes: panels, but not their padding."""
    for l in range(1, net.L + 1):
        n_in, n_out = net.layers[l - 1].n, net.layers[l].n
        w = matrix(vector, net.layers[l].weights_at, n_out, n_in)
        for j in range(0, n_out, wide(panels)):
            width = panel_width(panels, n_out - j)
            columns, start = min(width, n_out - j), weights_at(net, l, j, -1, width)
            for c in range(columns):
                panels[start + c] = vector[net.layers[l].biases_at + j + c]
            panel = matrix(panels, start + width, n_in, width)
            for k in range(0, n_in, lanes(panels)):
                for c in range(0, columns, lanes(panels)):
                    if k + lanes(panels) <= n_in and c + lanes(panels) <= columns:
                        store_transposed(load(zeros(panels, lanes(panels), 1), w, j + c, k), panel, k, c)
                    else:
                        for i in range(k, min(n_in, k + lanes(panels))):
                            for e in range(c, min(columns, c + lanes(panels))):
                                panel[i, e] = w[j + e, i]


@njit(**LEAN)
def unpack(vector, panels, net):
    """Copy panels back into a vector of the layout of θ. Writes: vector."""
    for l in range(1, net.L + 1):
        n_in, n_out = net.layers[l - 1].n, net.layers[l].n
        w = matrix(vector, net.layers[l].weights_at, n_out, n_in)
        for j in range(0, n_out, wide(panels)):
            width = panel_width(panels, n_out - j)
            columns, start = min(width, n_out - j), weights_at(net, l, j, -1, width)
            for c in range(columns):
                vector[net.layers[l].biases_at + j + c] = panels[start + c]
            panel = matrix(panels, start + width, n_in, width)
            for k in range(0, n_in, lanes(panels)):
                for c in range(0, columns, lanes(panels)):
                    if k + lanes(panels) <= n_in and c + lanes(panels) <= columns:
                        store_transposed(load(zeros(panels, lanes(panels), 1), panel, k, c), w, j + c, k)
                    else:
                        for i in range(k, min(n_in, k + lanes(panels))):
                            for e in range(c, min(columns, c + lanes(panels))):
                                w[j + e, i] = panel[i, e]

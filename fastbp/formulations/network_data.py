"""What a compiled loop needs to know of a network, as run-time data: one compilation serves every architecture."""

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import config

from fastbp.compiler.options import INLINE, njit
from fastbp.compiler.structs import Struct
from fastbp.compiler.views import matrix, stretch


class NetworkData(Struct):
    """The shape of a network and its functions.

    ``cost`` and ``cost_gradient`` are what `call` takes, C and ∂C/∂a; both are given ``cost_parameter``. So is
    ``output_activation``, σ of the output layer for several samples, if it is not ``elementwise``: see below.
    ``errors_by_sample`` says whether ∂C/∂a and σ′ of that layer take one sample at a time.
    ``layers[l]`` has, for the layers l = 1…L and with l = 0 for the input,

    =================  ===============================================================================================
    n                  the number of neurons
    neurons_before     that of all layers before l
    weights_at         where the weights of layer l begin in the parameter vector
    biases_at          and where its biases do
    activation         what `call` takes: σ of the whole layer; 0 where ``output_activation`` is used
    derivative         the same: δ ← δ ⊙ σ′
    elementwise        whether σ may run over many samples at once, padding included
    columns            neurons in panels (`panels.py`), padding included
    columns_before     those of all layers before l
    panels_at          where the weights of layer l begin in panels
    =================  ===============================================================================================

    and a row for l = L + 1 that says where all ends. ``functions[i]``, of `tiles` only, has those of
    `panel_functions.py`, with i = 1 and 2 for panels of so many registers, 0 for all, and more pairs of rows for other
    kinds of sums; ``widths`` is the sum of those of 1 and 2 that the network's panels have.
    """

    L: int
    cost: Any
    cost_gradient: Any
    cost_parameter: float
    output_activation: Any
    errors_by_sample: bool
    layers: npt.NDArray[Any]
    functions: npt.NDArray[Any]
    widths: int


def table(
    rows: list[dict[str, Any]], *, integers: Sequence[str] = (), functions: Sequence[str] = ()
) -> npt.NDArray[Any]:
    """Rows of integers, and of functions as `call` takes them, as an array with fields; what a row lacks is 0."""
    dtype = _type_of_row(tuple(integers), tuple(functions), object if config.DISABLE_JIT else np.int64)
    array = np.zeros(len(rows), dtype)
    for i, row in enumerate(rows):
        if row:
            array[i] = tuple(row.get(name, 0) for name in dtype.names or ())
    return array.view(np.recarray) if config.DISABLE_JIT else array  # compiled code needs no recarray for array[l].n


@cache
def _type_of_row(integers: tuple[str, ...], functions: tuple[str, ...], address: Any) -> np.dtype[Any]:
    return np.dtype([*((name, np.int64) for name in integers), *((name, address) for name in functions)])


def layer_table(rows: list[dict[str, Any]]) -> npt.NDArray[Any]:
    """Return `NetworkData.layers`."""
    of_panels = "columns", "columns_before", "panels_at"
    integers = "n", "neurons_before", "weights_at", "biases_at", "elementwise", *of_panels
    return table(rows, integers=integers, functions=("activation", "derivative"))


class OptimizerData(Struct):
    """What a compiled loop needs to know of an optimizer; the functions are what `call` takes."""

    first: npt.NDArray[Any]
    second: npt.NDArray[Any]
    hyper: npt.NDArray[np.float64]
    t: npt.NDArray[np.int64]
    begin_step: Any
    update: Any
    plain_descent: bool  # whether the update is θ ← θ − η g and nothing else, η = hyper[0]
    rates: npt.NDArray[np.float64] = np.empty((0, 2))  # of layers, factors of η: `rates.py`; empty if all are 1
    changes_gradient: bool = False  # whether l1 or clip_value is on: `rules.py`
    l2: float = 0.0  # λ/n
    l1: float = 0.0  # λ₁/n
    decay: npt.NDArray[np.float64] = np.zeros(1)  # (1,): of the running step, which a schedule changes
    clip_value: float = math.inf
    clip_norm: float = math.inf
    max_norm: float = math.inf
    per_batch: bool = False  # whether l2 is λ, and each mini-batch divides it by what it divides its costs by


class Workspace(Struct):
    """All memory that a step writes, sized once.

    z, a, passed_on and δ hold, layer after layer, a row for each sample of a mini-batch.
    """

    z: npt.NDArray[Any]
    a: npt.NDArray[Any]
    passed_on: npt.NDArray[Any]  # what the next layer gets of a: a itself, unless neurons are dropped
    delta: npt.NDArray[Any]
    costs: npt.NDArray[np.float64]
    gradient: npt.NDArray[Any]
    dropout: npt.NDArray[np.float64]  # p by layer, 0 for the input; empty if nothing is dropped
    seed: int  # decides what is
    steps: npt.NDArray[np.int64]  # (1,): how many the network has taken, with any optimizer
    sample_weight: npt.NDArray[Any]  # of each sample one or n_out, one behind the other: `output_weights.py`; or empty


@njit(**INLINE)
def layer(buffer, net, l):
    """z, a or δ of layer l, (batch_size, n_l), as a view of the buffer that holds it for all layers."""
    batch_size = buffer.size // net.layers[-1].neurons_before
    return matrix(buffer, batch_size * net.layers[l].neurons_before, batch_size, net.layers[l].n)


@njit(**INLINE)
def weights(vector, net, l):
    """w[j, k] of layer l in a vector of the layout of θ, as a view."""
    return matrix(vector, net.layers[l].weights_at, net.layers[l].n, net.layers[l - 1].n)


@njit(**INLINE)
def biases(vector, net, l):
    """b[j] of layer l in a vector of the layout of θ, as a view."""
    return stretch(vector, net.layers[l].biases_at, net.layers[l].n)

"""The outputs of all members of a bag for the rows of a table, with the first layers of all in one compiled pass.

A network of a bag spends nearly all of a prediction in its first layer, whose inputs are hundreds of features of few
columns. `fastbp.tables.terms` knows which sums of weights each row needs; here they are added up for the neurons of all
members at once. The other layers are those of each network.
"""

from __future__ import annotations

import numpy as np

from fastbp.formulations.array_functions import activation_function
from fastbp.functions.activations import ACTIVATIONS, Activation
from fastbp.functions.costs import COSTS
from fastbp.model import Array, Model, ParameterVector
from fastbp.network import Network
from fastbp.population import Population
from fastbp.tables import Preprocessor
from fastbp.tables.terms import Rows
from fastbp.tabular.first_layers import AT_ONCE, Memory, first_layers

IDENTITY = ACTIVATIONS["identity"]
BLOCK = 1 << 12  # rows whose first layers are in memory at once


def outputs(population: Population, preprocessor: Preprocessor, rows: Rows) -> Array:
    """Return z of the last layer of all members, (n_members, n, n_out).

    The members have the same sizes and activations. The result has two rows at least, because sums of one row have
    another order; so each row has the same bits among others as alone.
    """
    nets, n = list(population), len(rows.x)
    matrix = _matrix(nets, preprocessor)
    if n <= BLOCK:
        return _of_block(nets, preprocessor, rows, matrix)
    z = np.empty((len(nets), n, nets[0].sizes[-1]), nets[0].dtype)
    for start in range(0, n, BLOCK):
        some = Rows(*(each[start : start + BLOCK] for each in rows))
        z[:, start : start + BLOCK] = _of_block(nets, preprocessor, some, matrix)[:, : len(some.x)]
    return z


def _of_block(nets: list[Network], preprocessor: Preprocessor, rows: Rows, matrix: Array) -> Array:
    first, deep = nets[0], len(nets[0].sizes) > 2
    a = np.zeros((len(nets), max(len(rows.x), 2), first.sizes[1]), first.dtype)
    sums(a, preprocessor, rows, matrix, first.activations[0] if deep else IDENTITY)
    if not deep:
        return a
    z = np.empty((*a.shape[:2], first.sizes[-1]), a.dtype)
    for net, of_net, out in zip(nets, a, z, strict=True):
        net._formulation.outputs(_rest(net), of_net, out)
    return z


def sums(a: Array, preprocessor: Preprocessor, rows: Rows, matrix: Array, sigma: Activation = IDENTITY) -> None:
    """Write σ(Σ_k w_jk z_k + b_j) over the features z of each row, for a matrix of `Terms`.

    Shapes: a (n_members, n, n_out), matrix (…, n_members n_out). Writes: a.
    """
    most, dtype = 3 * rows.x.shape[1] + rows.added.shape[1] + AT_ONCE, matrix.dtype
    z, sigma_z = np.empty((2, matrix.shape[1]), dtype)
    memory = Memory(z, sigma_z, np.empty(most, np.intp), np.empty(most, dtype))
    function = activation_function(sigma, dtype)
    first_layers(a, memory, rows, matrix, preprocessor.terms.quantities, preprocessor.smooth_clip, function)


def _matrix(nets: list[Network], preprocessor: Preprocessor) -> Array:
    """Return the matrix of the first layers of all members; it is kept as long as their weights are the same."""
    w = np.concatenate([net.weights[0] for net in nets])
    b = np.concatenate([net.biases[0] for net in nets])
    prepared = nets[0]._model.prepared
    if "first layers" not in prepared or not all(map(np.array_equal, prepared["first layers"][:2], (w, b))):
        prepared["first layers"] = w, b, preprocessor.terms.matrix(w, b)
    matrix: Array = prepared["first layers"][2]
    return matrix


def _rest(net: Network) -> Model:
    """Return a network without its first layer and without σ of its last one, in the same memory."""
    prepared, sizes = net._model.prepared, net.sizes[1:]
    if "rest" not in prepared:
        vector = net.parameters[-ParameterVector.count(sizes) :]
        activations = (*net.activations[1:-1], IDENTITY)
        prepared["rest"] = Model(sizes, activations, COSTS["quadratic"], ParameterVector(sizes, vector))
    rest: Model = prepared["rest"]
    return rest

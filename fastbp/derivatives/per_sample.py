"""Derivatives of the cost of each sample: the callers of the loops in `sample_steps.py`.

X (n, n_in) and Y (n, n_out) have been checked, as for a formulation.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from fastbp.compiler.threads import max_threads, parallel_region
from fastbp.compiler.variants import variant
from fastbp.derivatives import sample_steps
from fastbp.formulations.network_data import NetworkData
from fastbp.formulations.tiles.panel_functions import add_functions
from fastbp.formulations.tiles.panels import TiledWorkspace, pack, unpack
from fastbp.formulations.tiles.prepared import samples_of
from fastbp.formulations.tiles.registers import VECS, VECTOR_BYTES
from fastbp.formulations.tiles.tiled import ROWS, add_gradient_functions, borrowed_workspace, tiled_network
from fastbp.model import Array, Model, ParameterVector


@contextmanager
def packed(model: Model, n: int, *, gradient: bool = False) -> Iterator[tuple[NetworkData, TiledWorkspace]]:
    """Lend the network and a workspace for n samples to the tile loops, with θ packed into panels.

    The workspace has at least two rows: sums of one row have another order, and no sample's bits may depend on n.
    """
    net = tiled_network(model)
    add_functions(net, ["take_rows", "put_rows"], model.dtype)
    with borrowed_workspace(model, max(2, n), gradient=gradient) as work:
        pack(work.theta, model.parameters.vector, net)
        yield net, work


def blocks(n_threads: int, net: NetworkData, work: TiledWorkspace, X: Array, Y: Array) -> Iterator[tuple[slice, int]]:
    """Write the errors of each sample's own cost into the workspace, block by block; yield the block and its size."""
    own_errors, data = variant(sample_steps.own_errors, n_threads), samples_of(X, Y)
    add_functions(net, ["errors_share"], X.dtype, W=work, A=data, N=net)
    for first in range(0, len(X), work.rows):
        m = min(work.rows, len(X) - first)
        own_errors(n_threads, work, data, first, first + m, net)
        yield slice(first, first + m), m


def gradients(model: Model, X: Array, Y: Array, out: Array) -> None:
    """Write ∇C_s of every sample into `out`, (n, n_parameters)."""
    with packed(model, len(X)) as (net, work), parallel_region(_flops(model, X)) as n_threads:
        write_gradients = variant(sample_steps.write_gradients, n_threads)
        for some, m in blocks(n_threads, net, work, X, Y):
            write_gradients(n_threads, out[some], work, m, net)


def squared_norms(model: Model, X: Array, Y: Array) -> Array:
    """Return ‖∇C_s‖² by layer, (n, L) in float64, without forming ∇C_s."""
    squared, sums = np.empty((len(X), model.n_layers)), _sums(model)
    with packed(model, len(X)) as (net, work), parallel_region(_flops(model, X)) as n_threads:
        square_norms = variant(sample_steps.square_norms, n_threads)
        for some, m in blocks(n_threads, net, work, X, Y):
            square_norms(n_threads, squared[some], sums, work, m, net)
    return squared


def clipped_gradient(model: Model, X: Array, Y: Array, max_norm: float) -> ParameterVector:
    """Return the mean of ∇C_s min(1, max_norm / ‖∇C_s‖), without forming ∇C_s."""
    n, sums = len(X), _sums(model)
    vector = np.empty_like(model.parameters.vector)
    with packed(model, n, gradient=True) as (net, work), parallel_region(_flops(model, X)) as n_threads:
        add_gradient_functions(model, ["sum_share"], W=work)
        squared = np.empty((work.rows, model.n_layers))
        square_norms = variant(sample_steps.square_norms, n_threads)
        add_scaled = variant(sample_steps.add_scaled, n_threads)
        for some, m in blocks(n_threads, net, work, X, Y):
            square_norms(n_threads, squared[:m], sums, work, m, net)
            factors = clipping_factors(squared[:m].sum(axis=1), max_norm) / n
            add_scaled(n_threads, factors, work, some.start == 0, net)
        unpack(vector, work.gradient, net)
    return ParameterVector(model.sizes, vector)


def clipping_factors(squared: Array, max_norm: float) -> Array:
    """Return min(1, max_norm / ‖·‖) of squared norms: 1 where the norm is 0, NaN where it is NaN.

    >>> clipping_factors(np.array([0.0, 4.0, 100.0]), 5.0)
    array([1. , 1. , 0.5])
    """
    with np.errstate(divide="ignore"):
        return np.asarray(np.minimum(1.0, max_norm / np.sqrt(squared)))


def input_gradients(model: Model, X: Array, Y: Array) -> Array:
    """Return ∂C_s/∂x_s of every sample, (n, n_in)."""
    out = np.empty(X.shape, X.dtype)
    with packed(model, len(X)) as (net, work), parallel_region(_flops(model, X)) as n_threads:
        propagate_to_inputs = variant(sample_steps.propagate_to_inputs, n_threads)
        for some, m in blocks(n_threads, net, work, X, Y):
            propagate_to_inputs(n_threads, out[some], work, m, net)
    return out


def _flops(model: Model, X: Array) -> float:
    """Return about how many floating-point operations a block of samples takes."""
    return float(model.flops_per_sample * min(len(X), ROWS))


def _sums(model: Model) -> Array:
    """Return the memory of `square_norms`: a number for each column of a panel, for each thread."""
    return np.zeros((max_threads(), VECS * VECTOR_BYTES // model.dtype.itemsize))

"""Memory for the loops with tangents."""

from typing import Any

import numpy as np

from fastbp.compiler.threads import max_threads
from fastbp.formulations.borrowing import Loan, borrowed
from fastbp.formulations.interface import PLAIN
from fastbp.formulations.tiles import gradient as tile_gradient
from fastbp.formulations.tiles import lists as tile_lists
from fastbp.formulations.tiles.panel_sums import CACHED
from fastbp.formulations.tiles.panels import TiledWorkspace
from fastbp.formulations.tiles.tiled import ROWS, sums_in_parts, tiled_network, where
from fastbp.model import Array, Model, aligned_empty


def rows_at_once(model: Model, samples: int, *, in_parts: bool = False) -> int:
    """Return how many samples a workspace has room for: whole tiles, at least one."""
    if in_parts:
        return max_threads() * tile_gradient.PART_BLOCK
    return -(-min(samples, ROWS) // 4) * 4


def workspaces(
    model: Model, samples: int, *, parameters_move: bool = True, gradient: bool = True, parts: bool = True
) -> tuple[TiledWorkspace, TiledWorkspace]:
    """Return `work` and `dot`: memory for θ, z, a and δ, and for their tangents in the same places.

    Without `parameters_move` there is no room for v and the errors; without `gradient` none for a sum over samples.
    """
    net = tiled_network(model)
    in_parts = gradient and parts and sums_in_parts(model, samples)
    rows, n = rows_at_once(model, samples, in_parts=in_parts), int(net.layers["panels_at"][-1])
    activations = rows * int(net.layers["columns_before"][-1])
    transposed, whole_layer = CACHED // model.dtype.itemsize, 8 * int(net.layers["columns"].max())
    scratch = zeros(max_threads() * max(transposed, whole_layer), model.dtype).reshape(max_threads(), -1)
    none, errors = zeros(0, model.dtype), activations if parameters_move else 0

    def memory(theta: int, written: int) -> TiledWorkspace:
        z, a, delta = (zeros(size, model.dtype) for size in (activations, activations, errors))
        of_samples = {name: value for name, value in PLAIN.of_samples(model.dtype).items() if name != "sample_weight"}
        return TiledWorkspace(
            zeros(theta, model.dtype), none, none, zeros(written, model.dtype), z, a, a, delta, np.zeros(rows), scratch,
            rows, in_parts, np.zeros(1), np.empty((max_threads(), 0), np.int64), where(),
            np.zeros(2, np.int64),
            **tile_lists.memory(0, 0, model.dtype.itemsize), **of_samples,
        )  # fmt: skip

    written = (tile_gradient.PARTS if in_parts else 1) * n if gradient else 0
    return memory(n, written), memory(n if parameters_move else 0, 0)


def borrowed_workspaces(model: Model, samples: int) -> Loan[tuple[TiledWorkspace, TiledWorkspace]]:
    """Lend `workspaces` for one product: those of the last product of this size, unless another thread has them."""
    in_parts = sums_in_parts(model, samples)
    needs = rows_at_once(model, samples, in_parts=in_parts), in_parts
    return borrowed(model, "workspaces", needs, workspaces, model, samples)


def zeros(size: int, dtype: np.dtype[Any]) -> Array:
    """Return zeros that begin at a cache line."""
    vector = aligned_empty(size, dtype)
    vector[:] = 0
    return vector

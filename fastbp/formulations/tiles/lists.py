"""Whether `tiles` lists the inputs that are not 0 (`formulations/tiles/listed_sums.py`): the memory for it, or none."""

from typing import Any

import numpy as np
import numpy.typing as npt

from fastbp.compiler.threads import max_threads
from fastbp.formulations.tiles import sums as tiles
from fastbp.formulations.tiles.listed_sums import GROUP, LEAST
from fastbp.formulations.tiles.panels import TiledWorkspace
from fastbp.formulations.tiles.registers import VECTOR_BYTES
from fastbp.model import Array

INPUTS = 32  # of a network that may list them
LOOKED_AT = 32  # samples: no more, because a call of `fit` or `partial_fit` may be a single step
SHARE = 0.7  # of the groups of neighbouring inputs that are not all 0: up to it, lists save more than they cost
_lists_of_tile = getattr(tiles.lists_of_tile, "py_func", tiles.lists_of_tile)  # compiled, it has no way in from here


def none() -> dict[str, Any]:
    """Return what a workspace has that lists nothing."""
    return _memory(0, 0, 0)


def added(work: TiledWorkspace, X: Array, samples: npt.NDArray[np.int64]) -> TiledWorkspace:
    """Return a workspace with room for lists, if enough of the first samples' inputs are 0; else as it is.

    No bit of a result depends on it, so the first samples may speak for all.
    """
    n_in, some = X.shape[1], samples[:LOOKED_AT]
    if work.in_parts or n_in < INPUTS or min(len(some), work.rows) < tiles.LISTED_FROM:
        return work
    groups = X[some, : n_in // GROUP * GROUP].reshape(len(some), -1, GROUP)
    if (groups != 0).any(axis=2).mean() > SHARE:
        return work
    panels, chunk = -(-n_in // (2 * VECTOR_BYTES // X.itemsize)), tiles.CACHED // (2 * VECTOR_BYTES)
    of_inputs = work.rows // LEAST * _lists_of_tile(n_in, chunk)
    of_samples = -(-work.rows // tiles.BLOCK) * tiles.LISTS
    return work._replace(**_memory(panels * work.rows, of_inputs, of_samples))


def _memory(noted: int, of_inputs: int, of_samples: int) -> dict[str, Any]:
    return {
        "noted": np.empty(noted, np.uint32),
        "listed_inputs": np.empty(of_inputs, np.uint32),
        "listed_samples": np.empty((max_threads(), of_samples), np.uint32),
    }

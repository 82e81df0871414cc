"""Inputs that are 0 have no part in the sums of the first layer: lists of those that are not, to pass the others over.

    note_inputs      which inputs of a sample are not 0
    list_inputs      for each tile of samples, the inputs that are not 0 in all of them: `forward_panel` goes by it
    list_samples     for each tile of inputs, the samples in which not all of them are 0: `gradient_panel` goes by it

The others add 0 to sums in the same order, so the bits are the same. A list is its length and then its entries in
ascending order. `with_lists` decides whether it pays, and makes the memory.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from fastbp.compiler.threads import max_threads
from fastbp.compiler.views import matrix
from fastbp.formulations.tiles.panel_sums import BLOCK, CACHED, LEAST, LISTED_ROWS, chunk, next_rows
from fastbp.formulations.tiles.panels import TiledWorkspace, panel_width
from fastbp.formulations.tiles.registers import VECTOR_BYTES
from fastbp.formulations.tiles.tile import load, nonzero, wide, zeros
from fastbp.model import Array

LISTED_FROM = 24  # samples from which it pays to list
INPUTS = 32  # of a network that may list them
LOOKED_AT = 32  # samples: no more, because a call of `fit` or `partial_fit` may be a single step
NEIGHBOURS = 8  # inputs that are looked at together
SHARE = 0.7  # of the groups of neighbouring inputs that are not all 0: up to it, lists save more than they cost


def note_inputs(noted, a, first, m, n):
    """Note which inputs of some samples are not 0: a bit for each, a number for a row of a panel.

    Shapes: a (rows, n), in panels; noted (panels, rows). Writes: noted, of `m` rows from `first` on.
    """
    rows = noted.size // ((n + wide(a) - 1) // wide(a))
    for k in range(0, n, wide(a)):
        width = panel_width(a, n - k)
        panel, at = matrix(a, k * rows, rows, width), k // wide(a) * rows
        for s in range(first, first + m):
            if width == wide(a):
                noted[at + s] = nonzero(load(zeros(a, 1, 2), panel, s, 0))
            else:
                noted[at + s] = nonzero(load(zeros(a, 1, 1), panel, s, 0))


def list_inputs(lists, noted, a, first, m, n):
    """For each chunk of inputs and tile of samples, the inputs that are not 0 in all of them.

    Those of a last, narrow panel are in no list. Shapes: lists (chunks, rows / LEAST, 1 + chunk); noted (panels, rows).
    Writes: lists.
    """
    rows, s = noted.size // ((n + wide(a) - 1) // wide(a)), first
    while s < first + m:
        size = next_rows(first + m - s, 2)
        for start in range(0, n, chunk(a)):
            count, at = 0, (start // chunk(a) * (rows // LEAST) + s // LEAST) * (1 + chunk(a))
            for k in range(start, min(n, start + chunk(a)), wide(a)):
                bits, row = 0, k // wide(a) * rows
                for r in range(row + s, row + min(s + size, first + m)):
                    bits |= noted[r]
                if panel_width(a, n - k) == wide(a):
                    for c in range(min(wide(a), n - k)):
                        lists[at + 1 + count] = k - start + c
                        count += (bits >> c) & 1
            lists[at] = count
        s += size


def list_samples(lists, noted, m, n):
    """For each tile of the inputs of a panel, the samples in which not all of them are 0.

    Shapes: noted (≥ m,), of that panel; lists (n / LEAST, 1 + BLOCK). Writes: lists.
    """
    k = 0
    while k < n:
        size = min(LISTED_ROWS, n - k)
        at, tile, count = k // LEAST * (1 + BLOCK), ((1 << size) - 1) << k, 0
        for s in range(m):
            lists[at + 1 + count] = s
            count += 1 if noted[s] & tile != 0 else 0
        lists[at] = count
        k += size


def with_lists(work: TiledWorkspace, X: Array, samples: npt.NDArray[np.int64]) -> TiledWorkspace:
    """Return a workspace with room for lists, if enough of the first samples' inputs are 0; else as it is.

    No bit of a result depends on it, so the first samples may speak for all.
    """
    n_in, some = X.shape[1], samples[:LOOKED_AT]
    if work.in_parts or n_in < INPUTS or min(len(some), work.rows) < LISTED_FROM:
        return work
    groups = X[some, : n_in // NEIGHBOURS * NEIGHBOURS].reshape(len(some), -1, NEIGHBOURS)
    if (groups != 0).any(axis=2).mean() > SHARE:
        return work
    return work._replace(**memory(work.rows, n_in, X.itemsize))


def memory(rows: int, n_in: int, itemsize: int) -> dict[str, Any]:
    """Return the arrays of a workspace that lists the inputs of so many samples; of 0, one that lists nothing."""
    wide_a = 2 * VECTOR_BYTES // itemsize
    panels, of_chunk = -(-n_in // wide_a), CACHED // (wide_a * itemsize)
    of_samples = -(-rows // BLOCK) * (wide_a // LEAST) * (1 + BLOCK)
    return {
        "noted": np.empty(panels * rows, np.uint32),
        "listed_inputs": np.empty(-(-n_in // of_chunk) * (rows // LEAST) * (1 + of_chunk), np.uint32),
        "listed_samples": np.empty((max_threads(), of_samples), np.uint32),
    }

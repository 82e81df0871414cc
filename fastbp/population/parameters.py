"""The parameters of all members as one array, of which each member's θ is a row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastbp.model import CACHE_LINE, Array, ParameterVector, aligned_empty
from fastbp.network import Network


def one_array(nets: Sequence[Network]) -> Array:
    """Return θ of all networks of equal sizes as the rows of an array; if they are not yet, they move there.

    Every row begins at a cache line, as loops need it. Raises RuntimeError if a network is being trained.
    """
    vectors = [net.parameters for net in nets]
    starts = np.array([vector.ctypes.data for vector in vectors])
    steps = np.unique(np.diff(starts))
    if vectors[0].base is not None and all(v.base is vectors[0].base for v in vectors) and len(steps) <= 1:
        step = int(steps[0]) if len(steps) else vectors[0].nbytes
        shape, strides = (len(vectors), vectors[0].size), (step, vectors[0].itemsize)
        return np.lib.stride_tricks.as_strided(vectors[0], shape, strides)
    in_line = CACHE_LINE // vectors[0].itemsize
    width = -(-vectors[0].size // in_line) * in_line
    block: Array = aligned_empty(len(vectors) * width, vectors[0].dtype).reshape(len(vectors), width)
    for net, row in zip(nets, block, strict=True):
        _move(net, row[: vectors[0].size])
    return block[:, : vectors[0].size]


def _move(net: Network, row: Array) -> None:
    net._begin_training()
    try:
        if net._training is not None:  # what is kept for the next call knows where θ was
            net._training.let_go()
        net._model.prepared.clear()
        parameters: ParameterVector = net._model.parameters
        parameters.move_to(row)
    finally:
        net._model.training.release()

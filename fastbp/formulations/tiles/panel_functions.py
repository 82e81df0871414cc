"""The sums over panels as C functions: compiled once each, called by address, so no step is compiled around them again.

A new one needs a line here, with its signature (`compiler/callbacks.py`); that is its field in `NetworkData.functions`.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any

import numba
import numpy as np

from fastbp.compiler.callbacks import address
from fastbp.compiler.options import INLINE, njit, rebind
from fastbp.formulations.tiles.column_sums import forward_column, gradient_column
from fastbp.formulations.tiles.listed_sums import (
    forward_listed,
    gradient_listed,
    list_inputs,
    list_samples,
    note_inputs,
)
from fastbp.formulations.tiles.panel_sums import (
    bias_panel,
    forward_panel,
    forward_row,
    gather,
    gradient_panel,
    propagate_row,
    step_row,
    transpose_weights,
)

# One for all panels, in row 0 of the table.
FOR_ALL: dict[Any, str] = {
    gather: "RRIiii",
    transpose_weights: "RRii",
    propagate_row: "RRiRii",
    forward_column: "RRRRRiiii",
    note_inputs: "URiiii",
    list_inputs: "UiURiiiii",
    list_samples: "UiUii",
}
# One for panels one register wide, in row 1, and one for panels of two, in row 2.
BY_WIDTH: dict[Any, str] = {
    forward_panel: "RRRRiiiii",
    gradient_panel: "RrRRRRRiii",
    bias_panel: "RrRii",
    forward_row: "RRRRi",
    step_row: "RRRRRRi",
    gradient_column: "RrRRiii",
    forward_listed: "RRRRUiiiiii",
    gradient_listed: "RrRRRRRUiiii",
}
NAMES = tuple(kernel.__name__ for kernel in (*FOR_ALL, *BY_WIDTH))


def add_functions(functions: Any, kernels: Iterable[Any], dtype: np.dtype[Any]) -> None:
    """Compile some of the above, and write what `call` takes for them into the table `NetworkData.functions`."""
    for kernel in kernels:
        for row in (0,) if kernel in FOR_ALL else (1, 2):
            functions[kernel.__name__][row] = _panel_function(kernel, dtype, row or None)


@cache
def _panel_function(kernel: Any, dtype: np.dtype[Any], vecs: int | None) -> Any:
    """The address of one of the above, or itself where nothing is compiled."""
    name = f"{kernel.__name__}_{vecs}_{dtype.name}"
    loop = njit(rebind(kernel, name, VECS=vecs), on_disk=False, **INLINE)
    if numba.config.DISABLE_JIT:
        return loop
    return address(loop, FOR_ALL.get(kernel) or BY_WIDTH[kernel], dtype, name, on_disk=True)

"""The functions of `tiles` as C functions: compiled once each, when first needed, and called by address.

So no step is compiled around them again. A new one needs a line here, with its signature (`compiler/callbacks.py`);
that is its field in `NetworkData.functions`.
"""

from collections.abc import Iterable
from typing import Any

import numba
import numpy as np

from fastbp.compiler.callbacks import address
from fastbp.compiler.options import INLINE, njit, rebind
from fastbp.compiler.structs import Struct
from fastbp.compiler.together import made_once
from fastbp.formulations.tiles import (
    column_sums,
    descent,
    gradient,
    lists,
    panel_sums,
    row_sums,
    rows,
    rules,
    steps,
    sums,
)
from fastbp.formulations.tiles.registers import REGISTERS, VECTOR_BYTES

# By name: the function and its signature; W is a workspace, A the samples, O an optimizer, N a network.
FOR_ALL: dict[str, tuple[Any, str]] = {  # one for all panels, in row 0 of the table
    "gather": (panel_sums.gather, "RRIiii"),
    "transpose_weights": (panel_sums.transpose_weights, "RRii"),
    "propagate_row": (row_sums.propagate_row, "RRiRi"),
    "forward_column": (column_sums.forward_column, "RRRRRiii"),
    "note_inputs": (lists.note_inputs, "URiii"),
    "list_inputs": (lists.list_inputs, "UURiii"),
    "list_samples": (lists.list_samples, "UUii"),
    "take_rows": (rows.take_rows, "RRiiii"),
    "put_rows": (rows.put_rows, "RRiiii"),
    "drop_neurons": (steps.drop_neurons, "RRWiiiiN"),
    "weigh_samples": (sums.weigh_samples, "DRRRRAIN"),
    "errors_share": (steps.errors_share, "iiWAiirN"),
    "forward_share": (steps.forward_share, "iiRWAiiN"),
    "sum_share": (gradient.sum_share, "iiWiiN"),
    "part_share": (gradient.part_share, "iiWAiirN"),
    "descend_share": (descent.descend_share, "iiOWiiN"),
    "apply_rules": (rules.apply_rules, "RRiO"),
    "descend_whole": (rules.descend_whole, "OWN"),
    "descend_at_rates": (rules.descend_at_rates, "OWN"),
    "limit_norms": (rules.limit_norms, "OWN"),
    "square_norm": (rules.square_norm, "DRiRN"),
}
BY_WIDTH: dict[
    str, tuple[Any, str]
] = {  # one for panels one register wide, in row 1, and one for panels of two, in row 2
    "forward_panel": (panel_sums.forward_panel, "RRRRUIiiii"),
    "forward_listed": (panel_sums.forward_panel, "RRRRUIiiii"),
    "gradient_panel": (panel_sums.gradient_panel, "RrRRUIiii"),
    "gradient_listed": (panel_sums.gradient_panel, "RrRRUIiii"),
    "bias_panel": (panel_sums.bias_panel, "RrRi"),
    "forward_row": (row_sums.forward_row, "RRRR"),
    "step_row": (row_sums.step_row, "RRRRRR"),
    "gradient_column": (column_sums.gradient_column, "RrRRi"),
}
NAMES = (*FOR_ALL, *BY_WIDTH)


def add_functions(net: Any, names: Iterable[str], dtype: np.dtype[Any], **structs: Struct) -> None:
    """Compile some of the above, for panels as the network has, and write what `call` takes into net.functions."""
    functions = net.functions
    for name in names:
        for row in (0,) if name in FOR_ALL else (1, 2):
            if (row == 0 or net.widths & row) and not functions[name][row]:
                kinds = (FOR_ALL.get(name) or BY_WIDTH[name])[1]
                types = (
                    () if numba.config.DISABLE_JIT else ((k, structs[k]._numba_type_) for k in kinds if k in structs)
                )
                functions[name][row] = _panel_function(name, dtype, row or None, *types)


@made_once
def _panel_function(name: str, dtype: np.dtype[Any], vecs: int | None, *structs: tuple[str, Any]) -> Any:
    """The address of one of the above, or itself where nothing is compiled; `structs` are the types of its structs."""
    function, kinds = FOR_ALL.get(name) or BY_WIDTH[name]
    rows = VECTOR_BYTES // dtype.itemsize if VECTOR_BYTES >= 64 else 4  # they divide the padding of a layer
    listed = name.endswith("_listed")
    tall = REGISTERS == 32 or (vecs == 1 and not listed)  # see `next_rows`
    names = {"VECS": vecs, "LISTED": listed, "ROWS": rows, "TALL": tall}
    unique = f"{name}_{vecs}_{dtype.name}"
    loop = njit(rebind(function, unique, **names), on_disk=False, **INLINE)
    if numba.config.DISABLE_JIT:
        return loop
    return address(loop, kinds, dtype, unique, on_disk=True, structs=dict(structs))

"""The functions of `tiles` as C functions: compiled once each, when first needed, and called by address.

So no step is compiled around them again. A new one needs a line here, with its signature (`compiler/callbacks.py`);
that is its field in `NetworkData.functions`.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from fastbp.compiler.callbacks import c_function, struct_types
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
from fastbp.formulations.tiles.products import LISTED, N_KINDS, ONE_NEURON, ONE_SAMPLE, PANELS
from fastbp.formulations.tiles.registers import VECTOR_BYTES

# By name: the function and its signature; W is a workspace, A the samples, O an optimizer, N a network.
FOR_ALL: dict[str, tuple[Any, str]] = {  # one for all panels, in row 0 of the table
    "gather": (panel_sums.gather, "RRIiii"),
    "transpose_weights": (panel_sums.transpose_weights, "RRii"),
    "propagate_row": (row_sums.propagate_row, "RRiRi"),
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
FORWARD, GRADIENT = "RRRRRUII", "RrRRUII"
# One for panels one register wide and one for panels of two: the column of the table, and the kinds of sums in whose
# first and second row they are (`products.kind_of_sums`).
BY_WIDTH: dict[str, tuple[Any, str, str, tuple[int, ...]]] = {
    "forward_panel": (panel_sums.forward_panel, FORWARD, "forward", (PANELS,)),
    "forward_listed": (panel_sums.forward_panel, FORWARD, "forward", (LISTED,)),
    "forward_row": (row_sums.forward_row, FORWARD, "forward", (ONE_SAMPLE,)),
    "forward_column": (column_sums.forward_column, FORWARD, "forward", (ONE_NEURON,)),
    "gradient_panel": (panel_sums.gradient_panel, GRADIENT, "gradient", (PANELS, ONE_SAMPLE)),
    "gradient_listed": (panel_sums.gradient_panel, GRADIENT, "gradient", (LISTED,)),
    "gradient_column": (column_sums.gradient_column, GRADIENT, "gradient", (ONE_NEURON,)),
    "bias_panel": (panel_sums.bias_panel, "RrRi", "bias_panel", (PANELS,)),
    "step_row": (row_sums.step_row, "RRRRRRR", "step_row", (PANELS,)),
}
COLUMNS = (*FOR_ALL, *dict.fromkeys(column for *_, column, _ in BY_WIDTH.values()))
N_ROWS = 1 + 2 * N_KINDS


def add_functions(net: Any, names: Iterable[str], dtype: np.dtype[Any], **structs: Struct) -> None:
    """Compile some of the above, for panels as the network has, and write what `call` takes into net.functions."""
    for name in names:
        signature, column, kinds = (*FOR_ALL[name][1:], name, (0,)) if name in FOR_ALL else BY_WIDTH[name][1:]
        places = net.functions[column]
        for width in _widths(name, net.widths, dtype):
            if not places[kinds[0] + width]:
                of_structs = struct_types(signature, structs)
                for kind in kinds:
                    places[kind + width] = _panel_function(name, dtype, width or None, *of_structs)


def _widths(name: str, of_net: int, dtype: np.dtype[Any]) -> tuple[int, ...]:
    """The registers of the panels that it is for, which is its row: 0 for all; one neuron is a narrow panel."""
    if name in FOR_ALL:
        return (0,)
    narrow = 1 if VECTOR_BYTES >= 4 * dtype.itemsize else 2  # as `panels.narrow`
    return (narrow,) if name.endswith("_column") else tuple(width for width in (1, 2) if of_net & width)


@made_once
def _panel_function(name: str, dtype: np.dtype[Any], vecs: int | None, *structs: tuple[str, Any]) -> Any:
    """The address of one of the above, or itself where nothing is compiled; `structs` are the types of its structs."""
    function, kinds = FOR_ALL.get(name) or BY_WIDTH[name][:2]
    rows = VECTOR_BYTES // dtype.itemsize if VECTOR_BYTES >= 64 else 4  # they divide the padding of a layer
    sizes = panel_sums.sizes_of_tiles(name, vecs)
    names = {"VECS": vecs, "LISTED": name.endswith("_listed"), "ROWS": rows}
    names |= {f"HAS_{size}": size in sizes for size in (6, 8, 12)}
    return c_function(function, kinds, dtype, f"{name}_{vecs}_{dtype.name}", structs, **names)

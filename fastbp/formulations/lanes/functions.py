"""The functions of `lanes` as C functions, compiled once each and called by address, as those of `tiles` are."""

from typing import Any

import numpy as np

from fastbp.compiler.callbacks import c_function, struct_types
from fastbp.compiler.structs import Struct
from fastbp.compiler.together import made_once
from fastbp.formulations.lanes import descent, layout, products

# By name: the function and its signature; O is the optimizers, N a network.
FUNCTIONS: dict[str, tuple[Any, str]] = {
    "sum_products": (products.sum_products, "RRRRiiiiiiiiii"),
    "forward_column": (products.forward_column, "RRRRRii"),
    "sum_quarters": (products.sum_quarters, "RiRRiii"),
    "add_quarters": (products.add_quarters, "RRii"),
    "to_lanes": (layout.to_lanes, "RRi"),
    "from_lanes": (layout.from_lanes, "RRi"),
    "take_rows": (descent.take_rows, "RRIiii"),
    "step": (descent.step, "ORiN"),
}


def function(name: str, dtype: np.dtype[Any], **structs: Struct) -> Any:
    """What `call` takes for one of the above, with structs of these types."""
    return _function(name, dtype, *struct_types(FUNCTIONS[name][1], structs))


@made_once
def _function(name: str, dtype: np.dtype[Any], *structs: tuple[str, Any]) -> Any:
    loop, kinds = FUNCTIONS[name]
    return c_function(loop, kinds, dtype, f"lanes_{name}_{dtype.name}", structs)

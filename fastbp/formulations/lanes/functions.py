"""The functions of `lanes` as C functions, compiled once each and called by address, as those of `tiles` are."""

from typing import Any

import numba
import numpy as np

from fastbp.compiler.callbacks import address
from fastbp.compiler.options import INLINE, njit, rebind
from fastbp.compiler.structs import Struct
from fastbp.compiler.together import made_once
from fastbp.formulations.lanes import descent, layout, products

# By name: the function and its signature; O is the optimizers, N a network.
FUNCTIONS: dict[str, tuple[Any, str]] = {
    "sum_products": (products.sum_products, "RRRRiiiiiiiiii"),
    "forward_column": (products.forward_column, "RRRRRii"),
    "sum_quarters": (products.sum_quarters, "RiRiii"),
    "add_quarters": (products.add_quarters, "RRii"),
    "to_lanes": (layout.to_lanes, "RRi"),
    "from_lanes": (layout.from_lanes, "RRi"),
    "take_rows": (descent.take_rows, "RRIiii"),
    "step": (descent.step, "OiiN"),
}


def function(name: str, dtype: np.dtype[Any], **structs: Struct) -> Any:
    """What `call` takes for one of the above, with structs of these types."""
    kinds = FUNCTIONS[name][1]
    compiled = not numba.config.DISABLE_JIT
    return _function(name, dtype, *((k, structs[k]._numba_type_) for k in kinds if k in structs and compiled))


@made_once
def _function(name: str, dtype: np.dtype[Any], *structs: tuple[str, Any]) -> Any:
    loop, kinds = FUNCTIONS[name]
    unique = f"lanes_{name}_{dtype.name}"
    bound = njit(rebind(loop, unique), on_disk=False, **INLINE)
    if numba.config.DISABLE_JIT:
        return bound
    return address(bound, kinds, dtype, unique, on_disk=True, structs=dict(structs))

"""What the loops of this folder call by address: second derivatives, and what one thread does in a region.

A region that may run on several threads has a serial and a parallel variant. Both call its share, which is compiled
once.
"""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from fastbp.compiler.callbacks import c_function, struct_types
from fastbp.compiler.structs import Struct
from fastbp.compiler.together import made_once
from fastbp.derivatives import jacobian_steps, output_sweeps, tangent_steps
from fastbp.formulations import array_functions
from fastbp.formulations.network_data import table
from fastbp.formulations.tiles.panels import Data, TiledWorkspace
from fastbp.formulations.tiles.tiled import tiled_network
from fastbp.functions.cost_pairs import PAIRS, Pair
from fastbp.model import Model

Kind = Literal["jvp", "hessian", "gauss_newton", "diagonal", "fisher", "empirical_fisher", "first order"]

# By name: the function and its signature; W is a workspace, A the samples, N a network, F what is described below.
SHARES: dict[str, tuple[Any, str]] = {
    "tangent_share": (tangent_steps.tangent_share, "iiWWAiiirNF"),
    "products_share": (tangent_steps.products_share, "iiRWWiiN"),
    "product_part_share": (tangent_steps.product_part_share, "iiWWAirNF"),
    "jvp_share": (tangent_steps.jvp_share, "iiRWWAiiNF"),
    "diagonal_share": (output_sweeps.diagonal_share, "iiiWWAiiiNF"),
    "output_jacobian_share": (output_sweeps.output_jacobian_share, "iiRRWANF"),
    "slopes_share": (jacobian_steps.slopes_share, "iiWAiiiiN"),
    "rows_share": (jacobian_steps.rows_share, "iiRRiiWiiiN"),
}


class Functions(Struct):
    """Addresses as `call` takes them.

    ``layers[l]`` has, for the layers l = 1…L,

    ================  ================================================================================================
    derivative        δ ← δ σ′, also of the output layer, or the product with ∂a/∂z
    bend              the same with σ″: of "hessian" only
    error_tangent     of the output layer: the second derivative of the cost
    error_derivative  of the output layer: the σ′ that multiplies its error; 1 for a pair of activation and cost with
                      functions of its own
    back              of the output layer: its σ′ for any pair
    ================  ================================================================================================

    and no rows for "first order"; ``shares[0]`` has those of `SHARES`.
    """

    layers: npt.NDArray[Any]
    shares: npt.NDArray[Any]


def own_pair(model: Model) -> Pair | None:
    """Return the functions of the output activation and the cost as a pair, or None if the pair has none."""
    return PAIRS.get((model.activations[-1].function, model.cost.function))


def functions_of(model: Model, kind: Kind, names: list[str], work: TiledWorkspace, data: Data) -> Functions:
    """Return what a derivative of this kind calls, with shares of these names, for structs like these."""
    key = f"functions of {kind}"
    if key not in model.prepared:
        model.prepared.setdefault(key, Functions(_layers(model, kind), table([{}], functions=[*SHARES])))
    made: Functions = model.prepared[key]
    structs: dict[str, Struct] = {"W": work, "A": data, "N": tiled_network(model), "F": made}
    for name in names:
        if not made.shares[name][0]:
            made.shares[name][0] = _share(name, model.dtype, *struct_types(SHARES[name][1], structs))
    return made


@made_once
def _share(name: str, dtype: np.dtype[Any], *structs: tuple[str, Any]) -> Any:
    """The address of one of the above, or itself where nothing is compiled; `structs` are the types of its structs."""
    function, signature = SHARES[name]
    return c_function(function, signature, dtype, f"{name}_{dtype.name}", structs)


def _layers(model: Model, kind: Kind) -> npt.NDArray[Any]:
    columns = "derivative", "bend", "error_tangent", "error_derivative", "back"
    if kind == "first order":
        return table([], functions=columns)
    dtype, sigmas = model.dtype, model.activations
    rows: list[dict[str, Any]] = [{"derivative": array_functions.tangent_function(s, dtype)} for s in sigmas]
    if kind == "hessian":
        bends = [array_functions.bend_function(s, dtype) for s in sigmas[: -1 if own_pair(model) else None]]
        for row, bend in zip(rows, [*bends, array_functions.no_bend(dtype)], strict=False):
            row["bend"] = bend
    if kind in ("hessian", "gauss_newton", "diagonal", "fisher"):
        rows[-1]["error_tangent"] = array_functions.error_tangent_function(model.cost, sigmas[-1], dtype, kind)
    rows[-1]["back"] = rows[-1]["error_derivative"] = array_functions.derivative_function(sigmas[-1], dtype)
    if kind == "empirical_fisher":
        _, _, rows[-1]["error_derivative"] = array_functions.cost_functions(model.cost, sigmas[-1], dtype)
    elif own_pair(model):
        rows[-1]["error_derivative"] = array_functions.no_derivative(dtype)
    return table([{}, *rows, {}], functions=columns)

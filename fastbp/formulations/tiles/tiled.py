"""How a network lies in memory for `tiles`, what is allocated for a call, and what is compiled for it."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from fastbp.compiler.structs import Struct
from fastbp.compiler.threads import max_threads
from fastbp.formulations.borrowing import Loan, borrowed
from fastbp.formulations.compiled import layer_places, of_network, with_functions
from fastbp.formulations.interface import PLAIN
from fastbp.formulations.network_data import NetworkData, layer_table, table
from fastbp.formulations.step_options import StepOptions
from fastbp.formulations.tiles import gradient as tile_gradient
from fastbp.formulations.tiles import lists as tile_lists
from fastbp.formulations.tiles.panel_functions import COLUMNS, N_ROWS, add_functions
from fastbp.formulations.tiles.panel_sums import BLOCK, CACHED
from fastbp.formulations.tiles.panels import TiledWorkspace
from fastbp.formulations.tiles.registers import VECS, VECTOR_BYTES
from fastbp.model import Array, Model, aligned_zeros

ROWS = 1024  # samples whose activations are held at once; a mini-batch of more goes through in parts
PART_BYTES = 32 * 1024  # of weights, up to which the gradient of a large mini-batch is summed in parts

# What is compiled when it is first needed: by every network, by steps of one sample, where zeros are listed.
EVERY_NET = "gather", "transpose_weights", "forward_panel"
ONE_ROW = "propagate_row", "forward_row"
LISTED = "note_inputs", "list_inputs", "list_samples", "forward_listed", "gradient_listed"


def panel_columns(n: int, dtype: np.dtype[Any]) -> int:
    """How many columns n columns are in panels, padding included: see `panels.panel_width`."""
    lanes = VECTOR_BYTES // dtype.itemsize
    unit = lanes if lanes >= 4 else 2 * lanes
    return -(-n // unit) * unit


def panel_widths(model: Model) -> int:
    """Return which panels a network has: 1 for those of one register, 2 for those of two, 3 for both."""
    lanes = VECTOR_BYTES // model.dtype.itemsize
    is_narrow = [lanes >= 4 and 0 < n % (2 * lanes) <= lanes for n in model.sizes]
    is_wide = [n >= 2 * lanes or not narrow for n, narrow in zip(model.sizes, is_narrow, strict=True)]
    return 1 * any(is_narrow) + 2 * any(is_wide)


def tiled_network(model: Model) -> NetworkData:
    """Return what the tile loops need to know of a network."""
    if "tiles" not in model.prepared:
        functions, dtype = table([{}] * N_ROWS, functions=COLUMNS), model.dtype
        layers = with_functions(panel_layout(model), model, in_rows=True)
        made = NetworkData(*of_network(model), layers, functions, panel_widths(model))
        add_functions(made, EVERY_NET, dtype)
        if 1 in model.sizes[1:]:
            add_functions(made, ["forward_column"], dtype)
        if any(n > VECS * VECTOR_BYTES // dtype.itemsize for n in _neurons_at_once(model)):
            add_functions(made, ["take_rows", "put_rows"], dtype)
        # Of two threads that make one, both take the first: functions of one row are added to it later.
        model.prepared.setdefault("tiles", made)
    net: NetworkData = model.prepared["tiles"]
    return net


def _neurons_at_once(model: Model) -> list[int]:
    """Return the sizes of the layers whose neurons go to a function all at once: to softmax, to the cost."""
    layers = zip(model.sizes[1:], model.activations, strict=True)
    return [model.sizes[-1], *(n for n, sigma in layers if sigma.whole_layer)]


def add_gradient_functions(model: Model, names: Iterable[str], **structs: Struct) -> None:
    """Compile what the gradient of every network needs, and functions of these names, for structs of these types."""
    net = tiled_network(model)
    of_column = ["gradient_column"] if 1 in model.sizes[1:] else []
    add_functions(net, ["gradient_panel", "bias_panel", *of_column, *names], model.dtype, N=net, **structs)


def panel_layout(model: Model) -> npt.NDArray[Any]:
    """Return `NetworkData.layers` without functions: where each layer lies in panels."""
    if "panels" not in model.prepared:
        columns_before, panels_at, n_in = 0, 0, 0
        rows = layer_places(model)
        for l, row in enumerate(rows):
            n_out = panel_columns(row.get("n", 0), model.dtype)
            row |= {"columns": n_out, "columns_before": columns_before, "panels_at": panels_at}
            columns_before += n_out
            panels_at += (1 + n_in) * n_out if l > 0 else 0
            n_in = n_out
        model.prepared.setdefault("panels", layer_table(rows))
    layers: npt.NDArray[Any] = model.prepared["panels"]
    return layers


def with_lists(model: Model, work: TiledWorkspace, X: Array, samples: npt.NDArray[np.int64]) -> TiledWorkspace:
    """Return a workspace with room for lists of inputs that are not 0, if it pays, and compile what only they need."""
    work = tile_lists.with_lists(work, X, samples)
    if work.noted.size > 0:
        add_functions(tiled_network(model), LISTED, model.dtype)
    return work


def workspace_sizes(
    model: Model,
    samples: int,
    *,
    n_moments: int = 0,
    training: bool = True,
    gradient: bool = False,
    dropout: bool = False,
) -> dict[str, int]:
    """Return how many numbers each array of the workspace has: see `tiled_workspace`."""
    layers = panel_layout(model)
    lanes, n = VECTOR_BYTES // model.dtype.itemsize, int(layers["panels_at"][-1])
    in_parts = training and sums_in_parts(model, samples)
    activations = rows_of_workspace(samples, in_parts) * int(layers["columns_before"][-1])
    weights = (1 + tile_gradient.PATCH * VECS * lanes) * VECS * lanes
    transposed = CACHED // model.dtype.itemsize
    written = tile_gradient.PARTS * n if in_parts else n if gradient or samples > ROWS else 0
    return {
        "theta": n,
        "first": n if n_moments > 0 else 0,
        "second": n if n_moments > 1 else 0,
        "gradient": written,
        "z": activations,
        "a": activations,
        "passed_on": activations if dropout else 0,
        "delta": activations if training else 0,
        "scratch": max_threads() * max(weights, transposed, 4 * int(layers["columns"].max())),
    }


def sums_in_parts(model: Model, samples: int) -> bool:
    """Whether threads sum the gradient over samples of their own: for few weights and many samples.

    Where weights are few, there are not enough for every thread to own some; where samples are many, a, z and δ of all
    of them would not stay in the cache until the gradient is summed. Not a question of threads: the bits depend on it.
    """
    if samples < 4 * tile_gradient.PART_BLOCK:
        return False
    return int(tiled_network(model).layers["panels_at"][-1]) * model.dtype.itemsize <= PART_BYTES


def rows_of_workspace(samples: int, in_parts: bool) -> int:
    """For how many samples a workspace has room: whole tiles, up to `ROWS`; in parts, a block for each thread."""
    if in_parts:
        return max_threads() * tile_gradient.PART_BLOCK
    return 1 if samples == 1 else -(-min(samples, ROWS) // 4) * 4


def tiled_workspace(
    model: Model, samples: int, *, training: bool = True, options: StepOptions = PLAIN, **needs: Any
) -> TiledWorkspace:
    """Return the memory of `tiles` for a mini-batch of so many samples.

    Without `training` there is no room for errors; with `gradient`, or for more samples than `ROWS`, the gradient is
    written to memory.
    """
    in_parts = training and sums_in_parts(model, samples)
    rows = rows_of_workspace(samples, in_parts)
    if rows == 1:
        add_functions(tiled_network(model), ONE_ROW, model.dtype)
    of_samples = {name: values for name, values in options.of_samples(model.dtype).items() if name != "sample_weight"}
    drops = of_samples["dropout"].size > 0
    sizes = workspace_sizes(model, samples, training=training, dropout=drops, **needs)
    arrays: dict[str, Any] = {name: aligned_zeros(size, model.dtype) for name, size in sizes.items()}
    arrays["scratch"] = arrays["scratch"].reshape(max_threads(), -1)
    if not drops:
        arrays["passed_on"] = arrays["a"]
    costs, coming = np.empty(rows + tile_gradient.PARTS * in_parts), np.zeros((max_threads(), BLOCK), np.int64)
    counts = {"costs": costs, "coming": coming, "norm": np.zeros(1), "batch": np.zeros(2, np.int64), "where": where()}
    return TiledWorkspace(
        **arrays, **counts, rows=rows, in_parts=in_parts, **tile_lists.memory(0, 0, model.dtype.itemsize), **of_samples
    )


def where() -> npt.NDArray[np.int64]:
    """Return `TiledWorkspace.where`."""
    return np.zeros((max_threads(), 16), np.int64)


def borrowed_workspace(
    model: Model, samples: int, *, training: bool = True, gradient: bool = False
) -> Loan[TiledWorkspace]:
    """Lend a `tiled_workspace` for one call: see `borrowed`."""
    in_parts = training and sums_in_parts(model, samples)
    needs = rows_of_workspace(samples, in_parts), in_parts, gradient, samples > ROWS
    kind, wanted = f"workspace, training={training}", {"training": training, "gradient": gradient}
    return borrowed(model, kind, needs, tiled_workspace, model, samples, **wanted)

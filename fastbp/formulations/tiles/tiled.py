"""The Python side of `tiles`: how a network lies in memory, what is allocated, which form runs."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import config

from fastbp.compiler.structs import Struct
from fastbp.compiler.threads import max_threads, parallel_region
from fastbp.compiler.together import to_call
from fastbp.compiler.variants import address_of, serial_variant
from fastbp.formulations.borrowing import Loan, borrowed
from fastbp.formulations.compiled import Compiled, layer_places, of_network, optimizer_data, rates_of, with_functions
from fastbp.formulations.interface import PLAIN
from fastbp.formulations.network_data import NetworkData, layer_table, table
from fastbp.formulations.rounds import Row
from fastbp.formulations.step_options import StepOptions
from fastbp.formulations.tiles import descent
from fastbp.formulations.tiles import gradient as tile_gradient
from fastbp.formulations.tiles import lists as tile_lists
from fastbp.formulations.tiles import steps as tile_steps
from fastbp.formulations.tiles.panel_functions import NAMES, add_functions
from fastbp.formulations.tiles.panel_sums import BLOCK, CACHED
from fastbp.formulations.tiles.panels import TiledWorkspace
from fastbp.formulations.tiles.prepared import Call
from fastbp.formulations.tiles.registers import VECS, VECTOR_BYTES
from fastbp.model import Array, Model, aligned_zeros
from fastbp.optimizers import Optimizer, OptimizerState

ROWS = 1024  # samples whose activations are held at once; a mini-batch of more goes through in parts
PART_BYTES = 32 * 1024  # of weights, up to which the gradient of a large mini-batch is summed in parts
# Floating-point operations up to which steps of one sample run on one thread, which saves a pass over the weights.
ONE_BY_ONE_UNTIL = 3e6

# What is compiled when it is first needed: by every network, by steps of one sample, where zeros are listed.
EVERY_NET = "gather", "transpose_weights", "forward_panel"
ONE_ROW = "propagate_row", "forward_row"
LISTED = "note_inputs", "list_inputs", "list_samples", "forward_listed", "gradient_listed"


class Tiled(Compiled):
    """`tiles`."""

    name = "tiles"

    def _forward(self, model: Model, X: Array, Y: Array | None, outputs: Array, weights: Array | None = None) -> Array:
        n, rows = len(X), min(len(X), BLOCK * max_threads())
        costs = np.empty(0 if Y is None else n)
        needs = rows_of_workspace(rows, False)
        with (
            borrowed(model, "forward", needs, partial(_forward_call, model, rows)) as call,
            parallel_region(model.flops_per_sample / 3 * rows) as n_threads,
        ):
            loop, work, data, net = self._variant(tile_steps.forward_blocks, n_threads), call.work, call.data, call.net
            call.take(X)
            call.pack()
            for start in range(0, n, rows):
                stop = min(n, start + rows)
                call.run(loop, n_threads, outputs, work, data, start, stop, net)
                if weights is not None and Y is not None:
                    of_block = Y[start:stop], weights[start:stop]
                    to_call(tile_steps.weighted_costs_of_rows)(costs[start:stop], work, *of_block, net)
                elif Y is not None:
                    to_call(tile_steps.costs_of_rows)(costs[start:stop], work, Y[start:stop], net)
            call.let_go()
        return costs

    def gradient(self, model: Model, X: Array, Y: Array, gradient: Array, sample_weight: Array | None = None) -> float:
        """Write the gradient of the mean cost, return the mean cost."""
        n = len(X)
        return self.weighted_gradient(model, X, Y, gradient, sample_weight, 1 / n) / n

    def weighted_gradient(
        self, model: Model, X: Array, Y: Array, gradient: Array, sample_weight: Array | None, share: float
    ) -> float:
        """Write the gradient of `share` times the sum of all costs, return the sum."""
        n, in_parts = len(X), sums_in_parts(model, len(X))
        needs = rows_of_workspace(n, in_parts), in_parts
        with (
            borrowed(model, "gradient", needs, partial(_gradient_call, model, n)) as call,
            parallel_region(model.flops_per_sample * min(n, ROWS)) as n_threads,
        ):
            loop = tile_gradient.gradient_in_parts if in_parts else tile_gradient.gradient
            call.take(X, Y, sample_weight)
            call.pack()
            total = call.run(self._variant(loop, n_threads), n_threads, call.work, call.data, share, call.net)
            call.copy(call.work.gradient, gradient, pack=False)
            call.let_go()
            return float(total)

    def step_bytes(self, model: Model, optimizer: Optimizer, batch_size: int, options: StepOptions = PLAIN) -> int:
        """Return how much memory a trainer allocates, without the lists of inputs that are not 0, which are small."""
        whole = options.clip_norm < np.inf or rates_of(optimizer, model).size > 0
        dropout = any(options.dropout)
        sizes = workspace_sizes(model, batch_size, n_moments=optimizer.n_moments, gradient=whole, dropout=dropout)
        return sum(sizes.values()) * model.dtype.itemsize

    def _trainer(self, *arguments: Any) -> Any:
        return TiledTrainer(self, *arguments)


def _forward_call(model: Model, rows: int) -> Call:
    """Prepare `forward_blocks` for so many rows at once."""
    net = tiled_network(model)
    call = Call(model, net, tiled_workspace(model, rows, training=False))
    add_functions(net, ["forward_share", "take_rows"], model.dtype, W=call.work, A=call.data, N=net)
    return call


def _gradient_call(model: Model, samples: int) -> Call:
    """Prepare `gradient`, or `gradient_in_parts`, for so many samples."""
    call = Call(model, tiled_network(model), tiled_workspace(model, samples, gradient=True))
    shares = ["part_share"] if call.work.in_parts else ["errors_share", "sum_share"]
    add_gradient_functions(model, shares, W=call.work, A=call.data)
    return call


class TiledTrainer:
    """Keeps parameters and moments in panels, and copies them back at the end of an epoch."""

    _batch_size = 1
    _address: int | None = None  # of the loop, for rounds

    def __init__(
        self,
        formulation: Tiled,
        model: Model,
        optimizer: Optimizer,
        state: OptimizerState,
        X: Array,
        Y: Array,
        batch_size: int,
        options: StepOptions,
    ):
        self._formulation, self._model, self._rate = formulation, model, state.rate
        rates = rates_of(optimizer, model)
        self._one_by_one = batch_size == 1 and optimizer.update == "sgd" and options.plain and rates.size == 0
        needs_whole = options.clip_norm < np.inf or rates.size > 0
        work = tiled_workspace(model, batch_size, options=options, n_moments=optimizer.n_moments, gradient=needs_whole)
        trained = np.flatnonzero(rates.any(axis=1)) if rates.size > 0 else np.arange(1)
        work = work._replace(lowest=1 + int(trained[0]))
        self._call = Call(model, tiled_network(model), work)
        self.take(X, Y, options.sample_weight, batch_size)
        self._needs = self._needs_of(batch_size)
        self._packed = optimizer_data(model, optimizer, state, options, work.first, work.second)
        self._add_functions(needs_whole)
        moments = (state.first, work.first), (state.second, work.second)
        self._looked = False  # whether there are so many zeros in X that it pays to list them
        self._parameters = [(model.parameters.vector, work.theta)]
        self._moments = [(vector, panels) for vector, panels in moments if vector.size > 0]

    def _add_functions(self, needs_whole: bool) -> None:
        """Compile what steps like these call, no more."""
        work, rules = self._call.work, self._packed
        needed = {
            "part_share": work.in_parts,
            "errors_share": not work.in_parts,
            "descend_share": not work.in_parts,
            "step_row": self._one_by_one,
            "drop_neurons": work.dropout.size > 0,
            "apply_rules": rules.changes_gradient or rules.l2 > 0 or rules.decay > 0,
            "descend_whole": (needs_whole or work.in_parts) and rules.rates.size == 0,
            "descend_at_rates": rules.rates.size > 0,
            "square_norm": rules.per_batch,
            "limit_norms": rules.max_norm < np.inf,
        }
        names = [name for name, is_needed in needed.items() if is_needed]
        add_gradient_functions(self._model, names, W=work, A=self._call.data, O=rules)

    def _needs_of(self, batch_size: int) -> tuple[int, bool, bool]:
        in_parts = sums_in_parts(self._model, batch_size)
        return rows_of_workspace(batch_size, in_parts), in_parts, batch_size > ROWS

    def fits(self, batch_size: int) -> bool:
        """Whether this does with mini-batches of another size what a trainer made for them does, to the last bit."""
        (rows, in_parts, _), needs = self._needs, self._needs_of(batch_size)
        return needs == self._needs or (1 < batch_size <= rows and not in_parts and not needs[1])

    def take(self, X: Array, Y: Array, sample_weight: Array, batch_size: int | None = None) -> None:
        """Train on these samples from now on, in mini-batches of a size that `fits`; all else stays as it is."""
        data = self._call.data
        data._put(X=X, Y=Y)
        if len(sample_weight) != 0 or len(data.sample_weight) != 0:
            self._call.weigh(sample_weight)
        self._batch_size = batch_size or self._batch_size

    def let_go(self) -> None:
        """Release the samples: they are the caller's, and may be large."""
        self._call.let_go()

    def begin(self, moments: bool = True) -> None:
        """Pack θ and, unless those in panels are the ones that count, the moments."""
        for vector, panels in self._parameters + self._moments * moments:
            self._call.copy(panels, vector, pack=True)

    def train(self, order: npt.NDArray[np.int64]) -> float:
        """Train on the samples of `order`."""
        loop, arguments = self._prepared(order)
        rows = 1 if loop is descent.train_one_by_one else min(self._batch_size, len(order), ROWS)
        with parallel_region(self._model.flops_per_sample * rows) as n_threads:
            return float(self._call.run(self._formulation._variant(loop, n_threads), n_threads, *arguments))

    def row(self, order: npt.NDArray[np.int64]) -> Row | None:
        """Prepare `train` for a round."""
        if config.DISABLE_JIT:
            return None
        loop, arguments = self._prepared(order)
        if self._address is None:
            self._address = address_of(serial_variant(loop), 1, *arguments)
        optimizer, work, data, batch_size, net = arguments
        return Row(self._address, optimizer._address, work._address, data._address, batch_size, net._address)

    def _prepared(self, order: npt.NDArray[np.int64]) -> tuple[Any, tuple[Any, ...]]:
        """Return the loop for the samples of `order`, and what it is called with besides the number of threads."""
        call = self._call
        if not self._looked:
            self._looked, call.work = True, with_lists(self._model, call.work, call.data.X, order)
        self._packed.hyper[0] = self._rate[0]
        call.data._put(order=np.ascontiguousarray(order, np.int64))
        if self._one_by_one and self._model.flops_per_sample < ONE_BY_ONE_UNTIL:
            loop = descent.train_one_by_one
        else:
            loop = descent.train_epoch_in_parts if call.work.in_parts else descent.train_epoch
        return loop, (self._packed, call.work, call.data, self._batch_size, call.net)

    def end_epoch(self, parameters: bool = True, moments: bool = True) -> None:
        """Unpack them."""
        for vector, panels in self._parameters * parameters + self._moments * moments:
            self._call.copy(panels, vector, pack=False)


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
        functions, dtype = table([{}, {}, {}], functions=NAMES), model.dtype
        layers = with_functions(panel_layout(model), model)
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
    counts = {"costs": costs, "coming": coming, "norm": np.zeros(1), "batch": np.zeros(2, np.int64)}
    return TiledWorkspace(
        **arrays, **counts, rows=rows, in_parts=in_parts, **tile_lists.memory(0, 0, model.dtype.itemsize), **of_samples
    )


def borrowed_workspace(
    model: Model, samples: int, *, training: bool = True, gradient: bool = False
) -> Loan[TiledWorkspace]:
    """Lend a `tiled_workspace` for one call: see `borrowed`."""
    in_parts = training and sums_in_parts(model, samples)
    needs = rows_of_workspace(samples, in_parts), in_parts, gradient, samples > ROWS
    make = partial(tiled_workspace, model, samples, training=training, gradient=gradient)
    return borrowed(model, f"workspace, training={training}", needs, make)

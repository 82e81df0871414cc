"""The Python side of `tiles`: how a network lies in memory, what is allocated, which form runs."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from fastbp.compiler.structs import Struct
from fastbp.compiler.threads import max_threads, parallel_region
from fastbp.formulations import array_functions
from fastbp.formulations.compiled import Compiled, layer_rows, of_network, rates_of
from fastbp.formulations.interface import PLAIN
from fastbp.formulations.network_data import NetworkData, OptimizerData, layer_table, table
from fastbp.formulations.step_options import StepOptions
from fastbp.formulations.tiles import descent
from fastbp.formulations.tiles import gradient as tile_gradient
from fastbp.formulations.tiles import lists as tile_lists
from fastbp.formulations.tiles import steps as tile_steps
from fastbp.formulations.tiles.panel_functions import NAMES, add_functions
from fastbp.formulations.tiles.panel_sums import BLOCK, CACHED
from fastbp.formulations.tiles.panels import Data, TiledWorkspace, pack, unpack
from fastbp.formulations.tiles.registers import VECS, VECTOR_BYTES
from fastbp.model import Array, Model, aligned_empty
from fastbp.optimizers import Optimizer, OptimizerState

ROWS = 1024  # samples whose activations are held at once; a mini-batch of more goes through in parts
PART_BYTES = 32 * 1024  # of weights, up to which the gradient of a large mini-batch is summed in parts
KEPT_BYTES = 64 * 1024**2  # of memory, up to which it is kept for the next call: see `borrowed`
# Floating-point operations up to which steps of one sample run on one thread, which saves a pass over the weights.
ONE_BY_ONE_UNTIL = 3e6

# What is compiled when it is first needed: by every network, by steps of one sample, where zeros are listed.
EVERY_NET = "gather", "transpose_weights", "forward_panel"
ONE_ROW = "propagate_row", "forward_row"
LISTED = "note_inputs", "list_inputs", "list_samples", "forward_listed", "gradient_listed"

Memory = TypeVar("Memory")


class Tiled(Compiled):
    """`tiles`."""

    name = "tiles"

    def _forward(self, model: Model, X: Array, Y: Array | None, weights: Array | None = None) -> tuple[Array, Array]:
        n, rows = len(X), min(len(X), BLOCK * max_threads())
        net, outputs, costs = tiled_network(model), np.empty((n, model.sizes[-1]), model.dtype), np.empty(n)
        data = samples_of(X, outputs if Y is None else Y)
        with (
            borrowed_workspace(model, rows, training=False) as work,
            parallel_region(model.flops_per_sample / 3 * rows) as n_threads,
        ):
            add_functions(net, ["forward_share", "take_rows"], model.dtype, W=work, A=data, N=net)
            forward_blocks = self._variant(tile_steps.forward_blocks, n_threads)
            pack(work.theta, model.parameters.vector, net)
            for start in range(0, n, rows):
                stop = min(n, start + rows)
                forward_blocks(n_threads, outputs, work, data, start, stop, net)
                if weights is not None and Y is not None:
                    of_block = Y[start:stop], weights[start:stop]
                    tile_steps.weighted_costs_of_rows(costs[start:stop], work, *of_block, net)
                elif Y is not None:
                    tile_steps.costs_of_rows(costs[start:stop], work, Y[start:stop], net)
        return outputs, costs

    def gradient(self, model: Model, X: Array, Y: Array, gradient: Array, sample_weight: Array | None = None) -> float:
        """Write the gradient of the mean cost, return the mean cost."""
        n, net, data = len(X), tiled_network(model), samples_of(X, Y, sample_weight)
        with (
            borrowed_workspace(model, n, gradient=True) as work,
            parallel_region(model.flops_per_sample * min(n, ROWS)) as n_threads,
        ):
            shares = ["part_share"] if work.in_parts else ["errors_share", "sum_share"]
            weighted = ["weigh_samples"] * (data.sample_weight.size > 0)
            add_gradient_functions(model, shares + weighted, W=work, A=data)
            pack(work.theta, model.parameters.vector, net)
            loop = tile_gradient.gradient_in_parts if work.in_parts else tile_gradient.gradient
            total_cost = float(self._variant(loop, n_threads)(n_threads, work, data, net))
            unpack(gradient, work.gradient, net)
            return total_cost / n

    def step_bytes(self, model: Model, optimizer: Optimizer, batch_size: int, options: StepOptions = PLAIN) -> int:
        """Return how much memory a trainer allocates, without the lists of inputs that are not 0, which are small."""
        whole = options.clip_norm < np.inf or rates_of(optimizer, model).size > 0
        dropout = any(options.dropout)
        sizes = workspace_sizes(model, batch_size, n_moments=optimizer.n_moments, gradient=whole, dropout=dropout)
        return sum(sizes.values()) * model.dtype.itemsize

    def trainer(
        self,
        model: Model,
        optimizer: Optimizer,
        state: OptimizerState,
        X: Array,
        Y: Array,
        batch_size: int,
        options: StepOptions = PLAIN,
    ) -> "TiledTrainer":
        """Return what trains the model; a step allocates nothing."""
        return TiledTrainer(self, model, optimizer, state, X, Y, batch_size, options)


class TiledTrainer:
    """Keeps parameters and moments in panels, and copies them back at the end of an epoch."""

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
        self._formulation, self._model, self._batch_size = formulation, model, batch_size
        self._net, self._rate = tiled_network(model), state.rate
        rates = rates_of(optimizer, model)
        self._one_by_one = batch_size == 1 and optimizer.update == "sgd" and options.plain and rates.size == 0
        needs_whole = options.clip_norm < np.inf or rates.size > 0
        work = tiled_workspace(model, batch_size, options=options, n_moments=optimizer.n_moments, gradient=needs_whole)
        trained = np.flatnonzero(rates.any(axis=1)) if rates.size > 0 else np.arange(1)
        work = self._work = work._replace(lowest=1 + int(trained[0]))
        self._data = samples_of(X, Y, options.weight, np.empty(0, np.int64))
        functions = array_functions.update_functions(optimizer.update, model.dtype)
        rest = optimizer.hyper, state.t, *functions, optimizer.update == "sgd", rates
        self._packed = OptimizerData(work.first, work.second, *rest, **options.rules)
        self._add_functions(needs_whole)
        moments = (state.first, work.first), (state.second, work.second)
        self._looked = False  # whether there are so many zeros in X that it pays to list them
        self._parameters = [(model.parameters.vector, work.theta)]
        self._moments = [(vector, panels) for vector, panels in moments if vector.size > 0]

    def _add_functions(self, needs_whole: bool) -> None:
        """Compile what steps like these call, no more."""
        work, rules = self._work, self._packed
        needed = {
            "part_share": work.in_parts,
            "errors_share": not work.in_parts,
            "descend_share": not work.in_parts,
            "step_row": self._one_by_one,
            "drop_neurons": work.dropout.size > 0,
            "weigh_samples": self._data.sample_weight.size > 0,
            "apply_rules": rules.changes_gradient or rules.l2 > 0 or rules.decay > 0,
            "descend_whole": (needs_whole or work.in_parts) and rules.rates.size == 0,
            "descend_at_rates": rules.rates.size > 0,
            "square_norm": rules.per_batch,
            "limit_norms": rules.max_norm < np.inf,
        }
        names = [name for name, is_needed in needed.items() if is_needed]
        add_gradient_functions(self._model, names, W=work, A=self._data, O=rules)

    def take(self, X: Array, Y: Array, sample_weight: Array) -> None:
        """Train on these samples from now on; all else stays as it is."""
        self._data = samples_of(X, Y, sample_weight, self._data.order)
        if self._data.sample_weight.size > 0:
            add_functions(self._net, ["weigh_samples"], self._model.dtype, A=self._data, N=self._net)

    def begin(self, moments: bool = True) -> None:
        """Pack θ and, unless those in panels are the ones that count, the moments."""
        for vector, panels in self._parameters + self._moments * moments:
            pack(panels, vector, self._net)

    def train(self, order: npt.NDArray[np.int64]) -> float:
        """Train on the samples of `order`."""
        if not self._looked:
            self._looked, self._work = True, with_lists(self._model, self._work, self._data.X, order)
        self._packed.hyper[0] = self._rate[0]
        work, data, net = self._work, self._data._replace(order=order), self._net
        if self._one_by_one and self._model.flops_per_sample < ONE_BY_ONE_UNTIL:
            return float(descent.train_one_by_one(self._packed, work, data, net))
        rows = min(self._batch_size, len(order), ROWS)
        with parallel_region(self._model.flops_per_sample * rows) as n_threads:
            loop = descent.train_epoch_in_parts if work.in_parts else descent.train_epoch
            train_epoch = self._formulation._variant(loop, n_threads)
            return float(train_epoch(n_threads, self._packed, work, data, self._batch_size, net))

    def end_epoch(self, parameters: bool = True, moments: bool = True) -> None:
        """Unpack them."""
        for vector, panels in self._parameters * parameters + self._moments * moments:
            unpack(vector, panels, self._net)


def samples_of(
    X: Array, Y: Array, sample_weight: Array | None = None, order: npt.NDArray[np.int64] | None = None
) -> Data:
    """Return the samples as loops get them, in the order of their rows unless told otherwise."""
    weight = X[:0, 0] if sample_weight is None else np.ascontiguousarray(sample_weight, X.dtype).reshape(-1)
    return Data(X, Y, np.arange(len(X)) if order is None else order, weight)


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
        made = NetworkData(*of_network(model), layer_table(_panel_rows(model)), functions, panel_widths(model))
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


def _panel_rows(model: Model) -> list[dict[str, Any]]:
    columns_before, panels_at, n_in = 0, 0, 0
    rows = layer_rows(model)
    for l, row in enumerate(rows):
        n_out = panel_columns(row.get("n", 0), model.dtype)
        row |= {"columns": n_out, "columns_before": columns_before, "panels_at": panels_at}
        columns_before += n_out
        panels_at += (1 + n_in) * n_out if l > 0 else 0
        n_in = n_out
    return rows


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
    net = tiled_network(model)
    lanes, n = VECTOR_BYTES // model.dtype.itemsize, int(net.layers["panels_at"][-1])
    in_parts = training and sums_in_parts(model, samples)
    activations = _rows(samples, in_parts) * int(net.layers["columns_before"][-1])
    weights = (1 + 16 * lanes) * 2 * lanes
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
        "scratch": max_threads() * max(weights, transposed, 4 * int(net.layers["columns"].max())),
    }


def sums_in_parts(model: Model, samples: int) -> bool:
    """Whether threads sum the gradient over samples of their own: for few weights and many samples.

    Where weights are few, there are not enough for every thread to own some; where samples are many, a, z and δ of all
    of them would not stay in the cache until the gradient is summed. Not a question of threads: the bits depend on it.
    """
    few = int(tiled_network(model).layers["panels_at"][-1]) * model.dtype.itemsize <= PART_BYTES
    return few and samples >= 4 * tile_gradient.PART_BLOCK


def _rows(samples: int, in_parts: bool) -> int:
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
    rows = _rows(samples, in_parts)
    if rows == 1:
        add_functions(tiled_network(model), ONE_ROW, model.dtype)
    of_samples = {name: values for name, values in options.of_samples(model.dtype).items() if name != "sample_weight"}
    drops = of_samples["dropout"].size > 0
    sizes = workspace_sizes(model, samples, training=training, dropout=drops, **needs)
    arrays: dict[str, Any] = {name: _zeros(size, model.dtype) for name, size in sizes.items()}
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
) -> AbstractContextManager[TiledWorkspace]:
    """Lend a `tiled_workspace` for one call: see `borrowed`."""
    in_parts = training and sums_in_parts(model, samples)
    needs = _rows(samples, in_parts), in_parts, gradient, samples > ROWS
    make = partial(tiled_workspace, model, samples, training=training, gradient=gradient)
    return borrowed(model, f"workspace, training={training}", needs, make)


@contextmanager
def borrowed(model: Model, kind: str, needs: Any, make: Callable[[], Memory]) -> Iterator[Memory]:
    """Lend memory for one call: that of the last call of this kind with the same needs, unless somebody else has it.

    Making it takes as long as the gradient of a small net; and new memory comes from the system page by page, for as
    long as the sums of a large one take. What the last call left in it is not cleared.
    """
    kept = model.prepared.pop(kind, None)  # in one step: no two threads get the same
    if kept is None or kept[0] != needs:
        memory = make()
        kept = needs, memory, _nbytes(memory)
    yield kept[1]
    if kept[2] <= KEPT_BYTES:
        model.prepared[kind] = kept


def _nbytes(memory: Any) -> int:
    if isinstance(memory, tuple):
        return sum(map(_nbytes, memory))
    if isinstance(memory, Struct):
        return sum(map(_nbytes, vars(memory).values()))
    return memory.nbytes if isinstance(memory, np.ndarray) else 0


def _zeros(size: int, dtype: np.dtype[Any]) -> Array:
    vector = aligned_empty(size, dtype)
    vector[:] = 0
    return vector

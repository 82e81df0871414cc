"""`tiles` as a formulation: its calls and its trainer, which keep prepared structs and choose the form that runs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import config

from fastbp.compiler.threads import max_threads, parallel_region, worth
from fastbp.compiler.together import at_once, to_call
from fastbp.compiler.variants import address_of, entry, serial_variant
from fastbp.formulations.borrowing import borrowed
from fastbp.formulations.compiled import Compiled, optimizer_data, rates_of
from fastbp.formulations.interface import PLAIN
from fastbp.formulations.rounds import Row, addresses, of_epochs
from fastbp.formulations.step_options import StepOptions
from fastbp.formulations.tiles import descent
from fastbp.formulations.tiles import gradient as tile_gradient
from fastbp.formulations.tiles import steps as tile_steps
from fastbp.formulations.tiles.alone import Alone, alone, forward_alone, row_alone, step_alone
from fastbp.formulations.tiles.panel_functions import add_functions
from fastbp.formulations.tiles.panel_sums import BLOCK
from fastbp.formulations.tiles.panels import Data
from fastbp.formulations.tiles.prepared import Call
from fastbp.formulations.tiles.tiled import (
    ROWS,
    add_gradient_functions,
    rows_of_workspace,
    sums_in_parts,
    tiled_network,
    tiled_workspace,
    with_lists,
    workspace_sizes,
)
from fastbp.model import Array, Model
from fastbp.optimizers import Optimizer, OptimizerState

# Floating-point operations up to which steps of one sample run on one thread, which saves a pass over the weights.
# Steps as large as that take two threads twice as long: [784, 2000, 10] 243 and 106 µs (Zen 4).
ONE_BY_ONE_UNTIL = 1e7
# Floating-point operations up to which outputs come from `forward_alone`: of more, its fixed cost is a small part, and
# it keeps θ twice.
ALONE_UNTIL = 8e6
LEAST_ROOM = 32  # rows that it has room for, at least: callers give more and fewer


class Tiled(Compiled):
    """`tiles`."""

    name = "tiles"
    _forward_row = staticmethod(row_alone)

    def _outputs_of_rows(self, model: Model, X: Array, outputs: Array) -> None:
        n = len(X)
        flops = model.flops_per_sample / 3 * n
        if n > BLOCK or flops > ALONE_UNTIL or worth(flops) > 1:
            self._forward(model, X, None, outputs)
            return
        room = LEAST_ROOM if n <= LEAST_ROOM else 1 << (n - 1).bit_length()
        with borrowed(model, "rows", room, _for_rows, model, X, outputs, room) as (forward, kept, work, rows, net):
            forward(outputs, X, kept, work, rows, net)

    def _forward(self, model: Model, X: Array, Y: Array | None, outputs: Array, weights: Array | None = None) -> Array:
        n, rows = len(X), min(len(X), BLOCK * max_threads())
        costs = np.empty(0 if Y is None else n)
        needs = rows_of_workspace(rows, False)
        with (
            borrowed(model, "forward", needs, _forward_call, model, rows) as call,
            parallel_region(model.flops_per_sample / 3 * rows) as n_threads,
        ):
            loop, work, data, net = tile_steps.forward_blocks, call.work, call.data, call.net
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
            borrowed(model, "gradient", needs, _gradient_call, model, n) as call,
            parallel_region(model.flops_per_sample * min(n, ROWS)) as n_threads,
        ):
            loop = tile_gradient.gradient_in_parts if in_parts else tile_gradient.gradient
            call.take(X, Y, sample_weight)
            call.pack()
            total = call.run(loop, n_threads, call.work, call.data, share, call.net)
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


def _for_rows(model: Model, X: Array, outputs: Array, room: int) -> tuple[Any, ...]:
    """Return `forward_alone`, and what it needs for up to so many rows besides them and their outputs."""

    def prepared(model: Model) -> tuple[Any, ...]:
        net, work = tiled_network(model), tiled_workspace(model, room, training=False)
        add_functions(net, ["take_rows"], model.dtype)
        rest = alone(model.parameters.vector), work, np.arange(room), net
        return entry(forward_alone, outputs, X, *rest), *rest

    with at_once(lambda: prepared(model.unprepared())):
        return prepared(model)


def _forward_call(model: Model, rows: int) -> Call:
    """Prepare `forward_blocks` for so many rows at once."""

    def prepared(model: Model) -> Call:
        net = tiled_network(model)
        call = Call(model, net, tiled_workspace(model, rows, training=False))
        add_functions(net, ["forward_share", "take_rows"], model.dtype, W=call.work, A=call.data, N=net)
        return call

    with at_once(lambda: prepared(model.unprepared())):
        return prepared(model)


def _gradient_call(model: Model, samples: int) -> Call:
    """Prepare `gradient`, or `gradient_in_parts`, for so many samples."""

    def prepared(model: Model) -> Call:
        call = Call(model, tiled_network(model), tiled_workspace(model, samples, gradient=True))
        shares = ["part_share"] if call.work.in_parts else ["errors_share", "sum_share"]
        add_gradient_functions(model, shares, W=call.work, A=call.data)
        return call

    with at_once(lambda: prepared(model.unprepared())):
        return prepared(model)


class TiledTrainer:
    """Keeps parameters and moments in panels, and copies them back at the end of an epoch."""

    _batch_size = 1
    _address: int | None = None  # of the loop, for rounds and single steps
    _alone: tuple[Any, Alone] | None = None  # `step_alone`, compiled, and what it keeps

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
        if rates.size > 0:
            work = work._replace(lowest=1 + int(np.flatnonzero(rates.any(axis=1))[0]))
        self._call = Call(model, tiled_network(model), work)
        self.take(X, Y, options.sample_weight, batch_size)
        self._needs = self._needs_of(batch_size)
        self._packed = optimizer_data(model, optimizer, state, options, work.first, work.second)
        self._add_functions(needs_whole)
        moments = (state.first, work.first), (state.second, work.second)
        self._of_epochs: list[Data] = []  # samples of the epochs of a round
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
            "apply_rules": rules.changes_gradient or rules.l2 > 0 or rules.decay[0] > 0,
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
        self._of_epochs = []
        self._call.let_go()

    def begin(self, moments: bool = True) -> None:
        """Pack θ and, unless those in panels are the ones that count, the moments."""
        if self._alone is not None:
            self._alone[1].is_packed[0] = 0
        for vector, panels in self._parameters + self._moments * moments:
            self._call.copy(panels, vector, pack=True)

    def train(self, order: npt.NDArray[np.int64]) -> float:
        """Train on the samples of `order`."""
        loop, arguments = self._prepared(order)
        rows = 1 if loop is descent.train_one_by_one else min(self._batch_size, len(order), ROWS)
        with parallel_region(self._model.flops_per_sample * rows) as n_threads:
            return float(self._call.run(loop, n_threads, *arguments))

    def row(self, orders: Sequence[npt.NDArray[np.int64]]) -> Row | None:
        """Prepare `train` for a round, with an order for each epoch."""
        if config.DISABLE_JIT:
            return None
        loop, arguments = self._prepared(orders[0])
        if self._address is None:
            self._address = address_of(serial_variant(loop), 1, *arguments)
        optimizer, work, data, batch_size, net = arguments
        self._of_epochs = [data, *of_epochs(data, orders[1:])]
        of_data = addresses(self._of_epochs)
        return Row(self._address, optimizer._address, work._address, of_data, batch_size, net._address)

    def step_alone(self, X: Array, Y: Array, order: npt.NDArray[np.int64]) -> float | None:
        """Take a step on the samples of `order`, from θ to θ, in one compiled call; return the sum of the costs.

        As `take`, `begin` without moments, `train` and `end_epoch` without moments, and NaN with θ as it was if the
        cost or a parameter would no longer be finite. None, and nothing is done, where that needs several threads.
        """
        rows = min(self._batch_size, len(order), ROWS)
        if worth(self._model.flops_per_sample * rows) > 1 or (self._address is None and self.row([order]) is None):
            return None
        call = self._call
        optimizer, data = self._packed, call.data
        optimizer.hyper[0] = self._rate[0]
        data._put(X=X, Y=Y)
        if data.order is not order:
            data._put(order=order)
        if self._alone is None:
            kept = alone(self._model.parameters.vector, self._address)
            arguments = kept, optimizer, call.work, data, self._batch_size, call.net
            self._alone = entry(step_alone, *arguments), kept
        step, kept = self._alone
        cost = step(kept, optimizer, call.work, data, self._batch_size, call.net)
        call.let_go()
        return float(cost)

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

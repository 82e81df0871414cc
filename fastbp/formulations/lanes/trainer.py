"""The Python side of `lanes`: which networks it suits, the memory of a group, and its trainer."""

import math
from collections.abc import Sequence
from dataclasses import replace
from operator import mul
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from numba import config

from fastbp.compiler.together import at_once
from fastbp.compiler.variants import address_of, entry
from fastbp.formulations import array_functions
from fastbp.formulations.compiled import layer_places, of_network, rates_of, with_functions
from fastbp.formulations.lanes.descent import DECAY, train_epoch
from fastbp.formulations.lanes.functions import FUNCTIONS, function
from fastbp.formulations.lanes.layout import LanesData, LanesWorkspace, Members
from fastbp.formulations.lanes.products import COLUMN, LINE
from fastbp.formulations.network_data import NetworkData, layer_table, table
from fastbp.formulations.rounds import Row, addresses
from fastbp.formulations.rules import L2
from fastbp.formulations.step_options import StepOptions
from fastbp.formulations.tiles.panel_sums import BLOCK
from fastbp.formulations.tiles.registers import VECTOR_BYTES
from fastbp.model import Array, Model, aligned_zeros
from fastbp.optimizers import Optimizer, OptimizerState

# Weights up to which a group takes less time than its networks one after the other in `tiles`, with registers of any
# size. With Adam and mini-batches of 32, on a Xeon with AVX-512 in float32: 0.65 of the time of [8, 16, 16, 1], 0.86 of
# [8, 32, 32, 1], 0.94 of [32, 32, 10], 1.05 of [64, 32, 10], 1.07 of [64, 32, 32, 1]; in float64 0.78, 1.04, 1.02,
# 1.14, 1.17; with AVX2 there, from the second on, 0.95, 0.95, 1.25, 1.12. On Zen 4 in float32 0.73, 0.94, 0.95, 1.13,
# 1.11; in float64 of the first two and the last 0.94, 1.01, 1.23.
MOST_WEIGHTS = 1350
Workspaces: TypeAlias = dict[Any, LanesWorkspace]  # by sizes and dtype of the networks, and size of mini-batches
ROWS = 16  # samples of a block: with more, less of z, a and δ stays in the cache; with fewer, sums are too short


def suits(model: Model, optimizer: Optimizer, options: StepOptions, batch_size: int) -> bool:
    """Whether a network may be trained in lanes: with the bits that it has alone, and faster.

    Its bits are others for steps of one sample or of more than `BLOCK`, which `tiles` sums in another order, and with
    options that need the norm of a gradient or of weights. Not supported are dropout, weights of samples and rates of
    layers.
    """
    others = replace(options, l2=0.0, l1=0.0, decay=0.0, clip_value=math.inf)
    return (
        not config.DISABLE_JIT
        and sum(map(mul, model.sizes, model.sizes[1:])) <= MOST_WEIGHTS
        and 1 < batch_size <= BLOCK
        and others.plain
        and not optimizer.full_batch
        and rates_of(optimizer, model).size == 0
    )


def lanes_of(dtype: np.dtype[Any]) -> int:
    """Return how many nets a group has room for."""
    return VECTOR_BYTES // dtype.itemsize


class LanesTrainer:
    """Trains a group of up to `lanes_of(dtype)` networks in place, each with the bits that it has alone.

    All have the same sizes, dtype, activations and cost, and `suits` holds for each. Optimizers, options and the order
    of the samples are each network's own. From `begin` to `end_epoch` nothing else changes parameters or states.

    For rounds of many groups: ``loop(*arguments)`` for each of the `arguments` is what `train` runs after `take`: a
    compiled loop, and for each epoch a number of threads that is 1, structs, the batch size, and another struct. Only
    the samples differ by epoch; all other structs stay where they are. The loop writes the sums of costs to `costs`,
    returns 0, allocates nothing, and shares no memory that is written with other groups, but for `work_in`.

    Parameters
    ----------
    models, optimizers, states, options
        One of each network.
    X, Y
        The samples, the same of all networks, (n, n_in) and (n, n_out).
    batch_size : int
    """

    loop = staticmethod(train_epoch)

    def __init__(
        self,
        models: Sequence[Model],
        optimizers: Sequence[Optimizer],
        states: Sequence[OptimizerState],
        X: Array,
        Y: Array,
        batch_size: int,
        options: Sequence[StepOptions],
    ):
        self._models, self._states, self._options = models, states, options
        model, self._batch_size = models[0], batch_size
        self.costs = np.zeros((1, len(models)))  # of each epoch
        self._optimizer = members(model, optimizers, options)
        self._work: LanesWorkspace | None = None
        self._net = network(model)
        self.samples = [LanesData(X, Y, np.empty((lanes_of(model.dtype), 0), np.int64), self.costs[0])]
        for name in FUNCTIONS:
            if 1 in model.sizes[1:] or name != "forward_column":
                self._net.functions[name][0] = function(name, model.dtype, O=self._optimizer, N=self._net)
        self._entry: Any = None

    @property
    def arguments(self) -> list[tuple[Any, ...]]:
        """The arguments of `loop` for each epoch."""
        if self._work is None:
            self._work = workspace(self._models[0], self._batch_size)
        return [(1, self._optimizer, self._work, data, self._batch_size, self._net) for data in self.samples]

    def work_in(self, kept: Workspaces) -> None:
        """Take the workspace among those `kept`, or add one: for groups that train one after the other.

        So their workspace stays in the cache: 1,000 nets [8, 16, 16, 1] take 0.94 of the time (Zen 4).
        """
        model = self._models[0]
        kind = model.sizes, model.dtype, self._batch_size
        if kind not in kept:
            kept[kind] = workspace(model, self._batch_size)
        self._work = kept[kind]

    def begin(self) -> None:
        """Copy parameters, moments and counts of steps into the trainer's own memory."""
        for i, state in enumerate(self._states):
            for mine, theirs in self._vectors(i):
                mine[: theirs.size] = theirs
            self._optimizer.t[i] = state.t[0]

    def take(self, orders: npt.NDArray[np.int64]) -> None:
        """Take the samples of epochs, rows of X and Y, (epochs, n_networks, n), and the present rates and decays."""
        epochs, n_nets, n = orders.shape
        if (idle := len(self.samples[0].order) - n_nets) > 0:  # those lanes compute something, too
            orders = np.concatenate([orders, np.repeat(orders[:, :1], idle, axis=1)], axis=1)
        self.costs = np.zeros((epochs, n_nets))
        pairs = zip(orders, self.costs, strict=True)
        self.samples = [self.samples[0]._replace(order=order, costs=costs) for order, costs in pairs]
        for i, state in enumerate(self._states):
            self._optimizer.hyper[i, 0] = state.rate[0]
        for i, options in enumerate(self._options):
            self._optimizer.limits[i, DECAY] = options.decay[0]
            options.steps[0] += epochs * -(-n // self._batch_size)

    def row(self, orders: npt.NDArray[np.int64], kept: Workspaces) -> Row:
        """Take the samples of epochs; return what a round runs, among others with the same `kept`."""
        self.work_in(kept)
        self.take(orders)
        _, optimizer, work, _, batch_size, net = arguments = self.arguments[0]
        loop, of_epochs = address_of(self.loop, *arguments), addresses(self.samples)
        return Row(loop, optimizer._address, work._address, of_epochs, batch_size, net._address)

    def train(self, orders: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Train each network on its own order of samples, (n_networks, n), and return the sums of costs, (n_networks,).

        A network whose sum is not finite has stopped within the call.
        """
        self.take(orders[None])
        (arguments,) = self.arguments
        if self._entry is None:
            self._entry = entry(self.loop, *arguments)
        self._entry(*arguments)
        return self.costs[0]

    def end_epoch(self) -> None:
        """Copy them back to the models and states."""
        for i, state in enumerate(self._states):
            for mine, theirs in self._vectors(i):
                theirs[:] = mine[: theirs.size]
            state.t[0] = self._optimizer.t[i]

    def _vectors(self, i: int) -> list[tuple[Array, Array]]:
        """The vectors of network i here, and its own."""
        mine, state = self._optimizer, self._states[i]
        own = self._models[i].parameters.vector, state.first, state.second
        pairs = zip((mine.theta, mine.first, mine.second), own, strict=True)
        return [(of_group[i], vector) for of_group, vector in pairs if vector.size > 0]


def lanes_trainer(
    models: Sequence[Model],
    optimizers: Sequence[Optimizer],
    states: Sequence[OptimizerState],
    X: Array,
    Y: Array,
    batch_size: int,
    options: Sequence[StepOptions],
) -> LanesTrainer:
    """Return a `LanesTrainer`. What is missing on the disk is compiled in several processes."""

    def dry_run() -> None:
        copies = [model.unprepared() for model in models]
        own_steps = [replace(rules, steps=np.zeros(1, np.int64)) for rules in options]
        states = [optimizer.new_state(copies[0].parameters.vector.size, copies[0].dtype) for optimizer in optimizers]
        trainer = LanesTrainer(copies, optimizers, states, X, Y, batch_size, own_steps)
        trainer.train(np.zeros((len(models), 1), np.int64))

    with at_once(dry_run):
        return LanesTrainer(models, optimizers, states, X, Y, batch_size, options)


def network(model: Model) -> NetworkData:
    """Return what the loops need to know of a network, without the functions of `functions.py`."""
    layers = with_functions(layer_table(layer_places(model)), model)
    return NetworkData(*of_network(model), layers, table([{}], functions=list(FUNCTIONS)), 0)


def workspace(model: Model, batch_size: int) -> LanesWorkspace:
    """Return the memory for mini-batches of a size. Behind each array there is room for what a tile reads too much."""
    dtype, lanes, unit = model.dtype, lanes_of(model.dtype), max(lanes_of(model.dtype), COLUMN)
    n, neurons, n_in, n_out = model.parameters.vector.size, sum(model.sizes), model.sizes[0], model.sizes[-1]
    rows = min(round_up(batch_size, unit), max(unit, ROWS))
    size = (round_up(n, lanes) + COLUMN) * lanes
    theta, gradient, quarters = (aligned_zeros(times * size, dtype) for times in (1, 1, 4))
    gradients = aligned_zeros(round_up(n, lanes) * lanes, dtype)
    z, a, delta = (aligned_zeros((rows * neurons + COLUMN) * lanes, dtype) for _ in range(3))
    inputs, outputs = aligned_zeros(lanes * rows * n_in, dtype), aligned_zeros(4 * lanes * rows * n_out, dtype)
    costs = (np.zeros(lanes * m) for m in (rows, batch_size))
    scratch = aligned_zeros(COLUMN * LINE // 2 // dtype.itemsize * lanes, dtype)
    return LanesWorkspace(theta, gradient, gradients, quarters, z, a, delta, inputs, outputs, *costs, scratch, rows)


def members(model: Model, optimizers: Sequence[Optimizer], options: Sequence[StepOptions]) -> Members:
    """Return the optimizers of networks like `model`, and room for what they work on."""
    dtype, lanes = model.dtype, lanes_of(model.dtype)
    n, n_moments = round_up(model.parameters.vector.size, lanes), max(each.n_moments for each in optimizers)
    sizes = [lanes * n * needed for needed in (True, n_moments > 0, n_moments > 1)]
    rows = []
    for optimizer, rules in zip(optimizers, options, strict=True):
        begin_step, update = array_functions.update_functions(optimizer.update, dtype)
        own = {"plain_descent": optimizer.update == "sgd", "changes_gradient": rules.rules["changes_gradient"]}
        rows.append({"begin_step": begin_step, "update": update, **own})
    updates = table(rows, integers=("plain_descent", "changes_gradient"), functions=("begin_step", "update"))
    hyper = np.array([optimizer.hyper for optimizer in optimizers])
    hyper[:, L2] = [rules.l2 for rules in options]
    limits = np.array([(rules.l2, rules.l1, rules.decay[0], rules.clip_value) for rules in options])
    vectors = (aligned_zeros(size, dtype).reshape(lanes, -1) for size in sizes)
    return Members(*vectors, hyper, np.zeros(len(optimizers), np.int64), limits, updates)


def round_up(n: int, unit: int) -> int:
    """Return the least multiple of `unit` that is at least n."""
    return -(-n // unit) * unit

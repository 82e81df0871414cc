"""The Python side of `lanes`: which networks it suits, the memory of a group, and its trainer."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from fastbp.compiler.call import call
from fastbp.compiler.options import LEAN, njit
from fastbp.compiler.together import at_once, to_call
from fastbp.formulations import array_functions
from fastbp.formulations.compiled import layer_places, of_network, rates_of, with_functions
from fastbp.formulations.lanes.functions import FUNCTIONS, function
from fastbp.formulations.lanes.layout import LanesData, LanesWorkspace, Members
from fastbp.formulations.lanes.products import COLUMN
from fastbp.formulations.network_data import NetworkData, layer_table, table
from fastbp.formulations.rules import L2
from fastbp.formulations.step_options import StepOptions
from fastbp.formulations.tiles.panel_sums import BLOCK
from fastbp.formulations.tiles.registers import VECTOR_BYTES
from fastbp.model import Array, Model, aligned_empty
from fastbp.optimizers import Optimizer, OptimizerState
from fastbp.optimizers.updates import N_HYPER

import os
WIDEST = 32  # neurons of a layer
BLOCK_BYTES = int(os.environ.get('BB',64)) * 1024  # of z, a and δ of a block of samples


def suits(model: Model, optimizer: Optimizer, options: StepOptions, batch_size: int) -> bool:
    """Whether a network may be trained in lanes: with the bits that it has alone, and faster."""
    hidden = model.activations[:-1]
    others = replace(options, l2=0.0, l1=0.0, decay=0.0, clip_value=math.inf)
    return (
        max(model.sizes) <= WIDEST
        and 1 < batch_size <= BLOCK
        and not any(sigma.whole_layer for sigma in hidden)
        and others.plain
        and not optimizer.full_batch
        and rates_of(optimizer, model).size == 0
    )


def lanes_of(dtype: np.dtype[Any]) -> int:
    """Return how many nets a group has room for."""
    return VECTOR_BYTES // dtype.itemsize


class LanesTrainer:
    """Trains up to `lanes_of(dtype)` networks in place, each with the bits that it has alone.

    All have the same sizes, activations and cost, and `suits` holds for each; optimizers, options and orders of samples
    are each network's own. From `begin` to `end_epoch` nothing else changes the parameters.

    To run many groups in one compiled call: `address`, what `call` takes, is the epoch of a group, and `arguments` are
    its arguments, ``call(address, optimizer, work, data, batch_size, net, costs)``: structs, whose addresses stay as
    they are, a whole number, and a float64 array (n_nets,), into which it writes the sums of costs. It allocates
    nothing, and two groups share no memory that is written. `take_orders` fills in the orders before such a call.

    Parameters
    ----------
    models, optimizers, states, options
        One of each network.
    X, Y
        The samples of all of them, (n, n_in) and (n, n_out).
    batch_size : int
    """

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
        model, n_nets = models[0], len(models)
        self.costs = np.zeros(n_nets)
        self._optimizer = members(models, optimizers, states, options)
        self._work, self._net = lanes_workspace(model, batch_size), lanes_network(model)
        order = np.zeros((lanes_of(model.dtype), 0), np.int64)
        self._data, self._batch_size = LanesData(X, Y, order), batch_size
        structs = {"O": self._optimizer, "W": self._work, "A": self._data, "N": self._net}
        for name in self._net.functions.dtype.names or ():
            if 1 in model.sizes[1:] or name != "forward_column":
                self._net.functions[name][0] = function(name, model.dtype, **structs)
        self.address = function("train_epoch", model.dtype, **structs)

    @property
    def arguments(self) -> tuple[Any, ...]:
        """The arguments of an epoch."""
        return self._optimizer, self._work, self._data, self._batch_size, self._net, self.costs

    def begin(self) -> None:
        """Copy parameters, moments and counts of steps into the trainer's own memory."""
        for i, (model, state) in enumerate(zip(self._models, self._states, strict=True)):
            for mine, theirs in self._vectors(i, model, state):
                mine[: theirs.size] = theirs
            self._optimizer.t[i] = state.t[0]

    def take_orders(self, orders: npt.NDArray[np.int64]) -> None:
        """Take the samples of the next call, (n_nets, n) rows of X and Y, and the present learning rates."""
        n_nets, lanes = len(self._models), len(self._data.order)
        if self._data.order.shape[1] != orders.shape[1]:
            self._data._put(order=np.empty((lanes, orders.shape[1]), np.int64))
        self._data.order[:n_nets], self._data.order[n_nets:] = orders, orders[0]
        for i, state in enumerate(self._states):
            self._optimizer.hyper[i, 0] = state.rate[0]

    def train(self, orders: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Train each network on its own order of the samples, and return the sum of costs of each, (n_nets,)."""
        self.take_orders(orders)
        to_call(run)(self.address, *self.arguments)
        for options in self._options:
            options.steps[0] += -(-orders.shape[1] // self._batch_size)
        return self.costs

    def end_epoch(self) -> None:
        """Copy them back to the models and states."""
        for i, (model, state) in enumerate(zip(self._models, self._states, strict=True)):
            for mine, theirs in self._vectors(i, model, state):
                theirs[:] = mine[: theirs.size]
            state.t[0] = self._optimizer.t[i]

    def _vectors(self, i: int, model: Model, state: OptimizerState) -> list[tuple[Array, Array]]:
        """The vectors of net i here, and its own."""
        mine = self._optimizer
        pairs = (mine.theta, model.parameters.vector), (mine.first, state.first), (mine.second, state.second)
        return [(of_group[i], own) for of_group, own in pairs if own.size > 0]


@njit(**LEAN)
def run(function, optimizer, work, data, batch_size, net, costs):
    """Call an epoch."""
    call(function, optimizer, work, data, batch_size, net, costs)


def lanes_network(model: Model) -> NetworkData:
    """Return what the loops need to know of a network, without the functions of `functions.py`."""
    layers = with_functions(layer_table(layer_places(model)), model)
    names = [name for name in FUNCTIONS if name != "train_epoch"]
    return NetworkData(*of_network(model), layers, table([{}], functions=names), 0)


def lanes_workspace(model: Model, batch_size: int) -> LanesWorkspace:
    """Return the memory for mini-batches of a size."""
    dtype, lanes, n = model.dtype, lanes_of(model.dtype), model.parameters.vector.size
    unit = max(lanes, COLUMN)
    rows = min(round_up(batch_size, unit), max(unit, BLOCK_BYTES // (3 * VECTOR_BYTES * sum(model.sizes)) // unit * unit))
    theta, gradient = (_zeros((round_up(n, lanes) + COLUMN) * lanes, dtype) for _ in range(2))
    z, a, delta = (_zeros((rows * sum(model.sizes) + COLUMN) * lanes, dtype) for _ in range(3))
    inputs = _zeros(lanes * rows * model.sizes[0], dtype)
    outputs = _zeros(4 * lanes * rows * model.sizes[-1], dtype)
    scratch = _zeros(lanes * COLUMN * lanes, dtype)
    costs, batch_costs = np.zeros(lanes * rows), np.zeros(lanes * batch_size)
    quarters = _zeros(4 * theta.size, dtype)
    return LanesWorkspace(
        theta, gradient, quarters, z, a, delta, inputs, outputs, costs, batch_costs, scratch, rows
    )


def members(
    models: Sequence[Model],
    optimizers: Sequence[Optimizer],
    states: Sequence[OptimizerState],
    options: Sequence[StepOptions],
) -> Members:
    """Return the optimizers of a group, and room for what they work on."""
    dtype, lanes = models[0].dtype, lanes_of(models[0].dtype)
    n = round_up(models[0].parameters.vector.size, lanes)

    def room(is_needed: bool) -> Array:
        return _zeros(lanes * n if is_needed else 0, dtype).reshape(lanes, -1) if is_needed else np.empty((lanes, 0), dtype)

    rows = []
    for optimizer, rules in zip(optimizers, options, strict=True):
        begin_step, update = array_functions.update_functions(optimizer.update, dtype)
        rows.append({
            "begin_step": begin_step, "update": update, "plain_descent": optimizer.update == "sgd",
            "changes_gradient": rules.rules["changes_gradient"],
        })  # fmt: skip
    updates = table(rows, integers=("plain_descent", "changes_gradient"), functions=("begin_step", "update"))
    hyper = np.array([optimizer.hyper for optimizer in optimizers])
    hyper[:, L2] = [rules.l2 for rules in options]
    limits = np.array([(rules.l2, rules.l1, rules.decay, rules.clip_value) for rules in options])
    n_moments = max(optimizer.n_moments for optimizer in optimizers)
    t = np.array([state.t[0] for state in states])
    return Members(
        room(True), room(n_moments > 0), room(n_moments > 1), room(True), hyper, t, limits, updates
    )


def round_up(n: int, unit: int) -> int:
    """Return the least multiple of `unit` that is at least n."""
    return -(-n // unit) * unit


def _zeros(size: int, dtype: np.dtype[Any]) -> Array:
    vector = aligned_empty(size, dtype)
    vector[:] = 0
    return vector

"""A round: one or several epochs of each of some networks, one after the other, in one compiled call.

A network's row names the loop that its trainer would run on one thread, and what that loop gets. So a network has the
same bits as in a `fit` of its own. The call needs no lock of Python's, and as many threads as there are may each have
a round.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from numba import config

from fastbp.compiler.call import cost_of
from fastbp.compiler.options import LEAN, njit
from fastbp.compiler.structs import Struct
from fastbp.compiler.variants import address_of, entry

AnyStruct = TypeVar("AnyStruct", bound=Struct)


class Row(NamedTuple):
    """A training loop and its arguments: addresses of structs, which the trainer keeps alive, and the batch size.

    The loop takes (n_threads, optimizer, work, data, batch_size, net) and returns the sum of the costs. It runs once
    for each epoch, with the samples of that epoch in `data`.
    """

    loop: int
    optimizer: int
    work: int
    data: tuple[int, ...]  # of each epoch
    batch_size: int
    net: int


@njit(**LEAN)
def train_rows(costs, rows, data):
    """Train each row's network, epoch after epoch while costs are finite. Writes: costs, the networks.

    Shapes: costs and data (n_epochs,), of all rows one behind the other; rows (n, 6), the fields of `Row`, with the
    number of the first epoch behind the row's own in place of `data`.
    """
    for i in range(rows.shape[0]):
        loop, optimizer, work, stop, batch_size, net = rows[i]
        for epoch in range(rows[i - 1, 3] if i > 0 else 0, stop):
            costs[epoch] = cost_of(loop, 1, optimizer, work, data[epoch], batch_size, net)
            if not abs(costs[epoch]) < math.inf:  # isfinite is x - x, which fastmath makes 0
                break


class Arrays(Struct):
    """What a loop of `loops.py` gets besides structs, and its address."""

    loop: int
    theta: npt.NDArray[Any]
    X: npt.NDArray[Any]
    Y: npt.NDArray[Any]
    order: npt.NDArray[np.int64]


@njit(**LEAN)
def train_on_arrays(n_threads, optimizer, work, data, batch_size, net):
    """Call a loop that takes arrays, as a row calls one that takes structs."""
    return cost_of(data.loop, data.theta, optimizer, work, data.X, data.Y, data.order, batch_size, net)


class RowOfArrays:
    """Makes the rows of a trainer whose serial `loop` takes (θ, optimizer, work, X, Y, order, batch_size, net)."""

    def __init__(self, loop: Any, theta: Any, optimizer: Struct, work: Struct, X: Any, Y: Any, rows: int, net: Struct):
        self._loop, self._arguments = loop, (theta, optimizer, work, X, Y, np.empty(0, np.int64), rows, net)
        self._made: tuple[int, Arrays] | None = None
        self._of_epochs: list[Arrays] = []

    def __call__(self, orders: Sequence[npt.NDArray[np.int64]]) -> Row | None:
        """Return the row for the samples of an order for each epoch."""
        if config.DISABLE_JIT:
            return None
        theta, optimizer, work, X, Y, no_order, batch_size, net = self._arguments
        if self._made is None:
            data = Arrays(address_of(self._loop, *self._arguments), theta, X, Y, no_order)
            self._made = address_of(train_on_arrays, 1, optimizer, work, data, batch_size, net), data
        loop, data = self._made
        self._of_epochs = of_epochs(data, orders)
        return Row(loop, optimizer._address, work._address, addresses(self._of_epochs), batch_size, net._address)


def of_epochs(data: AnyStruct, orders: Sequence[npt.NDArray[np.int64]]) -> list[AnyStruct]:
    """Return the samples of each epoch: copies of `data` that differ in their orders."""
    return [data._replace(order=np.ascontiguousarray(order, np.int64)) for order in orders]


def addresses(structs: Sequence[Struct]) -> tuple[int, ...]:
    """Return where structs lie: they must be kept alive."""
    return tuple(struct._address for struct in structs)


def prepared(rows: Sequence[Row]) -> Callable[[], list[list[float]]]:
    """Return what trains each row's network. It can be called on any thread, and holds Python's lock for microseconds.

    It returns the sums of costs of each row's epochs, up to the first that is not finite.
    """
    stops = list(itertools.accumulate(len(row.data) for row in rows))
    table = np.array([row._replace(data=stop) for row, stop in zip(rows, stops, strict=True)], np.int64)
    data = np.array([address for row in rows for address in row.data], np.int64)
    costs = np.empty(len(data))
    train = entry(train_rows, costs, table, data)

    def run() -> list[list[float]]:
        train(costs, table, data)
        found = costs.tolist()
        return [until_not_finite(found[start:stop]) for start, stop in zip([0, *stops], stops, strict=False)]

    return run


def until_not_finite(costs: Iterable[float]) -> list[float]:
    """Return the costs of epochs up to the first that is not finite: what is behind does not count."""
    found = []
    for cost in costs:
        found.append(cost)
        if not math.isfinite(cost):
            break
    return found

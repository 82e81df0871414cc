"""A round: a piece of the training of each of many networks, one network a thread, in one compiled call.

A network's row names the loop that its trainer would run on one thread, and what that loop gets. So a network has the
same bits as in a `fit` of its own, and there is no parallel region inside.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import config, prange, types
from numba.extending import lower_builtin, type_callable

from fastbp.compiler.call import cost_of
from fastbp.compiler.options import LEAN, njit
from fastbp.compiler.structs import Struct
from fastbp.compiler.threads import region
from fastbp.compiler.variants import address_of, entry, variant

WORD = ir.IntType(64)


class Row(NamedTuple):
    """A training loop and its arguments: addresses of structs, which the trainer keeps alive, and the batch size.

    The loop takes (n_threads, optimizer, work, data, batch_size, net) and returns the sum of the costs.
    """

    loop: int
    optimizer: int
    work: int
    data: int
    batch_size: int
    net: int


def take_next(counter: Any) -> int:
    """Return counter[0] and add 1 to it: no two threads get the same. Shapes: counter (1,) of int64."""
    number = int(counter[0])
    counter[0] += 1
    return number


@type_callable(take_next)
def _type_of_next(context: Any) -> Any:
    return lambda counter: types.int64


@lower_builtin(take_next, types.Array)
def _next_code(context: Any, builder: Any, sig: Any, values: Any) -> Any:
    data = context.make_array(sig.args[0])(context, builder, values[0]).data
    return builder.atomic_rmw("add", data, WORD(1), "monotonic")


@njit(parallel=True)
def train_rows(n_threads, costs, rows, counter):
    """Train each row's network. Writes: costs, counter, the networks.

    Shapes: costs (n,); rows (n, 6), the fields of `Row`; counter (1,), 0 before.

    Parallel: over threads. Each takes the next row as soon as it is done with one, so no thread waits for another
    before the end; a network is one thread's.
    """
    for _ in prange(n_threads):
        i = take_next(counter)
        while i < costs.size:
            loop, optimizer, work, data, batch_size, net = rows[i]
            costs[i] = cost_of(loop, 1, optimizer, work, data, batch_size, net)
            i = take_next(counter)


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

    def __call__(self, order: npt.NDArray[np.int64]) -> Row | None:
        """Return the row for the samples of `order`."""
        if config.DISABLE_JIT:
            return None
        theta, optimizer, work, X, Y, no_order, batch_size, net = self._arguments
        if self._made is None:
            data = Arrays(address_of(self._loop, *self._arguments), theta, X, Y, no_order)
            self._made = address_of(train_on_arrays, 1, optimizer, work, data, batch_size, net), data
        loop, data = self._made
        data._put(order=np.ascontiguousarray(order, np.int64))
        return Row(loop, optimizer._address, work._address, data._address, batch_size, net._address)


def train_all(rows: Sequence[Row], wanted: int, begun: Callable[[], None]) -> npt.NDArray[np.float64]:
    """Train each row's network, on as many threads as are wanted, and may run now. Return the sums of their costs.

    `begun` is called just before the compiled call, which needs no lock of Python's.
    """
    costs, table, counter = np.empty(len(rows)), np.array(rows, np.int64), np.zeros(1, np.int64)
    with region(wanted) as n_threads:
        train = entry(variant(train_rows, n_threads), n_threads, costs, table, counter)
        begun()
        train(n_threads, costs, table, counter)
    return costs

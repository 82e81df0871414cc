"""Where the samples of an epoch come from: arrays in memory, memory-mapped files, chunks of a generator.

Each source has arrays X and Y for the trainer, and returns the rows of them to train on in each compiled call. What is
not in memory is gathered into buffers of whole mini-batches, so that the same samples in the same order are the same
steps, bit for bit, wherever they come from.
"""

from __future__ import annotations  # so that naming numpy.random does not import it

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import numpy as np

from fastbp.orders import Order, Orders
from fastbp.parameters import Array, aligned_empty
from fastbp.samples import BLOCK_BYTES, MappedSamples, Samples


class Source(Protocol):
    """The samples of all epochs."""

    X: Array
    Y: Array
    weight: Array | None  # of the rows of X and Y

    def epoch(self, rng: np.random.Generator) -> Iterator[Order]:
        """Return what to train on in each compiled call of the next epoch."""


class InMemory:
    """All samples are in memory: an epoch is an order, cut into pieces of `rows`."""

    def __init__(self, samples: Samples, weight: Array | None, orders: Orders, rows: int):
        self.X, self.Y, self.weight, self._orders, self._rows = samples.X, samples.Y, weight, orders, rows

    def epoch(self, rng: np.random.Generator) -> Iterator[Order]:
        """Return an order in pieces."""
        return pieces(self._orders.next(rng), self._rows)


class FromFiles:
    """Samples are in files: those of a piece are read into buffers, in their order."""

    def __init__(self, samples: MappedSamples, weight: Array | None, orders: Orders, buffers: Buffers):
        self._samples, self._weight, self._orders, self._buffers = samples, weight, orders, buffers
        self.X, self.Y, self.weight = buffers.X, buffers.Y, buffers.weight

    def epoch(self, rng: np.random.Generator) -> Iterator[Order]:
        """Return, for each piece of an order, the rows of the buffers that hold it."""
        for piece in pieces(self._orders.next(rng), self._buffers.rows):
            weight = None if self._weight is None else self._weight[piece]
            self._buffers.put(0, self._samples.read(piece), weight)
            yield np.arange(len(piece))


class FromChunks:
    """Samples come in chunks, in an order and in sizes of their own; buffers are filled from them, and trained on."""

    def __init__(
        self,
        chunks: Chunks,
        weights_of: Callable[[Samples], Array | None],
        buffers: Buffers,
        samples_per_epoch: int | None,
    ):
        self._chunks, self._weights_of, self._buffers = chunks, weights_of, buffers
        self._samples_per_epoch = samples_per_epoch
        self.X, self.Y, self.weight = buffers.X, buffers.Y, buffers.weight

    def epoch(self, rng: np.random.Generator) -> Iterator[Order]:
        """Return the rows of the buffers, whenever they are full, and at the end."""
        filled = total = 0
        for part in self._parts():
            start = 0
            while start < len(part):
                stop = min(len(part), start + self._buffers.rows - filled)
                piece = Samples(part.X[start:stop], part.Y[start:stop], part.classes)
                self._buffers.put(filled, piece, self._weights_of(piece))
                filled, total, start = filled + len(piece), total + len(piece), stop
                if filled == self._buffers.rows:
                    yield np.arange(filled)
                    filled = 0
        if total == 0:
            raise ValueError("the chunks of this epoch have no samples; give a function that makes new ones each time")
        if filled:
            yield np.arange(filled)

    def _parts(self) -> Iterator[Samples]:
        """Return the chunks of an epoch, checked; of a chunk that reaches into the next epoch, keep the rest."""
        missing = self._samples_per_epoch
        while missing is None or missing > 0:
            part = self._chunks.next()
            if part is None:
                if missing is not None:
                    raise ValueError(
                        f"the chunks ran out {missing} samples before the end of the epoch; the network has the "
                        "weights of the last whole epoch"
                    )
                return
            if missing is not None:
                if len(part) > missing:
                    self._chunks.put_back(Samples(part.X[missing:], part.Y[missing:], part.classes))
                    part = Samples(part.X[:missing], part.Y[:missing], part.classes)
                missing -= len(part)
            yield part


class Chunks:
    """Pairs (X, Y) from an iterable, or from a function that returns one for every epoch."""

    def __init__(self, given: Callable[[], Iterable[Any]] | Iterable[Any], check: Callable[[Any, Any], Samples]):
        self._given, self._check = given, check
        self._iterator: Iterator[Any] | None = None
        self._rest: Samples | None = None

    def next(self) -> Samples | None:
        """Return the next chunk, checked; None at the end of the iterable, and then again the first."""
        if self._rest is not None:
            rest, self._rest = self._rest, None
            return rest
        if self._iterator is None:
            self._iterator = iter(self._given() if callable(self._given) else self._given)
        try:
            chunk = next(self._iterator)
        except StopIteration:
            self._iterator = None
            return None
        if not isinstance(chunk, tuple | list) or len(chunk) != 2:
            raise ValueError(f"a chunk is a {type(chunk).__name__}; it must be a pair (X, Y)")
        return self._check(*chunk)

    def put_back(self, rest: Samples) -> None:
        """Return this the next time."""
        self._rest = rest


class Buffers:
    """Memory for some rows of X and Y, read-only for the trainer, and of weights."""

    def __init__(self, rows: int, n_in: int, n_out: int, dtype: np.dtype[Any], weighted: bool):
        self.rows = rows
        self._X, self._Y = (aligned_empty(rows * n, dtype).reshape(rows, n) for n in (n_in, n_out))
        self.weight = aligned_empty(rows, dtype) if weighted else None
        self.X, self.Y = _read_only_view(self._X), _read_only_view(self._Y)

    def put(self, start: int, samples: Samples, weight: Array | None) -> None:
        """Write samples from row `start` on."""
        stop = start + len(samples)
        self._X[start:stop], self._Y[start:stop] = samples.X, samples.Y
        if self.weight is not None:
            self.weight[start:stop] = 1 if weight is None else weight


def pieces(order: Order, rows: int) -> Iterator[Order]:
    """Return an order in pieces of so many rows."""
    for start in range(0, len(order), rows):
        yield order[start : start + rows]


def buffer_rows(rows: int, batch_size: int, row_bytes: int) -> int:
    """Return how many of the `rows` of a compiled call buffers hold: whole mini-batches, at least one."""
    return batch_size * max(1, min(rows, BLOCK_BYTES // row_bytes) // batch_size)


def _read_only_view(array: Array) -> Array:
    view = array.view()
    view.flags.writeable = False
    return view

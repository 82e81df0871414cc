"""The sources of the samples of an epoch: arrays in memory, memory-mapped files, chunks of a generator.

A source has arrays X and Y for the trainer, and returns their rows for each compiled call. Samples that are not in
memory are copied into buffers of whole mini-batches, so that the same samples in the same order give the same bits.
"""

from __future__ import annotations  # so that naming numpy.random does not import it

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from fastbp.batches import weights as weighting
from fastbp.batches.orders import Order, Orders
from fastbp.batches.samples import BLOCK_BYTES, AnySamples, MappedSamples, Samples, checked
from fastbp.model import Array, Model, aligned_empty

# Between two compiled calls Python handles Ctrl-C and updates the progress bar. A long epoch is split into calls of
# about this many floating-point operations, about a tenth of a second. The split does not change any weight.
FLOPS_BETWEEN_LOOKS = 1e9


class Source(Protocol):
    """The samples of all epochs."""

    X: Array  # X and Y exist from `open` on
    Y: Array
    weight: Array | None  # of the rows of X and Y
    sample_weight: Array | None  # of all samples; None if they come in chunks
    buffer_bytes: int  # that `open` allocates

    @property
    def samples(self) -> AnySamples | None:
        """All samples; None if they come in chunks."""

    def open(self) -> None:
        """Prepare the first epoch. `weight` is valid from then on."""

    def epoch(self, rng: np.random.Generator) -> Iterator[Order]:
        """Return the rows of X and Y for each compiled call of the next epoch."""


class InMemory:
    """Samples in memory: an epoch is an order, split into pieces of `rows`."""

    buffer_bytes = 0

    def __init__(self, samples: Samples, weight: Array | None, orders: Orders, rows: int):
        self.samples, self.X, self.Y, self.weight, self.sample_weight = samples, samples.X, samples.Y, weight, weight
        self._orders, self._rows = orders, rows

    def open(self) -> None:
        """Do nothing."""

    def epoch(self, rng: np.random.Generator) -> Iterator[Order]:
        return pieces(self._orders.next(rng), self._rows)


class FromFiles:
    """Samples in files: those of a piece are read into buffers."""

    def __init__(self, samples: MappedSamples, weight: Array | None, orders: Orders, buffers: Buffers):
        self.samples, self.sample_weight, self._orders, self._buffers = samples, weight, orders, buffers
        self.weight, self.buffer_bytes = buffers.weight, buffers.nbytes

    def open(self) -> None:
        self.X, self.Y = self._buffers.open()

    def epoch(self, rng: np.random.Generator) -> Iterator[Order]:
        for piece in pieces(self._orders.next(rng), self._buffers.rows):
            weight = None if self.sample_weight is None else self.sample_weight[piece]
            self._buffers.put(0, self.samples.read(piece), weight)
            yield np.arange(len(piece))


class FromChunks:
    """Samples in chunks of any sizes, in their order: they fill buffers, which are trained on when full."""

    samples = None
    sample_weight: Array | None = None

    def __init__(self, chunks: Chunks, weights_of: Callable[[Chunk], Array | None], buffers: Buffers, n: int | None):
        self._chunks, self._weights_of, self._buffers, self._samples_per_epoch = chunks, weights_of, buffers, n
        self.weight, self.buffer_bytes = buffers.weight, buffers.nbytes

    def open(self) -> None:
        self.X, self.Y = self._buffers.open()
        self._chunks.look()
        if self._chunks.weighted:
            self._buffers.add_weights()
            self.weight = self._buffers.weight

    def epoch(self, rng: np.random.Generator) -> Iterator[Order]:
        filled = total = 0
        for chunk in self._parts():
            start = 0
            while start < len(chunk):
                piece = chunk.part(start, start + self._buffers.rows - filled)
                self._buffers.put(filled, piece.samples, self._weights_of(piece))
                filled, total, start = filled + len(piece), total + len(piece), start + len(piece)
                if filled == self._buffers.rows:
                    yield np.arange(filled)
                    filled = 0
        if total == 0:
            raise ValueError("the chunks of this epoch have no samples; give a function that makes new ones each time")
        if filled:
            yield np.arange(filled)

    def _parts(self) -> Iterator[Chunk]:
        """Return the checked chunks of an epoch. If one reaches into the next epoch, keep the rest for that."""
        missing = self._samples_per_epoch
        while missing is None or missing > 0:
            chunk = self._chunks.next()
            if chunk is None and missing is not None and self._chunks.can_begin_again:
                chunk = self._chunks.next()
            if chunk is None:
                if missing is None:
                    return
                raise ValueError(
                    f"the chunks ran out {missing} samples before the end of the epoch; the network has the weights of "
                    "the last whole epoch. Give a function that makes the chunks: it is called again when they run out"
                )
            if missing is not None:
                if len(chunk) > missing:
                    self._chunks.put_back(chunk.part(missing, len(chunk)))
                    chunk = chunk.part(0, missing)
                missing -= len(chunk)
            yield chunk


@dataclass
class Chunk:
    """Checked samples, and a weight for each of them, or None."""

    samples: Samples
    weight: Array | None

    def __len__(self) -> int:
        return len(self.samples)

    def part(self, start: int, stop: int) -> Chunk:
        """Return these rows, as views."""
        X, Y = self.samples.X[start:stop], self.samples.Y[start:stop]
        return Chunk(Samples(X, Y, self.samples.classes), None if self.weight is None else self.weight[start:stop])


class Chunks:
    """Pairs (X, Y), or triples with weights, from an iterable, or from a function that returns one for every epoch."""

    def __init__(self, given: Callable[[], Iterable[Any]] | Iterable[Any], model: Model):
        self._given, self._model = given, model
        self._iterator: Iterator[Any] | None = None
        self._rest: Chunk | None = None
        self.weighted: bool | None = None  # whether all chunks have weights; None before the first one

    def look(self) -> None:
        """Get the first chunk, and keep it for `next`."""
        self._rest = self.next()
        if self._rest is None:
            self._iterator = iter(())  # so that the first epoch finds no samples

    def count(self) -> int:
        """Return the number of samples of an epoch, from a pass over its chunks. Raises ValueError for an iterator."""
        if not self.can_begin_again:
            raise ValueError(
                "l2 and l1 are divided by the number of samples, but counting them would use up the iterator: give the "
                "function that makes it, or steps_per_epoch"
            )
        n = 0
        while (chunk := self.next()) is not None:
            n += len(chunk)
        return n

    @property
    def can_begin_again(self) -> bool:
        """Whether there is a first chunk again after the last one."""
        return callable(self._given) or not isinstance(self._given, Iterator)

    def next(self) -> Chunk | None:
        """Return the next chunk, checked; None at the end of the iterable, then the first one again."""
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
        return self._checked(chunk)

    def _checked(self, given: Any) -> Chunk:
        if not isinstance(given, tuple | list) or len(given) not in (2, 3):
            raise ValueError(f"a chunk is a {type(given).__name__}; it must be a pair (X, Y), or (X, Y, sample_weight)")
        weighted = len(given) == 3
        if self.weighted not in (None, weighted):
            has, first = ("has", "has none") if weighted else ("has no", "has")
            raise ValueError(f"a chunk {has} sample_weight, but the first {first}: give it in all chunks or in none")
        self.weighted = weighted
        samples = checked(given[0], given[1], self._model, "chunk ")
        weight = weighting.weights_of_rows("chunk sample_weight", given[2], len(samples)) if weighted else None
        return Chunk(samples, weight)

    def put_back(self, rest: Chunk) -> None:
        """Keep this for `next`."""
        self._rest = rest


class Buffers:
    """Memory for some rows of X and Y, which the trainer may only read, and for their weights."""

    def __init__(self, rows: int, n_in: int, n_out: int, dtype: np.dtype[Any], weighted: bool):
        self.rows, self._widths, self._dtype = rows, (n_in, n_out), dtype
        self.nbytes = rows * (n_in + n_out) * dtype.itemsize
        self.weight: Array | None = None
        if weighted:
            self.add_weights()

    def open(self) -> tuple[Array, Array]:
        """Allocate X and Y, and return read-only views of them."""
        self._X, self._Y = (aligned_empty(self.rows * n, self._dtype).reshape(self.rows, n) for n in self._widths)
        X, Y = self._X.view(), self._Y.view()
        X.flags.writeable = Y.flags.writeable = False
        return X, Y

    def add_weights(self) -> None:
        """Allocate one weight for each row."""
        self.weight = aligned_empty(self.rows, self._dtype)

    def put(self, start: int, samples: Samples, weight: Array | None) -> None:
        """Write samples from row `start` on."""
        stop = start + len(samples)
        self._X[start:stop], self._Y[start:stop] = samples.X, samples.Y
        if self.weight is not None:
            self.weight[start:stop] = 1 if weight is None else weight


def rows_between_looks(model: Model, batch_size: int) -> int:
    """Return the number of samples of a compiled call: whole mini-batches."""
    return batch_size * max(1, int(FLOPS_BETWEEN_LOOKS / (model.flops_per_sample * batch_size)))


def pieces(order: Order, rows: int) -> Iterator[Order]:
    """Return an order in pieces of `rows`."""
    for start in range(0, len(order), rows):
        yield order[start : start + rows]


def buffer_rows(rows: int, batch_size: int, row_bytes: int) -> int:
    """Return how many of the `rows` of a compiled call the buffers hold: whole mini-batches, at least one."""
    return batch_size * max(1, min(rows, BLOCK_BYTES // row_bytes) // batch_size)

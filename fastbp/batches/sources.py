"""The sources of the samples of an epoch: arrays in memory, memory-mapped files, chunks of a generator.

A source has arrays X and Y for the trainer, and returns their rows for each compiled call. Samples that are not in
memory are copied into buffers of whole mini-batches, so that the same samples in the same order give the same bits.
"""

from __future__ import annotations  # so that naming numpy.random does not import it

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import numpy as np

from fastbp.batches.orders import Order, Orders
from fastbp.batches.samples import BLOCK_BYTES, AnySamples, MappedSamples, Samples, SomeRows, checked
from fastbp.model import Array, Model, aligned_empty

# Between two compiled calls Python handles Ctrl-C and updates the progress bar. A long epoch is split into calls of
# about this many floating-point operations, about a tenth of a second. The split does not change any weight.
FLOPS_BETWEEN_LOOKS = 1e9
# Short epochs are trained together if they are no more than this part of it, so that a round of networks has enough
# rows to spread over all threads, and no more than so many samples, whose orders wait in memory.
PART_TOGETHER, SAMPLES_TOGETHER = 1 / 2, 16_384
KINDS_OF_WEIGHTS = "no sample_weight", "a sample_weight for each sample", "a sample_weight for each output"  # by ndim


class Source(Protocol):
    """The samples of all epochs."""

    X: Array  # X and Y exist from `open` on
    Y: Array
    weight: Array | None  # of the rows of X and Y
    sample_weight: Array | None  # of all samples; None if they come in chunks
    buffer_bytes: int  # that `open` allocates

    @property
    def epochs_together(self) -> int:
        """How many epochs may be trained in one call, at least 1; where it is more, an epoch has one order."""

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

    def __init__(self, samples: Samples | SomeRows, weight: Array | None, orders: Orders, rows: int):
        self.samples, self.weight, self.sample_weight = samples, weight, weight
        self._orders, self._rows = orders, rows
        self._places: Order | None = samples.rows if isinstance(samples, SomeRows) else None
        whole = samples.whole if isinstance(samples, SomeRows) else samples
        self.X, self.Y = whole.X, whole.Y
        if weight is not None and self._places is not None:  # of the other rows of X, anything
            self.weight = np.ones((len(whole), *weight.shape[1:]), weight.dtype)
            self.weight[self._places] = weight

    @property
    def epochs_together(self) -> int:
        at_once = min(int(self._rows * PART_TOGETHER), SAMPLES_TOGETHER)
        return max(1, at_once // len(self.samples)) if self._orders.are_ours else 1

    def open(self) -> None:
        """Do nothing."""

    def epoch(self, rng: np.random.Generator) -> Iterator[Order]:
        order = self._orders.next(rng)
        return pieces(order if self._places is None else self._places[order], self._rows)


class FromFiles:
    """Samples in files: those of a piece are read into buffers."""

    epochs_together = 1

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
    epochs_together = 1

    def __init__(self, chunks: Chunks, weights_of: Callable[[Samples], Array | None], buffers: Buffers, n: int | None):
        self._chunks, self._weights_of, self._buffers, self._samples_per_epoch = chunks, weights_of, buffers, n
        self.weight, self.buffer_bytes = buffers.weight, buffers.nbytes

    def open(self) -> None:
        self.X, self.Y = self._buffers.open()
        self._chunks.look()
        if self._chunks.weights_ndim:
            self._buffers.add_weights(self._chunks.weights_ndim)
            self.weight = self._buffers.weight

    def epoch(self, rng: np.random.Generator) -> Iterator[Order]:
        filled = total = 0
        for chunk in self._parts():
            start = 0
            while start < len(chunk):
                piece = chunk.part(slice(start, start + self._buffers.rows - filled))
                self._buffers.put(filled, piece, self._weights_of(piece))
                filled, total, start = filled + len(piece), total + len(piece), start + len(piece)
                if filled == self._buffers.rows:
                    yield np.arange(filled)
                    filled = 0
        if total == 0:
            raise ValueError("the chunks of this epoch have no samples; give a function that makes new ones each time")
        if filled:
            yield np.arange(filled)

    def _parts(self) -> Iterator[Samples]:
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
                    self._chunks.put_back(chunk.part(slice(missing, None)))
                    chunk = chunk.part(slice(missing))
                missing -= len(chunk)
            yield chunk


class Chunks:
    """Pairs (X, Y), or triples with weights, from an iterable, or from a function that returns one for every epoch."""

    def __init__(self, given: Callable[[], Iterable[Any]] | Iterable[Any], model: Model, negative: bool):
        self._given, self._model, self._negative = given, model, negative
        self._iterator: Iterator[Any] | None = None
        self._rest: Samples | None = None
        # Of all chunks: 1 if samples have weights, 2 if outputs have, 0 if there are none; None before the first one.
        self.weights_ndim: int | None = None

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

    def next(self) -> Samples | None:
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

    def _checked(self, given: Any) -> Samples:
        if not isinstance(given, tuple | list) or len(given) not in (2, 3):
            raise ValueError(f"a chunk is a {type(given).__name__}; it must be a pair (X, Y), or (X, Y, sample_weight)")
        X, Y, weight = given if len(given) == 3 else (*given, None)
        samples = checked(X, Y, self._model, "chunk ", weight, self._negative)
        ndim = 0 if samples.weight is None else samples.weight.ndim
        if self.weights_ndim not in (None, ndim):
            has, first = (KINDS_OF_WEIGHTS[kind] for kind in (ndim, self.weights_ndim))
            raise ValueError(f"a chunk has {has}, but the first has {first}: give the same in all chunks, or none")
        self.weights_ndim = ndim
        return samples

    def put_back(self, rest: Samples) -> None:
        """Keep this for `next`."""
        self._rest = rest


class Buffers:
    """Memory for some rows of X and Y, which the trainer may only read, and for their weights."""

    def __init__(self, rows: int, n_in: int, n_out: int, dtype: np.dtype[Any], weights_ndim: int):
        self.rows, self._widths, self._dtype = rows, (n_in, n_out), dtype
        self.nbytes = rows * (n_in + n_out) * dtype.itemsize
        self.weight: Array | None = None
        if weights_ndim:
            self.add_weights(weights_ndim)

    def open(self) -> tuple[Array, Array]:
        """Allocate X and Y, and return read-only views of them."""
        self._X, self._Y = (aligned_empty(self.rows * n, self._dtype).reshape(self.rows, n) for n in self._widths)
        X, Y = self._X.view(), self._Y.view()
        X.flags.writeable = Y.flags.writeable = False
        return X, Y

    def add_weights(self, ndim: int) -> None:
        """Allocate one weight for each row, or, if `ndim` is 2, for each output."""
        shape = (self.rows, self._widths[1])[:ndim]
        self.weight = aligned_empty(math.prod(shape), self._dtype).reshape(shape)

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

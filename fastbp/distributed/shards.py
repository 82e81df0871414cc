"""The samples of all ranks in shards, and sums over the shards in a fixed binary tree.

Shard k of S has the rows k n // S to (k + 1) n // S of all n samples, and each rank has whole shards. A sum over all
samples is that of each shard, added up in pairs: inside a rank, then across ranks. So its bits depend on S alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np

from fastbp.batches.orders import Order
from fastbp.batches.samples import AnySamples, MappedSamples, Samples
from fastbp.distributed.ranks import ALONE, Ranks
from fastbp.formulations import Formulation
from fastbp.formulations.step_options import StepOptions
from fastbp.model import Array, Model, aligned_empty
from fastbp.optimizers import Optimizer, OptimizerState


class Sharded:
    """The samples of this rank, as some of `shards` shards of all n.

    Attributes
    ----------
    samples : Samples or MappedSamples
        Of this rank.
    sizes : (shards,) array
        How many samples each shard has.
    first : int
        The number of this rank's first shard.
    slices : list of slice
        The rows of `samples` that are each of its shards.
    """

    def __init__(self, samples: AnySamples, n: int | None = None, shards: int = 1, ranks: Ranks = ALONE):
        self.samples, self.ranks, self._n = samples, ranks, len(samples) if n is None else n
        ends = [k * self._n // shards for k in range(shards + 1)]
        self.sizes, count = np.diff(ends), shards // ranks.size
        self.first = count * ranks.rank
        own = ends[self.first : self.first + count + 1]
        self.slices = [slice(start - own[0], stop - own[0]) for start, stop in pairwise(own)]
        self.n_spares = max(math.ceil(math.log2(count)), int(ranks.size > 1))
        self._spares: dict[tuple[int, str], list[Array]] = {}  # by size and dtype

    def __len__(self) -> int:
        return self._n

    def read(self, i: int, rows: Order) -> Samples:
        """Return these rows of the shard i of this rank."""
        rows = self.slices[i].start + rows
        some = self.samples.read(rows) if isinstance(self.samples, MappedSamples) else self.samples.part(rows)
        assert isinstance(some, Samples)
        return some

    def blocks(self, i: int) -> Iterator[Samples]:
        """Return the shard i of this rank in blocks, in their order."""
        return self.samples.part(self.slices[i]).blocks()

    def total(self, of_shard: Callable[[int, Array], None], out: Array) -> Array:
        """Return the sum over all shards in `out`, a vector. `of_shard(i, out)` writes that of a shard of this rank."""
        kind = out.size, out.dtype.str
        if kind not in self._spares:
            self._spares[kind] = [aligned_empty(out.size, out.dtype) for _ in range(self.n_spares)]
        self._add_up(of_shard, 0, len(self.slices), out, self._spares[kind])
        self.ranks.agree()
        if self.ranks.size > 1:
            self.ranks.add(out, self._spares[kind][0])
        return out

    def _add_up(
        self, of_shard: Callable[[int, Array], None], i: int, count: int, out: Array, spares: list[Array]
    ) -> None:
        """Write the sum over so many shards of this rank, from the shard i on: of both halves. Writes: out, spares."""
        if count > 1:
            self._add_up(of_shard, i, count // 2, out, spares)
            self._add_up(of_shard, i + count // 2, count // 2, spares[0], spares[1:])
            out += spares[0]
        elif self.slices[i].start < self.slices[i].stop:
            of_shard(i, out)
        else:
            out[:] = 0


def in_shards(samples: AnySamples | Sharded) -> Sharded:
    """Return the samples of a process that trains alone as one shard; what is in shards stays as it is."""
    return samples if isinstance(samples, Sharded) else Sharded(samples)


class Steps:
    """Steps over mini-batches that take as many rows from each shard, the same step on all ranks.

    `rows` is how many from each. The memory of a step is allocated here; the cost is behind the gradient, and so it is
    rounded to the dtype of the model.
    """

    def __init__(
        self,
        formulation: Formulation,
        model: Model,
        optimizer: Optimizer,
        state: OptimizerState,
        samples: Sharded,
        rows: int,
        options: StepOptions,
    ):
        self._formulation, self._model, self._optimizer, self._state = formulation, model, optimizer, state
        self._samples, self._rows, self._options = samples, rows, options
        self._mean = aligned_empty(model.parameters.vector.size + 1, model.dtype)

    def epoch(self, rng: np.random.Generator, shuffle: bool) -> Iterator[tuple[int, float]]:
        """Take the steps of an epoch. Return the number of samples of each, and their mean cost before it.

        The order within a shard depends on the number of the shard, and on a number that all ranks draw.
        """
        orders: list[Order] = [np.arange(s.stop - s.start) for s in self._samples.slices]
        if shuffle and self._rows < self._samples.sizes.max():
            drawn = int(rng.integers(2**63))
            orders = [
                np.random.default_rng([drawn, self._samples.first + i]).permutation(o) for i, o in enumerate(orders)
            ]
        for start in range(0, int(self._samples.sizes.max()), self._rows):
            m = int(np.clip(self._samples.sizes - start, 0, self._rows).sum())
            yield m, self._step([order[start : start + self._rows] for order in orders], m)

    def _step(self, rows: list[Order], m: int) -> float:
        def of_shard(i: int, out: Array) -> None:
            if len(rows[i]) == 0:
                out[:] = 0
                return
            some, weight = self._samples.read(i, rows[i]), self._options.weight
            weight = None if weight is None else weight[self._samples.slices[i].start + rows[i]]
            out[-1] = self._formulation.gradient(self._model, some.X, some.Y, out[:-1], weight)
            out *= out.dtype.type(len(rows[i]) / m)

        self._samples.total(of_shard, self._mean)
        gradient = self._mean[:-1]
        self._formulation.apply(self._model, self._optimizer, self._state, gradient, self._options)
        return float(self._mean[-1])

"""The samples of an estimator, which scikit-learn has checked, as `batches/` takes them; X may be sparse."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.special import xlogy

from fastbp.batches.orders import Order, Orders
from fastbp.batches.samples import AnySamples, MappedSamples, Samples, SomeRows
from fastbp.batches.sources import Buffers, FromFiles, InMemory
from fastbp.formulations.tiles.formulation import Tiled
from fastbp.model import Array, Model

TILES = Tiled()
DENSE_BYTES = 256 * 2**20  # up to this size a sparse X is unpacked as a whole, which is faster


def is_plain(array: Array) -> bool:
    """Whether an array is C-contiguous and aligned."""
    flags = array.flags
    return flags.c_contiguous and flags.aligned


def plain(array: Any, dtype: np.dtype[Any]) -> Array:
    """Return a matrix C-contiguous, of `dtype` and read-only; it is copied only where it has to be."""
    if type(array) is not np.ndarray or array.dtype != dtype or not is_plain(array):
        array = np.require(array, dtype, ["C", "A"])
    view: Array = array.view(np.ndarray)
    view.flags.writeable = False  # so that the loops are compiled for one type only
    return view


class SparseSamples(MappedSamples):
    """Samples with a sparse X that is too large to unpack as a whole: `read` and `blocks` unpack parts of it."""

    def __init__(self, X: Any, Y: Array, dtype: np.dtype[Any]):
        self._X, self._Y, self._dtype, self._rows = X.tocsr(), Y, dtype, np.arange(len(Y))
        self.block, self.classes = max(1, DENSE_BYTES // (X.shape[1] * dtype.itemsize)), False

    @property
    def Y(self) -> Array:
        """The targets of all samples."""
        Y: Array = self._Y[self._rows]
        return Y

    def read(self, samples: npt.NDArray[np.int64]) -> Samples:
        """Return some samples, in this order."""
        return self._checked(self._rows[samples])

    def _checked(self, rows: npt.NDArray[np.int64]) -> Samples:
        return Samples(plain(self._X[rows].toarray(), self._dtype), plain(self._Y[rows], self._dtype), False)


def samples_of(X: Any, Y: Array, dtype: np.dtype[Any]) -> Samples | SparseSamples:
    """Return X (n, n_in), perhaps sparse, and Y (n, n_out), which are checked already, as samples in `dtype`."""
    if sparse.issparse(X):
        if X.shape[0] * X.shape[1] * dtype.itemsize > DENSE_BYTES:
            return SparseSamples(X, Y, dtype)
        X = X.toarray()
    return Samples(plain(X, dtype), plain(Y, dtype), False)


@dataclass
class Weighted:
    """Samples, and one weight for each of them, or None."""

    samples: Samples | SomeRows | SparseSamples
    weight: Array | None

    def __len__(self) -> int:
        return len(self.samples)

    def part(self, rows: npt.NDArray[np.int64]) -> "Weighted":
        """Return some of them, each perhaps several times. Those in memory are not copied."""
        whole: Any = self.samples
        part = SomeRows(whole, rows, False, False) if isinstance(whole, Samples) else whole.part(rows)
        return Weighted(part, None if self.weight is None else self.weight[rows])

    def copied(self) -> "Weighted":
        """Return them without other rows beside them."""
        return replace(self, samples=self.samples.copied()) if isinstance(self.samples, SomeRows) else self

    @property
    def Y(self) -> Array:
        """The targets."""
        return self.samples.whole.Y[self.samples.rows] if isinstance(self.samples, SomeRows) else self.samples.Y


class Reshuffled(Orders):
    """scikit-learn's orders: each epoch shuffles `order`, that of the epoch before."""

    def __init__(self, shuffle: bool, n: int):
        super().__init__(shuffle, n, 1, full_batch=False)
        self.order: Order = np.arange(n)

    def next(self, rng: Any) -> Order:
        """Return the order of the next epoch, from a `RandomState`."""
        self.order = self.order[super().next(rng)]
        return self.order


def source(data: Weighted, orders: Orders, model: Model, batch_size: int, rows: int) -> InMemory | FromFiles:
    """Return where a trainer finds samples, opened: `rows` of them in each compiled call, fewer if X is sparse."""
    if isinstance(data.samples, Samples | SomeRows):
        return InMemory(data.samples, None if data.weight is None else data.weight.astype(model.dtype), orders, rows)
    n_in, n_out = model.sizes[0], model.sizes[-1]
    batches = max(1, DENSE_BYTES // (4 * n_in * model.dtype.itemsize * batch_size))
    buffers = Buffers(min(rows, batches * batch_size), n_in, n_out, model.dtype, int(data.weight is not None))
    found = FromFiles(data.samples, data.weight, orders, buffers)
    found.open()
    return found


def passes_as_weight(weight: Any, X: Array) -> bool:
    """Whether scikit-learn's checks would let the weights of the rows of X pass as they are. False if in doubt."""
    if weight is None:
        return True
    if type(weight) is not np.ndarray or weight.dtype != X.dtype or weight.shape != (len(X),):
        return False
    return bool(weight.min() >= 0) and 0 < float(weight.sum()) < math.inf


def unpacked(samples: AnySamples) -> Iterable[Samples]:
    """Return samples as they are, or, where X is too large to unpack as a whole, in blocks."""
    return [samples] if isinstance(samples, Samples) else samples.blocks()


def joined(blocks: Iterable[Array]) -> Array:
    """Return arrays one after the other as one; a single array as it is."""
    arrays = list(blocks)
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def outputs_of(model: Model, samples: AnySamples) -> Array:
    """Return a⁽ᴸ⁾ of every sample."""
    return joined(TILES.outputs(model, block.X) for block in unpacked(samples))


def outputs_and_costs(model: Model, samples: AnySamples) -> tuple[Array, Array]:
    """Return a⁽ᴸ⁾ and the cost of every sample."""
    outputs, costs = zip(*(TILES.costs(model, block.X, block.Y) for block in unpacked(samples)), strict=True)
    return joined(outputs), joined(costs)


def constant_of_poisson(Y: Array) -> npt.NDArray[np.float64]:
    """Return Σ_j y log y − y of every sample: half the Poisson deviance is larger by this than fastbp's cost."""
    y = Y.astype(np.float64)
    return np.asarray((xlogy(y, y) - y).sum(axis=1))


def mean_over_batches(values: Array, weight: Array | None, order: Order, batch_size: int) -> float:
    """Return the mean of values over mini-batches: of each its weighted mean, times its number of samples."""
    if weight is None:
        return float(values.mean())
    starts = np.arange(0, len(order), batch_size)
    sizes, w = np.diff([*starts, len(order)]), weight[order].astype(np.float64)
    totals, sums = (np.add.reduceat(terms, starts) for terms in (w, w * values[order]))
    return float((sizes * np.divide(sums, totals, out=np.zeros_like(sums), where=totals != 0)).sum() / len(order))

"""Checked samples as the compiled loops take them; a sparse matrix that would be too large is unpacked in pieces."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.special import xlogy

from fastbp.formulations.tiles.tiled import Tiled
from fastbp.model import Array, Model, aligned_empty

TILES = Tiled()
DENSE_BYTES = 256 * 2**20  # up to so many bytes a sparse X is unpacked as a whole, which is faster


def lies_plainly(array: Array) -> bool:
    """Whether an array is C-contiguous and aligned."""
    flags = array.flags
    return flags.c_contiguous and flags.aligned


def plain(array: Any, dtype: np.dtype[Any]) -> Array:
    """Return a matrix C-contiguous, of `dtype` and read-only; without a copy where it is so."""
    if type(array) is not np.ndarray or array.dtype != dtype or not lies_plainly(array):
        array = np.require(array, dtype, ["C", "A"])
    # Read-only, so that the compiled loops meet one type only.
    view: Array = array.view(np.ndarray)
    view.flags.writeable = False
    return view


@dataclass
class Data:
    """Samples that are trained on or evaluated: X (n, n_in), perhaps sparse, Y (n, n_out), weights (n,) or None."""

    X: Any
    Y: Array
    weight: Array | None

    def __len__(self) -> int:
        return len(self.Y)

    def part(self, rows: npt.NDArray[np.int64]) -> "Data":
        """Return some of them."""
        return Data(self.X[rows], self.Y[rows], None if self.weight is None else self.weight[rows])


def surely_right_weight(weight: Any, X: Array) -> bool:
    """Whether scikit-learn's checks would let the weights of the rows of X pass as they are. False if in doubt."""
    if weight is None:
        return True
    if type(weight) is not np.ndarray or weight.dtype != X.dtype or weight.shape != (len(X),):
        return False
    return bool(weight.min() >= 0) and 0 < float(weight.sum()) < math.inf


def _dense_blocks(X: Any, dtype: np.dtype[Any]) -> Iterator[Array]:
    """Return X in one piece, or, if it is sparse, in dense ones."""
    if not sparse.issparse(X):
        yield plain(X, dtype)
        return
    X, rows = X.tocsr(), max(1, DENSE_BYTES // (X.shape[1] * dtype.itemsize))
    for start in range(0, X.shape[0], rows):
        yield plain(X[start : start + rows].toarray(), dtype)


def outputs_of(model: Model, X: Any) -> Array:
    """Return a⁽ᴸ⁾ of every row of X, which may be sparse."""
    blocks = [TILES.outputs(model, block) for block in _dense_blocks(X, model.dtype)]
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


def costs_of(model: Model, data: Data) -> Array:
    """Return the cost of every sample."""
    costs, start, Y = [], 0, plain(data.Y, model.dtype)
    for block in _dense_blocks(data.X, model.dtype):
        costs.append(TILES.costs(model, block, Y[start : start + len(block)])[1])
        start += len(block)
    return np.concatenate(costs)


class Source:
    """Where a trainer finds its samples: all of them as they are, or pieces of a sparse X in a buffer.

    Attributes
    ----------
    X, Y : arrays
        What a trainer is given.
    weight : array
        A weight for each row of them, empty without weights.
    """

    def __init__(self, data: Data, dtype: np.dtype[Any], batch_size: int, rows_at_once: int, shuffle: bool = False):
        n, n_in = data.X.shape
        self.order, self._shuffle = np.arange(n), shuffle
        self._rows_at_once, self._sparse = rows_at_once, None
        X, Y, weight = data.X, data.Y, np.empty(0, dtype) if data.weight is None else data.weight.astype(dtype)
        if sparse.issparse(X) and n * n_in * dtype.itemsize > DENSE_BYTES:
            batches = max(1, DENSE_BYTES // (4 * n_in * dtype.itemsize * batch_size))
            self._rows_at_once = min(rows_at_once, batches * batch_size)
            self._sparse, self._all_Y, self._all_weight = X.tocsr(), Y, weight
            X, Y = (aligned_empty(self._rows_at_once * k, dtype).reshape(-1, k) for k in (n_in, Y.shape[1]))
            weight = np.empty(self._rows_at_once if weight.size else 0, dtype)
            self._X, self._Y = X, Y
        elif sparse.issparse(X):
            X = X.toarray()
        self.X, self.Y, self.weight = plain(X, dtype), plain(Y, dtype), weight

    def epoch(self, random_state: np.random.RandomState) -> Iterator[npt.NDArray[np.int64]]:
        """Return the pieces of an epoch, in the order of the last one shuffled again, as scikit-learn does it."""
        if self._shuffle:
            permutation = np.arange(len(self.order))
            random_state.shuffle(permutation)
            self.order = self.order[permutation]
        return self.pieces(self.order)

    def pieces(self, order: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
        """Return rows of X and Y that are the samples of `order`, some whole mini-batches at a time."""
        for start in range(0, len(order), self._rows_at_once):
            samples = order[start : start + self._rows_at_once]
            if self._sparse is None:
                yield samples
                continue
            m = len(samples)
            self._X[:m], self._Y[:m] = self._sparse[samples].toarray(), self._all_Y[samples]
            self.weight[:m] = self._all_weight[samples] if self.weight.size else 0
            yield np.arange(m)


def constant_of_poisson(Y: Array) -> npt.NDArray[np.float64]:
    """Return Σ_j y log y − y of every sample: half the Poisson deviance is larger by this than fastbp's cost."""
    y = Y.astype(np.float64)
    return np.asarray((xlogy(y, y) - y).sum(axis=1))


def mean_over_batches(values: Array, weight: Array | None, order: npt.NDArray[np.int64], batch_size: int) -> float:
    """Return the mean over mini-batches, each as large as it is, of the weighted means of values in them."""
    if weight is None:
        return float(values.mean())
    starts = np.arange(0, len(order), batch_size)
    sizes, w = np.diff([*starts, len(order)]), weight[order].astype(np.float64)
    totals = np.add.reduceat(w, starts)
    sums = np.add.reduceat(w * values[order], starts)
    return float((sizes * np.divide(sums, totals, out=np.zeros_like(sums), where=totals != 0)).sum() / len(order))

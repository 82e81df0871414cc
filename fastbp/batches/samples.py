"""Checked inputs and targets: in memory, or in memory-mapped files that are read block by block."""

from __future__ import annotations  # so that naming numpy.random does not import it

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from fastbp import validation
from fastbp.model import Array, Model

BLOCK_BYTES = 64 * 2**20  # of a memory-mapped file in memory at once, in the dtype of the network


def block_rows(row_bytes: int) -> int:
    """Return the number of samples of a block, the same in memory and in files."""
    return max(1, BLOCK_BYTES // row_bytes)


@dataclass
class Samples:
    """Inputs (n, n_in) and targets (n, n_out), C-contiguous, read-only, of the network's dtype."""

    X: Array
    Y: Array
    classes: bool  # whether Y is classes: labels, or one 1 a row among zeros

    def __len__(self) -> int:
        return len(self.X)

    def blocks(self) -> Iterator[Samples]:
        """Return all samples in blocks, as views, in their order."""
        rows = block_rows(self.X[:1].nbytes + self.Y[:1].nbytes)
        for start in range(0, len(self), rows):
            yield Samples(self.X[start : start + rows], self.Y[start : start + rows], self.classes)

    def part(self, rows: npt.NDArray[np.int64]) -> Samples:
        """Return a copy of these rows."""
        X, Y = self.X[rows], self.Y[rows]
        X.flags.writeable = Y.flags.writeable = False
        return Samples(X, Y, self.classes)


class MappedSamples:
    """Samples whose X or Y is a memory-mapped file. They are read, checked and converted block by block.

    `prefix` stands before the names X and Y in errors.
    """

    def __init__(self, X: Any, Y: Any, model: Model, prefix: str):
        self._X, self._Y, self._model, self._prefix = X, Y, model, prefix
        self._rows = np.arange(len(X))
        first = self.read(np.arange(1))
        self.block = block_rows(first.X.nbytes + first.Y.nbytes)
        classes = [block.classes for block in self.blocks()]  # checks every block
        self.classes = all(classes)

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, samples: npt.NDArray[np.int64]) -> Samples:
        """Return these samples in this order. The file is read from front to back, whatever the order."""
        rows = self._rows[samples]
        by_place = np.argsort(rows, kind="stable")
        return self._checked(rows[by_place]).part(np.argsort(by_place))

    def blocks(self) -> Iterator[Samples]:
        """Return all samples in blocks, in their order."""
        for start in range(0, len(self), self.block):
            yield self._checked(self._rows[start : start + self.block])

    def part(self, rows: npt.NDArray[np.int64]) -> MappedSamples:
        """Return these rows, which stay in their files."""
        part = copy.copy(self)
        part._rows = self._rows[rows]
        return part

    def _checked(self, rows: npt.NDArray[np.int64]) -> Samples:
        try:
            return checked(np.asarray(self._X[rows]), np.asarray(self._Y[rows]), self._model, self._prefix)
        except (TypeError, ValueError) as error:
            raise type(error)(f"rows {rows[0]} to {rows[-1]}, counted from {rows[0]}: {error}") from None


AnySamples: TypeAlias = Samples | MappedSamples


def checked(X: Any, Y: Any, model: Model, prefix: str = "") -> Samples:
    """Return samples in memory. Raises TypeError or ValueError, with `prefix` before the names X and Y."""
    inputs = validation.inputs(X, model.sizes[0], model.dtype, f"{prefix}X")
    output, cost = model.activations[-1], model.cost
    return Samples(inputs, *validation.targets(Y, inputs, model.sizes[-1], output, cost, f"{prefix}Y"))


def checked_anywhere(X: Any, Y: Any, model: Model, prefix: str = "") -> AnySamples:
    """Return samples like `checked`; memory-mapped arrays stay in their files, and every block is checked once."""
    if not isinstance(X, np.memmap) and not isinstance(Y, np.memmap):
        return checked(X, Y, model, prefix)
    X, Y = (given if isinstance(given, np.ndarray) else np.asarray(given) for given in (X, Y))
    if X.ndim != 2 or len(X) == 0:
        raise ValueError(f"{prefix}X has shape {X.shape}; needed is (n_samples, n_features), at least one sample")
    if Y.ndim not in (1, 2) or len(Y) != len(X):
        raise ValueError(f"{prefix}Y has shape {Y.shape}, but X has {len(X)} rows; every sample needs one target")
    return MappedSamples(X, Y, model, prefix)

"""Checked inputs and targets: in memory, or in memory-mapped files that are read block by block."""

from __future__ import annotations  # so that naming numpy.random does not import it

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from fastbp import validation
from fastbp.batches import weights as weighting
from fastbp.model import Array, Model

BLOCK_BYTES = 64 * 2**20  # of a memory-mapped file in memory at once, in the dtype of the network


def block_rows(row_bytes: int) -> int:
    """Return the number of samples of a block, the same in memory and in files."""
    return max(1, BLOCK_BYTES // max(1, row_bytes))


@dataclass
class Samples:
    """Inputs (n, n_in) and targets (n, n_out), C-contiguous, read-only, of the network's dtype."""

    X: Array
    Y: Array
    classes: bool  # whether Y is classes: labels, or one 1 a row among zeros
    weight: Array | None = None  # `sample_weight`, (n,) or (n, n_out) in float64
    missing: bool = False  # whether Y has other numbers in place of NaN, where the weight is 0
    _smoothed: dict[tuple[float, int], Samples] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.X)

    def blocks(self) -> Iterator[Samples]:
        """Return all samples in blocks, as views, in their order."""
        rows = block_rows(self.X[:1].nbytes + self.Y[:1].nbytes)
        for start in range(0, len(self), rows):
            yield self.part(slice(start, start + rows))

    def part(self, rows: npt.NDArray[np.int64] | slice) -> Samples:
        """Return these rows: a copy, or of a slice views."""
        X, Y = self.X[rows], self.Y[rows]
        X.flags.writeable = Y.flags.writeable = False
        return replace(self, X=X, Y=Y, weight=None if self.weight is None else self.weight[rows], _smoothed={})

    def smoothed(self, share: float, n_classes: int) -> Samples:
        """Return them with (1 − ε) y + ε / n_classes in place of y, where ε is `share`: made once, for all who ask."""
        if (share, n_classes) not in self._smoothed:
            Y = self.Y * self.Y.dtype.type(1 - share) + self.Y.dtype.type(share / n_classes)
            Y.flags.writeable = False
            self._smoothed[share, n_classes] = replace(self, Y=Y, _smoothed={})
        return self._smoothed[share, n_classes]

    def evaluated(self) -> Samples:
        """Return them as a `fit` evaluates samples that it has weights of: only missing targets do not count."""
        return replace(self, weight=_only_missing(self.weight, self.missing), _smoothed={})


class SomeRows:
    """Some rows of samples in memory, in this order, a row perhaps several times: they stay where they are.

    `classes` and `missing` are as in `Samples`, of these rows.
    """

    def __init__(self, whole: Samples, rows: npt.NDArray[np.int64], classes: bool, missing: bool):
        self.whole, self.rows, self.classes, self.missing = whole, rows, classes, missing

    @property
    def weight(self) -> Array | None:
        """The weights of these rows, or None."""
        return None if self.whole.weight is None else self.whole.weight[self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def copied(self) -> Samples:
        """Return them in memory of their own."""
        return replace(self.whole.part(self.rows), classes=self.classes, missing=self.missing)

    def blocks(self) -> Iterator[Samples]:
        """Return all of them in blocks, as copies, in their order."""
        n = block_rows(self.whole.X[:1].nbytes + self.whole.Y[:1].nbytes)
        for start in range(0, len(self), n):
            yield self.part(slice(start, start + n)).copied()

    def part(self, rows: npt.NDArray[np.int64] | slice) -> SomeRows:
        """Return these of the rows."""
        return SomeRows(self.whole, self.rows[rows], self.classes, self.missing)

    def smoothed(self, share: float, n_classes: int) -> SomeRows:
        """Return them with smoothed targets, as `Samples.smoothed` does."""
        return SomeRows(self.whole.smoothed(share, n_classes), self.rows, self.classes, self.missing)

    def evaluated(self) -> SomeRows:
        """Return them as a `fit` evaluates samples that it has weights of: only missing targets do not count."""
        whole = replace(self.whole, weight=_only_missing(self.whole.weight, self.missing), _smoothed={})
        return SomeRows(whole, self.rows, self.classes, self.missing)


class MappedSamples:
    """Samples whose X or Y is a memory-mapped file. They are read, checked and converted block by block.

    `prefix` stands before the names X and Y in errors.
    """

    _weight: Array | None = None
    missing = False

    def __init__(self, X: Any, Y: Any, model: Model, prefix: str, weight: Array | None):
        self._X, self._Y, self._model, self._prefix, self._weight = X, Y, model, prefix, weight
        self._rows = np.arange(len(X))
        first = self.read(np.arange(1))
        self.block = block_rows(first.X.nbytes + first.Y.nbytes)
        found = [(block.classes, block.missing) for block in self.blocks()]  # checks every block
        self.classes, self.missing = all(classes for classes, _ in found), any(missing for _, missing in found)

    @property
    def weight(self) -> Array | None:
        """The weights of all samples, or None."""
        return None if self._weight is None else self._weight[self._rows]

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

    def part(self, rows: npt.NDArray[np.int64] | slice) -> MappedSamples:
        """Return these rows, which stay in their files."""
        part = copy.copy(self)
        part._rows = self._rows[rows]
        return part

    def evaluated(self) -> MappedSamples:
        """Return them as a `fit` evaluates samples that it has weights of: only missing targets do not count."""
        evaluated = copy.copy(self)
        evaluated._weight = _only_missing(self._weight, self.missing)
        return evaluated

    def _checked(self, rows: npt.NDArray[np.int64]) -> Samples:
        try:
            X, Y = np.asarray(self._X[rows]), np.asarray(self._Y[rows])
            return checked(X, Y, self._model, self._prefix, None if self._weight is None else self._weight[rows])
        except (TypeError, ValueError) as error:
            raise type(error)(f"rows {rows[0]} to {rows[-1]}, counted from {rows[0]}: {error}") from None


AnySamples: TypeAlias = Samples | SomeRows | MappedSamples


def checked(
    X: Any, Y: Any, model: Model, prefix: str = "", sample_weight: Any = None, negative: bool = True
) -> Samples:
    """Return samples in memory. Raises TypeError or ValueError, with `prefix` before the names X, Y and sample_weight.

    `negative` says whether weights may be below 0.
    """
    if sample_weight is None and _are_ready(X, Y, model):
        return Samples(validation.read_only(X), validation.read_only(Y), False)
    inputs = validation.inputs(X, model.sizes[0], model.dtype, f"{prefix}X")
    output, cost, weight, missing = model.activations[-1], model.cost, None, False
    if sample_weight is not None:
        weight = weighting.sample_weights(f"{prefix}sample_weight", sample_weight, len(inputs), model, negative)
        Y, missing = weighting.without_missing(f"{prefix}Y", Y, weight, model)
    targets, classes = validation.targets(Y, inputs, model.sizes[-1], output, cost, f"{prefix}Y")
    return Samples(inputs, targets, classes and not missing, weight, missing)


def _are_ready(X: Any, Y: Any, model: Model) -> bool:
    """Whether all is well at a glance: no labels, nothing to convert, and any numbers may be targets.

    X comes last: it may be large, and what is not ready is read again.
    """
    return (
        validation.any_targets(model.cost, model.activations[-1])
        and type(X) is type(Y) is np.ndarray
        and X.ndim == Y.ndim == 2
        and len(X) == len(Y) > 0
        and X.shape[1] == model.sizes[0]
        and Y.shape[1] == model.sizes[-1]
        and validation.is_ready(Y, model.dtype)
        and validation.is_ready(X, model.dtype)
    )


def checked_anywhere(
    X: Any, Y: Any, model: Model, prefix: str = "", sample_weight: Any = None, negative: bool = True
) -> AnySamples:
    """Return samples like `checked`; memory-mapped arrays stay in their files, and every block is checked once."""
    if not isinstance(X, np.memmap) and not isinstance(Y, np.memmap):
        return checked(X, Y, model, prefix, sample_weight, negative)
    X, Y = (given if isinstance(given, np.ndarray) else np.asarray(given) for given in (X, Y))
    if X.ndim != 2 or len(X) == 0:
        raise ValueError(f"{prefix}X has shape {X.shape}; needed is (n_samples, n_features), at least one sample")
    if Y.ndim not in (1, 2) or len(Y) != len(X):
        raise ValueError(f"{prefix}Y has shape {Y.shape}, but X has {len(X)} rows; every sample needs one target")
    weight = sample_weight
    if weight is not None:
        weight = weighting.sample_weights(f"{prefix}sample_weight", sample_weight, len(X), model, negative)
    return MappedSamples(X, Y, model, prefix, weight)


def _only_missing(weight: Array | None, missing: bool) -> Array | None:
    """Return 0 for each weight of 0 and 1 for all others if targets are `missing`, else None."""
    return (weight != 0).astype(np.float64) if missing and weight is not None else None

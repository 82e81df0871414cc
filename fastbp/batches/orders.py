"""The order of the samples in each epoch: shuffled, as given, or the user's own permutations."""

from __future__ import annotations  # so that naming numpy.random does not import it

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from fastbp.validation import array_likes

Order = npt.NDArray[np.int64]


class Orders:
    """The order of the n samples in each epoch of a `fit`, from its `shuffle`.

    With `full_batch` every sample is in every step, so they are not shuffled. Raises TypeError unless `shuffle` is a
    bool or an iterable, ValueError if a list of permutations is too short or an element is not a permutation of 0…n −
    1.
    """

    def __init__(self, shuffle: Any, n: int, epochs: int, full_batch: bool):
        self._n, self._epochs, self._given = n, epochs, 0
        self._own: Iterator[Any] | None = None
        if isinstance(shuffle, bool | np.bool_):
            self._from_seed = bool(shuffle) and not full_batch
            return
        iterable = isinstance(shuffle, Iterable) and not (isinstance(shuffle, np.ndarray) and shuffle.ndim == 0)
        if not iterable or isinstance(shuffle, str | bytes | dict | set):
            raise TypeError(f"shuffle is {shuffle!r}; it must be True, False or an iterable of permutations")
        if hasattr(shuffle, "__len__"):
            if len(shuffle) < epochs:
                raise ValueError(f"shuffle has {len(shuffle)} permutations; needed are {epochs}, one for each epoch")
            for epoch, permutation in zip(range(epochs), shuffle, strict=False):
                self._checked(epoch, permutation)
        self._own = iter(shuffle)

    @property
    def are_ours(self) -> bool:
        """Whether no orders come from the user: those are asked for when their epoch begins."""
        return self._own is None

    def next(self, rng: np.random.Generator) -> Order:
        """Return the order of the next epoch. Raises ValueError or TypeError if the iterable gives no permutation."""
        if self._own is None:
            return rng.permutation(self._n) if self._from_seed else np.arange(self._n)
        try:
            permutation = next(self._own)
        except StopIteration:
            raise ValueError(
                f"shuffle ran out after {self._given} permutations; {self._epochs} epochs need one each. The network "
                "has the weights of the last whole epoch"
            ) from None
        self._given += 1
        return self._checked(self._given - 1, permutation)

    def _checked(self, epoch: int, given: Any) -> Order:
        permutation = array_likes.as_array(f"shuffle[{epoch}]", given)
        needed = f"needed is a permutation of 0…{self._n - 1}"
        if permutation.dtype.kind not in "iu":
            raise TypeError(f"shuffle[{epoch}] is of dtype {permutation.dtype}; {needed}")
        if permutation.shape != (self._n,):
            raise ValueError(f"shuffle[{epoch}] has shape {permutation.shape}; {needed}")
        if permutation.min() < 0 or permutation.max() >= self._n:
            raise ValueError(f"shuffle[{epoch}] goes from {permutation.min()} to {permutation.max()}; {needed}")
        missing = np.flatnonzero(np.bincount(permutation, minlength=self._n) == 0)
        if len(missing):
            raise ValueError(f"shuffle[{epoch}] lacks {missing[0]} and has another number twice; {needed}")
        return np.ascontiguousarray(permutation, np.int64)

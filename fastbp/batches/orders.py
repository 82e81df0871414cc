"""The order of the samples of each epoch: from the seed, as they are, or the user's own permutations."""

from __future__ import annotations  # so that naming numpy.random does not import it

from collections.abc import Iterable, Iterator, Sized
from typing import Any

import numpy as np
import numpy.typing as npt

from fastbp.validation import array_likes

Order = npt.NDArray[np.int64]


class Orders:
    """The order of every epoch of one `fit`.

    Parameters
    ----------
    shuffle : bool, or iterable of permutations
        As in `Network.fit`.
    n : int
        How many samples there are.
    epochs : int
        How many orders are needed.
    full_batch : bool
        Whether every sample is in every step: then there is no order worth the drawing.

    Raises
    ------
    TypeError, ValueError
        `shuffle` is anything else; a list of permutations is too short, or one of them is no permutation.
    """

    def __init__(self, shuffle: Any, n: int, epochs: int, full_batch: bool):
        self._n, self._epochs, self._given = n, epochs, 0
        self._own: Iterator[Any] | None = None
        if isinstance(shuffle, bool | np.bool_):
            self._from_seed = bool(shuffle) and not full_batch
            return
        walks = isinstance(shuffle, Iterable) and not (isinstance(shuffle, np.ndarray) and shuffle.ndim == 0)
        if not walks or isinstance(shuffle, str | bytes | dict | set):
            raise TypeError(f"shuffle is {shuffle!r}; it must be True, False or an iterable of permutations")
        if isinstance(shuffle, Sized):
            self._check_all(shuffle)
        self._own = iter(shuffle)

    def _check_all(self, shuffle: Any) -> None:
        if len(shuffle) < self._epochs:
            raise ValueError(f"shuffle has {len(shuffle)} permutations; needed are {self._epochs}, one an epoch")
        for epoch, permutation in zip(range(self._epochs), shuffle, strict=False):
            self._checked(epoch, permutation)

    def next(self, rng: np.random.Generator) -> Order:
        """Return the order of the next epoch.

        Raises ValueError or TypeError if the user's own iterable has no more, or if what it gives is no permutation.
        """
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
            raise ValueError(f"shuffle[{epoch}] does not have {missing[0]}, and another number twice; {needed}")
        return np.ascontiguousarray(permutation, np.int64)

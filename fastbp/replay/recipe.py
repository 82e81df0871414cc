"""The random numbers of the book's figure programs: Python 2's shuffle, and initial weights from NumPy's `RandomState`.

The programs seed both generators, `random` for the orders and `numpy.random` for the weights, with the same number.
"""

import random
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

SEED = 12345678  # of all programs of the book that have one


def shuffle(values: list[int], generator: random.Random) -> None:
    """Shuffle in place as ``random.shuffle`` did in Python 2; that of Python 3 draws integers, not floats.

    Source: ``Lib/random.py`` of Python 2.7: i from n − 1 down to 1 is swapped with j = ⌊u (i + 1)⌋.

    >>> values = [0, 1, 2, 3, 4]
    >>> shuffle(values, random.Random(SEED))
    >>> values
    [1, 4, 0, 2, 3]
    """
    for i in range(len(values) - 1, 0, -1):
        j = int(generator.random() * (i + 1))
        values[i], values[j] = values[j], values[i]


def orders(n: int, generator: random.Random) -> Iterator[npt.NDArray[np.int64]]:
    """Return the order of each epoch, without end: every epoch shuffles the same list of n samples again.

    >>> of_epochs = orders(5, random.Random(SEED))
    >>> next(of_epochs), next(of_epochs)
    (array([1, 4, 0, 2, 3]), array([4, 1, 3, 0, 2]))
    """
    order = list(range(n))
    while True:
        shuffle(order, generator)
        yield np.array(order)


def starting_parameters(sizes: Sequence[int], generator: np.random.RandomState, large: bool) -> npt.NDArray[np.float64]:
    """Draw the biases of all layers, then their weights; return them in the order of ``net.parameters``.

    Biases are from N(0, 1). So are the weights if they are `large`, as in chapter 1; else their standard deviation is
    1/√n_in. Source: Nielsen, *Neural Networks and Deep Learning*, chapter 3, "Weight initialization".

    >>> starting_parameters([4, 1], np.random.RandomState(SEED), large=True).round(2)
    array([-1.46, -1.29, -1.51,  1.57,  0.55])
    """
    biases = [generator.randn(n_out, 1) for n_out in sizes[1:]]
    weights = [generator.randn(n_out, n_in) for n_in, n_out in pairwise(sizes)]
    if not large:
        weights = [w / np.sqrt(w.shape[1]) for w in weights]
    return np.concatenate([part.ravel() for layer in zip(weights, biases, strict=True) for part in layer])


class Generators:
    """The two generators of a program, and the lists of samples that it shuffles."""

    def __init__(self, seed: int):
        self.python, self.numpy = random.Random(seed), np.random.RandomState(seed)
        self._orders: dict[int, Iterator[npt.NDArray[np.int64]]] = {}
        self._skipped: dict[int, int] = {}

    def orders(self, n: int, anew: bool) -> Iterator[npt.NDArray[np.int64]]:
        """Return the orders of the next training on n samples; `anew` says whether it shuffles a new list."""
        if anew or n not in self._orders:
            self._orders[n] = orders(n, self.python)
        for _ in range(self._skipped.pop(n, 0)):
            next(self._orders[n])
        return self._orders[n]

    def skip(self, n: int, epochs: int) -> None:
        """Skip the orders of so many epochs before the next training on n samples."""
        self._skipped[n] = epochs

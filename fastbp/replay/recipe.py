"""The recipe of the book's figure programs: Python 2's shuffle, NumPy's legacy generator, the two ways to start.

They seed two generators with the same number: `random` for the order of the samples, `numpy.random` for the weights.
"""

import random
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

SEED = 12345678  # of every program of the book that has one


def shuffle(values: list[int], generator: random.Random) -> None:
    """Shuffle in place as ``random.shuffle`` did in Python 2; that of Python 3 draws integers, not floats.

    Parameters
    ----------
    values : list of int
        What is shuffled.
    generator : random.Random
        Draws n − 1 numbers for n values.

    References
    ----------
    ``Lib/random.py`` of Python 2.7: i from n − 1 down to 1, each with its j = ⌊u (i + 1)⌋.

    Examples
    --------
    >>> values = [0, 1, 2, 3, 4]
    >>> shuffle(values, random.Random(SEED))
    >>> values
    [1, 4, 0, 2, 3]
    """
    draw = generator.random
    for i in range(len(values) - 1, 0, -1):
        j = int(draw() * (i + 1))
        values[i], values[j] = values[j], values[i]


def orders(n: int, generator: random.Random) -> Iterator[npt.NDArray[np.int64]]:
    """Return the order of each epoch, without end: one list of n samples is shuffled again and again.

    >>> of_epochs = orders(5, random.Random(SEED))
    >>> next(of_epochs), next(of_epochs)
    (array([1, 4, 0, 2, 3]), array([4, 1, 3, 0, 2]))
    """
    order = list(range(n))
    while True:
        shuffle(order, generator)
        yield np.array(order)


def starting_parameters(sizes: Sequence[int], generator: np.random.RandomState, large: bool) -> npt.NDArray[np.float64]:
    """Draw the weights and biases of a network, in the order of ``net.parameters``.

    Parameters
    ----------
    sizes : sequence of int
        The number of neurons of each layer, the input first.
    generator : numpy.random.RandomState
        Draws the biases of all layers, then the weights of all layers.
    large : bool
        Whether weights are N(0, 1) as in chapter 1, instead of N(0, 1/√n_in); biases are N(0, 1) either way.

    References
    ----------
    Nielsen, *Neural Networks and Deep Learning*, chapter 3, "Weight initialization"; standard deviations.

    Examples
    --------
    >>> starting_parameters([4, 1], np.random.RandomState(SEED), large=True).round(2)
    array([-1.46, -1.29, -1.51,  1.57,  0.55])
    """
    biases = [generator.randn(n_out, 1) for n_out in sizes[1:]]
    weights = [generator.randn(n_out, n_in) for n_in, n_out in pairwise(sizes)]
    if not large:
        weights = [w / np.sqrt(w.shape[1]) for w in weights]
    return np.concatenate([part.ravel() for layer in zip(weights, biases, strict=True) for part in layer])


class Generators:
    """The two generators of a program, and the samples that it shuffles.

    Parameters
    ----------
    seed : int
        Of both.
    """

    def __init__(self, seed: int):
        self.python, self.numpy = random.Random(seed), np.random.RandomState(seed)
        self._orders: dict[int, Iterator[npt.NDArray[np.int64]]] = {}
        self._skipped: dict[int, int] = {}

    def orders(self, n: int, anew: bool) -> Iterator[npt.NDArray[np.int64]]:
        """Return the orders of the next training on n samples; `anew` if it is on a new list of them."""
        if anew or n not in self._orders:
            self._orders[n] = orders(n, self.python)
        for _ in range(self._skipped.pop(n, 0)):
            next(self._orders[n])
        return self._orders[n]

    def skip(self, n: int, epochs: int) -> None:
        """Leave out the orders of so many epochs before the next training on n samples."""
        self._skipped[n] = epochs

"""The model: sizes, functions, and the parameters as one flat vector with views of each layer."""

import operator
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from fastbp.functions.activations import Activation
from fastbp.functions.costs import Cost

Array = npt.NDArray[Any]

CACHE_LINE = 64  # bytes; also the width of the widest vector registers


def aligned_empty(size: int, dtype: npt.DTypeLike) -> Array:
    """Return an uninitialised vector aligned to a cache line; NumPy aligns to 16 bytes only.

    A vector load that straddles two cache lines takes twice as long, which made `loops` 1.5 times slower.
    """
    n_bytes = size * np.dtype(dtype).itemsize
    memory = np.empty(n_bytes + CACHE_LINE, np.uint8)
    start = -memory.ctypes.data % CACHE_LINE
    return memory[start : start + n_bytes].view(dtype)


def aligned_zeros(size: int, dtype: npt.DTypeLike) -> Array:
    """Return a vector of zeros aligned to a cache line."""
    vector = aligned_empty(size, dtype)
    vector[:] = 0
    return vector


def aligned_copy(array: Array) -> Array:
    """Return a writable copy aligned to a cache line: arrays from pickle 5 are often read-only."""
    copy = aligned_empty(array.size, array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


class ParameterVector:
    """Weights and biases of all layers, or values of the same layout: a gradient, an optimizer's moment.

    Attributes
    ----------
    sizes : tuple of int
        The number of neurons of each layer, the input first.
    vector : (n_parameters,) array
        w(1), b(1), …, w(L), b(L), each w row by row: the order of the gradient vector in the founding texts.
    weights : tuple of (n_out, n_in) arrays
        ``weights[l][j, k]`` is w_jk of the layer after l; writable views of `vector`.
    biases : tuple of (n_out,) arrays
        ``biases[l][j]`` is b_j; writable views of `vector`.

    Examples
    --------
    >>> import numpy as np
    >>> g = ParameterVector([2, 1], np.array([1.0, 2.0, 3.0]))
    >>> g.weights[0], g.biases[0]
    (array([[1., 2.]]), array([3.]))
    """

    def __init__(self, sizes: Sequence[int], vector: Array):
        n_parameters = self.count(sizes)
        if type(vector) is not np.ndarray or vector.shape != (n_parameters,):
            what = f"an array {vector.shape}" if isinstance(vector, np.ndarray) else repr(vector)
            raise ValueError(f"vector is {what}; layers of {list(sizes)} need an array ({n_parameters},)")
        self.sizes = tuple(sizes)
        self.vector = vector

    def like(self, vector: Array) -> "ParameterVector":
        """Return a vector of the same length with the same layout, unchecked."""
        other = object.__new__(ParameterVector)
        other.sizes, other.vector = self.sizes, vector
        return other

    def move_to(self, vector: Array) -> None:
        """Lie in another vector of the same length from now on, with the same numbers. Writes: `vector`."""
        vector[:] = self.vector
        self.vector = vector
        for view in ("weights", "biases"):
            self.__dict__.pop(view, None)

    @cached_property  # many a gradient is only read as a vector
    def weights(self) -> tuple[Array, ...]:
        """The weight matrices, (n_out, n_in) each: views of `vector`."""
        starts = accumulate(((n_in + 1) * n_out for n_in, n_out in pairwise(self.sizes)), initial=0)
        layers = zip(starts, pairwise(self.sizes), strict=False)
        return tuple(self.vector[at : at + n_out * n_in].reshape(n_out, n_in) for at, (n_in, n_out) in layers)

    @cached_property
    def biases(self) -> tuple[Array, ...]:
        """The bias vectors, (n_out,) each: views of `vector`."""
        stops = accumulate((n_in + 1) * n_out for n_in, n_out in pairwise(self.sizes))
        return tuple(self.vector[stop - n_out : stop] for stop, n_out in zip(stops, self.sizes[1:], strict=True))

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy or a pickle has the vector only; the new weights and biases are views of it again.
        return _of_a_copy, (self.sizes, self.vector)

    @staticmethod
    def count(sizes: Sequence[int]) -> int:
        """Return the number of parameters for these layer sizes. Raises TypeError unless all are whole numbers.

        >>> ParameterVector.count([784, 30, 10])
        23860
        """
        try:
            return sum((n_in + 1) * n_out for n_in, n_out in pairwise(map(operator.index, sizes)))
        except TypeError:
            raise TypeError(f"sizes is {sizes!r}; it must be a list of whole numbers") from None

    def __repr__(self) -> str:
        shapes = ", ".join(str(w.shape) for w in self.weights)
        return f"ParameterVector({self.vector.size} {self.vector.dtype} numbers: weights {shapes})"


def _of_a_copy(sizes: tuple[int, ...], vector: Array) -> ParameterVector:
    return ParameterVector(sizes, aligned_copy(vector))


@dataclass(frozen=True)
class Model:
    """The sizes, functions and parameters of a network, already checked."""

    sizes: tuple[int, ...]
    activations: tuple[Activation, ...]  # of layers 1…L
    cost: Cost
    parameters: ParameterVector
    dtype: np.dtype[Any] = field(init=False)
    prepared: dict[str, Any] = field(init=False, repr=False, compare=False, default_factory=dict)  # by formulations
    training: threading.Lock = field(init=False, repr=False, compare=False, default_factory=threading.Lock)  # of `fit`

    def __reduce__(self) -> tuple[Any, ...]:
        # Without `prepared`, which has addresses of this process, and without the lock.
        return Model, (self.sizes, self.activations, self.cost, self.parameters)

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", self.parameters.vector.dtype)

    def unprepared(self) -> "Model":
        """Return a copy for which nothing is prepared, with parameters of 0."""
        parameters = ParameterVector(self.sizes, np.zeros_like(self.parameters.vector))
        return Model(self.sizes, self.activations, self.cost, parameters)

    @property
    def n_layers(self) -> int:
        """L, the number of layers without the input."""
        return len(self.sizes) - 1

    @cached_property
    def flops_per_sample(self) -> int:
        """Floating-point operations of a training step for each sample: three sums with one product per weight."""
        return 6 * sum(n_in * n_out for n_in, n_out in pairwise(self.sizes))

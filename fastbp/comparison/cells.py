"""The work that is compared: a cell of the grid, and how many operations and bytes it takes on paper."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np

from fastbp.model import ParameterVector

WORKS = ("gradient", "epoch")
PYTHON = "python"  # `loops`, the same source uncompiled
# In the order in which they are checked: the first of two compiles what both use.
FORMULATIONS = (PYTHON, "textbook", "loops", "tiles", "vectorized")

EPOCH_SAMPLES = 1024
EPOCH_BYTES = 2e9  # an epoch has EPOCH_SAMPLES samples, or fewer if their steps would move more bytes than this
PYTHON_FLOPS = 5e6  # a step of more operations takes too long in Python: each takes some 50 ns


@dataclass(frozen=True)
class Task:
    """What all cells share: functions and optimizer, by name."""

    activation: str
    cost: str
    optimizer: str
    n_moments: int


@dataclass(frozen=True)
class Cell:
    """One place of the grid.

    **Operations.** A multiply-add counts as two. Each of the three sums has one for every weight and sample, but the
    first layer propagates no error: 2 m (3 Σ w − w₁) for a mini-batch of m samples, where w is the number of weights
    of a layer.

    **Bytes.** What every step must move: it reads θ and writes ∂C/∂θ or the new θ; it reads and writes the moments of
    an optimizer; it reads inputs and targets; it writes and reads a and δ of every neuron and sample. Each counts once
    each way, as if it stayed in a cache in between. A formulation moves more if it returns to a matrix too large for
    the cache, or stores intermediate results in memory.
    """

    sizes: tuple[int, ...]
    batch_size: int
    dtype: str
    threads: int

    @property
    def weights(self) -> list[int]:
        """How many weights each layer has, the first one first."""
        return [n_in * n_out for n_in, n_out in pairwise(self.sizes)]

    @property
    def flops(self) -> int:
        """Operations of a step."""
        return 2 * self.batch_size * (3 * sum(self.weights) - self.weights[0])

    def bytes(self, work: str, n_moments: int = 0) -> int:
        """Return the bytes that a gradient, or a step of an epoch, must move."""
        moments = n_moments if work == "epoch" else 0
        neurons = self.sizes[0] + self.sizes[-1] + 4 * sum(self.sizes[1:])
        return (2 * (1 + moments) * ParameterVector.count(self.sizes) + self.batch_size * neurons) * self.itemsize

    def working_set(self, work: str, n_moments: int = 0) -> int:
        """Return the bytes of these arrays: θ, ∂C/∂θ or the moments, inputs, targets, a and δ."""
        vectors = 2 if work == "gradient" else 1 + n_moments
        neurons = self.sizes[0] + self.sizes[-1] + 2 * sum(self.sizes[1:])
        return (vectors * ParameterVector.count(self.sizes) + self.batch_size * neurons) * self.itemsize

    @property
    def itemsize(self) -> int:
        """Bytes of a number."""
        return int(np.dtype(self.dtype).itemsize)

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return max(1, min(EPOCH_SAMPLES // self.batch_size, int(EPOCH_BYTES / self.bytes("epoch"))))

    @property
    def memory(self) -> int:
        """An upper bound of the bytes for measuring this cell.

        Some ten vectors of the length of θ (the net, a copy, gradients, panels, those of `textbook`), as many for a
        reference in float64, the data, and z, a and δ of a mini-batch a few times.
        """
        numbers = 10 * ParameterVector.count(self.sizes) + 9 * self.batch_size * sum(self.sizes)
        data = 2 * self.steps * self.batch_size * (self.sizes[0] + self.sizes[-1])
        return (numbers + data) * self.itemsize + 8 * numbers

    @property
    def small_enough_for_python(self) -> bool:
        """Whether uncompiled loops take this cell in reasonable time."""
        return self.flops <= PYTHON_FLOPS

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Return the cell of `asdict`, also after JSON, which has no tuples."""
        return cls(**{**values, "sizes": tuple(values["sizes"])})

    def __str__(self) -> str:
        threads = f"{self.threads} thread{'s' * (self.threads > 1)}"
        return f"[{','.join(map(str, self.sizes))}], mini-batch {self.batch_size}, {self.dtype}, {threads}"

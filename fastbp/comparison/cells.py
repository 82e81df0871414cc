"""The work that is compared: what a cell of the grid is, and how many operations and bytes it takes on paper."""

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np

from fastbp.model import ParameterVector

WORKS = ("gradient", "epoch")
PYTHON = "python"  # the name of `loops` as ordinary Python, the same source uncompiled
# In the order in which they are checked: what two of them share is compiled by the first.
FORMULATIONS = (PYTHON, "textbook", "loops", "tiles", "vectorized")

EPOCH_SAMPLES = 1024
EPOCH_BYTES = 2e9  # an epoch has so many samples, or fewer where their steps would move more bytes than this
PYTHON_FLOPS = 5e6  # a step of more operations is too much for Python: some 50 ns go by for each


@dataclass(frozen=True)
class Task:
    """What all cells have in common: functions and optimizer, by their names."""

    activation: str
    cost: str
    optimizer: str
    n_moments: int


@dataclass(frozen=True)
class Cell:
    """One place of the grid.

    **Operations.** A multiply-add counts as two. Each of the three sums has one for every weight and sample, and the
    first layer has no error to hand on: 2 m (3 Σ w − w₁) for a mini-batch of m samples, where w is the number of
    weights of a layer.

    **Bytes.** What a step must move, however it is written: θ is read, and ∂C/∂θ or the new θ written; the moments of
    an optimizer are read and written; inputs and targets are read; a and δ of every neuron and sample are written and
    read. Each counts once each way, as if it stayed in a cache in between. It is the same for all formulations: those
    that come back to a matrix too large for the cache, or keep intermediate results in memory, move more.
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
        """Return the bytes that a gradient must move, or a step of an epoch."""
        moments = n_moments if work == "epoch" else 0
        neurons = self.sizes[0] + self.sizes[-1] + 4 * sum(self.sizes[1:])
        return (2 * (1 + moments) * ParameterVector.count(self.sizes) + self.batch_size * neurons) * self.itemsize

    def working_set(self, work: str, n_moments: int = 0) -> int:
        """Return the bytes of the arrays that are moved: θ, ∂C/∂θ or the moments, inputs, targets, a and δ."""
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
        """Bytes that measuring this cell takes, on the safe side.

        Some ten vectors of the length of θ (the net, what undoes an epoch, gradients, panels, those of `textbook`), as
        many for a reference in float64, the data, and z, a and δ of a mini-batch a few times over.
        """
        numbers = 10 * ParameterVector.count(self.sizes) + 9 * self.batch_size * sum(self.sizes)
        data = 2 * self.steps * self.batch_size * (self.sizes[0] + self.sizes[-1])
        return (numbers + data) * self.itemsize + 8 * numbers

    @property
    def small_enough_for_python(self) -> bool:
        """Whether uncompiled loops take this cell in reasonable time."""
        return self.flops <= PYTHON_FLOPS

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Return what `as_dict` gave, also after a way through JSON, which has no tuples."""
        return cls(**{**values, "sizes": tuple(values["sizes"])})

    def __str__(self) -> str:
        threads = f"{self.threads} thread{'s' * (self.threads > 1)}"
        return f"[{','.join(map(str, self.sizes))}], mini-batch {self.batch_size}, {self.dtype}, {threads}"

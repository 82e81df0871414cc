"""What every topic's methods find in a network."""

import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastbp.batches.samples import Samples, checked
from fastbp.formulations import Formulation
from fastbp.model import Model, ParameterVector
from fastbp.training.plan import physical_memory


class HasModel:
    """A network as its methods see it: what it computes with, and how what users give is checked."""

    _model: Model

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of neurons of each layer, the input first."""
        return self._model.sizes

    @property
    def dtype(self) -> np.dtype[Any]:
        """What everything is computed in."""
        return self._model.dtype

    @property
    def _formulation(self) -> Formulation:
        raise NotImplementedError

    def _samples(self, X: Any, Y: Any, prefix: str = "") -> Samples:
        return checked(X, Y, self._model, prefix)


def check_room(sizes: Sequence[int], dtype: np.dtype[Any]) -> None:
    """Raise ValueError for layers whose parameters this machine's memory could not hold."""
    n_parameters = ParameterVector.count(sizes)
    needed, present = n_parameters * dtype.itemsize, min(physical_memory(), sys.maxsize)
    if needed > present:
        raise ValueError(
            f"sizes is {list(sizes)}: {n_parameters:,} parameters need {needed:,} bytes, and this machine has "
            f"{present:,}: choose smaller layers"
        )


def check_memory(what: str, shape: Sequence[int], dtype: np.dtype[Any], instead: str) -> None:
    """Raise MemoryError if an array would be larger than this machine's memory; `instead` says what to do then."""
    needed, present = math.prod(shape) * dtype.itemsize, physical_memory()
    if needed > present:
        raise MemoryError(f"{what} need {needed:,} bytes, and this machine has {present:,}: {instead}")

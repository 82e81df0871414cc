"""What every topic's methods find in a network."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastbp.batches.samples import Samples, checked
from fastbp.formulations import Formulation
from fastbp.memory import require_memory
from fastbp.model import Model, ParameterVector


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
    what = f"sizes is {list(sizes)}; a network of {n_parameters:,} parameters"
    require_memory(what, n_parameters * dtype.itemsize, "choose smaller layers", ValueError)

"""What the methods of all topics share."""

from typing import Any

import numpy as np

from fastbp.batches.samples import Samples, checked
from fastbp.formulations import Formulation
from fastbp.model import Model


class HasModel:
    """Base class of the topics: a model, its formulation, and the check of X and Y."""

    _model: Model

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of neurons of each layer, starting with the input."""
        return self._model.sizes

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of all parameters and results."""
        return self._model.dtype

    @property
    def _formulation(self) -> Formulation:
        raise NotImplementedError

    def _samples(self, X: Any, Y: Any, sample_weight: Any = None) -> Samples:
        return checked(X, Y, self._model, "", sample_weight)

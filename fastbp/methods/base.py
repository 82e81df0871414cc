"""What the methods in this folder use of a `Network`."""

from typing import Any

import numpy as np

from fastbp.formulations import Formulation
from fastbp.parameters import Model
from fastbp.samples import Samples


class HasModel:
    """A checked model, and the checks of samples."""

    _model: Model

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of neurons of each layer, the input first."""
        raise NotImplementedError

    @property
    def dtype(self) -> np.dtype[Any]:
        """What everything is computed in."""
        raise NotImplementedError

    @property
    def _formulation(self) -> Formulation:
        raise NotImplementedError

    def _samples(self, X: Any, Y: Any, prefix: str = "") -> Samples:
        raise NotImplementedError

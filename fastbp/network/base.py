"""What the methods of all topics share."""

from typing import Any

import numpy as np

from fastbp import validation
from fastbp.batches.samples import Samples, checked
from fastbp.formulations import Formulation
from fastbp.model import Array, Model, ParameterVector


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

    def _begin_training(self) -> None:
        """Take the lock of training. Raises RuntimeError if it is taken: two would write the same weights and state."""
        if not self._model.training.acquire(blocking=False):
            raise RuntimeError(
                "this network is being trained already, by another thread or by the fit that called this callback: "
                "train a copy, copy.deepcopy(net), or wait for the other fit to end"
            )

    def _parameter_vector(self, what: str, out: Any, *others: Array) -> ParameterVector:
        """Return a new ParameterVector, or `out` as one. Raises TypeError or ValueError if it is not fit to be written.

        `others` must not overlap with it.
        """
        parameters = self._model.parameters
        if out is None:
            return parameters.like(np.empty_like(parameters.vector))
        made = out if isinstance(out, ParameterVector) else parameters.like(out)
        if made.sizes != parameters.sizes:
            raise ValueError(f"{what} is of layers {list(made.sizes)}; this network has {list(parameters.sizes)}")
        validation.output(what, made.vector, parameters.vector.shape, self.dtype, parameters.vector, *others)
        return made

    def _samples(self, X: Any, Y: Any, sample_weight: Any = None) -> Samples:
        return checked(X, Y, self._model, "", sample_weight)

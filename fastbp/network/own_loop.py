"""The calls of a training loop of the user's own: one mini-batch, or one gradient, at a time."""

from __future__ import annotations  # so that naming numpy.random does not import it

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastbp import training, validation
from fastbp.batches.data import SampleWeight
from fastbp.model import Array, ParameterVector
from fastbp.network.base import HasModel
from fastbp.optimizers import Optimizer

if TYPE_CHECKING:
    from fastbp.training.state import Training


class OwnLoop(HasModel):
    """Single steps."""

    _training: Training | None
    _rng: np.random.Generator
    _own_seed: int

    def train_on_batch(
        self,
        X: npt.ArrayLike,
        Y: npt.ArrayLike,
        *,
        optimizer: Optimizer | str | None = None,
        sample_weight: npt.ArrayLike | None = None,
        allow_negative_weights: bool = False,
        l2: float = 0.0,
        l1: float = 0.0,
        max_norm: float | None = None,
        dropout: float | Sequence[float] | None = None,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> float:
        """Take one step of the optimizer on a mini-batch, and return its mean cost before the step.

        The same step, to the last bit, as inside an epoch of `fit` with mini-batches of this size. The state of the
        optimizer continues from the last step, whether of `fit`, `train_on_batch` or `apply_gradient`; so does the
        count of steps that decides what is dropped. `history` and the order of samples of a later `fit` stay as they
        are. There are no hints about the data.

        Parameters
        ----------
        X, Y, optimizer, sample_weight, allow_negative_weights, max_norm, dropout, clip_norm, clip_value
            As in `fit`, but in memory. Options are looked at again only if they are other objects than in the last
            step, so constants cost nothing.
        l2, l1 : float, default 0
            λ and λ₁ ≥ 0 of this step: the gradient of a weight gets λ w + λ₁ sign(w). A `fit` on n samples divides its
            own by n.

        Returns
        -------
        float
            (1/m) Σ_s w_s C_s of the m samples, without penalties.

        Raises
        ------
        TypeError, ValueError
            As in `fit`, and for an optimizer that needs all samples in every step, Rprop too; nothing has been changed.
        RuntimeError
            The network is being trained already.
        MemoryError
            The step needs more memory than this machine has.
        DivergenceError
            The cost or a weight is no longer finite; the weights are those from before the step, and the optimizer's
            moments begin anew.

        Examples
        --------
        >>> import fastbp
        >>> net = fastbp.Network([1, 1], cost="quadratic", initializer="zeros", dtype="float64")
        >>> [net.train_on_batch([[1.0]], [[3.0]], optimizer=fastbp.SGD(0.25)) for _ in range(2)]
        [4.5, 1.125]
        >>> net.parameters
        array([1.125, 1.125])
        """
        options = l2, l1, max_norm, dropout, clip_norm, clip_value
        weights = SampleWeight(sample_weight, validation.truth("allow_negative_weights", allow_negative_weights))
        self._begin_training()
        try:
            return training.single_steps.train_on_batch(self, X, Y, optimizer, weights, options)
        finally:
            self._model.training.release()

    def apply_gradient(
        self, gradient: ParameterVector | npt.ArrayLike, *, optimizer: Optimizer | str | None = None
    ) -> None:
        """Take one step of the optimizer down any gradient: of a cost of your own, from other processes, of a sum.

        The same step as in `fit` where the gradient is the same; AdamW's decay of the weights is part of it. The state
        of the optimizer continues as in `train_on_batch`.

        Parameters
        ----------
        gradient : ParameterVector or (n_parameters,) array-like
            ∂C/∂θ in the order of `parameters`: real numbers, all finite. Not modified.
        optimizer
            As in `fit`.

        Raises
        ------
        TypeError, ValueError
            The gradient is not as above, or the optimizer needs more than a gradient in every step; nothing has been
            changed. Rprop takes one, which should be of all samples.
        RuntimeError, DivergenceError
            As for `train_on_batch`.

        Examples
        --------
        >>> import fastbp
        >>> net = fastbp.Network([1, 1], initializer="zeros", dtype="float64")
        >>> net.apply_gradient([2.0, -1.0], optimizer=fastbp.SGD(0.5))
        >>> net.parameters
        array([-1. ,  0.5])
        """
        self._begin_training()
        try:
            training.single_steps.apply_gradient(self, self._vector_of(gradient), optimizer)
        finally:
            self._model.training.release()

    def _vector_of(self, gradient: Any) -> Array:
        if isinstance(gradient, ParameterVector):
            if gradient.sizes != self.sizes:
                raise ValueError(f"gradient is of layers {list(gradient.sizes)}; this network has {list(self.sizes)}")
            gradient = gradient.vector
        checked = validation.matrix("gradient", gradient, self.dtype)
        if checked.shape != self._model.parameters.vector.shape:
            needed = self._model.parameters.vector.shape
            raise ValueError(f"gradient has shape {checked.shape}; needed is {needed}, a number for each parameter")
        return checked

"""How sure a network is of its outputs."""

from __future__ import annotations  # so that naming Laplace does not import it

import warnings
from typing import TYPE_CHECKING, get_args

import numpy.typing as npt

from fastbp import derivatives, validation
from fastbp.memory import require_memory
from fastbp.model import Model, ParameterVector
from fastbp.network.base import HasModel
from fastbp.network.posterior import CopiesOf, Posterior

if TYPE_CHECKING:
    from fastbp.derivatives.laplace import Kind, Laplace


class Uncertainty(HasModel):
    """The Laplace approximation, always by the loops of `tiles`."""

    def laplace(
        self,
        X: npt.ArrayLike,
        Y: npt.ArrayLike,
        *,
        kind: Kind | None = None,
        precision: float | None = None,
        noise: float | None = None,
    ) -> Posterior:
        """Return the posterior of the parameters, for predictions with error bars: a Laplace approximation.

        A normal distribution around the trained parameters whose precision matrix is that of a prior, α I, plus the
        Gauss–Newton matrix of −log p(Y | X, θ), summed over the samples. For quadratic and squared_error the targets
        are the outputs plus normal noise σ; for cross_entropy they are classes, with sigmoid or softmax outputs. Raises
        TypeError or ValueError for another cost and for arguments that are not as below; MemoryError if the matrix is
        larger than this machine's memory.

        Parameters
        ----------
        X, Y
            As in `fit`: what the network was trained on.
        kind : {"full", "last_layer", "diagonal"}, optional
            The exact matrix of all parameters; of those of the last layer alone, all others being certain; or its
            diagonal. Left out, full for up to 5,000 parameters, else last_layer, or diagonal if that has more.
        precision : float, optional
            α > 0. Left out, that with the largest evidence (MacKay), as it is for `noise`.
        noise : float, optional
            σ > 0 of the targets around the outputs, in the units of the targets.

        Warns
        -----
        UserWarning
            The parameters are not at a minimum: train longer, or with ``l2=posterior.l2``. Or the matrix was not
            positive semidefinite, by rounding, and was damped.

        References
        ----------
        MacKay, *A practical Bayesian framework for backpropagation networks*, 1992; Daxberger et al., *Laplace redux:
        effortless Bayesian deep learning*, 2021.

        Examples
        --------
        >>> import numpy as np, fastbp
        >>> X = np.linspace(-1, 1, 40)[:, None]
        >>> Y = np.sin(3 * X) + 0.1 * np.random.default_rng(0).standard_normal(X.shape)
        >>> net = fastbp.Network([1, 8, 1], activation="tanh", dtype="float64", seed=0)
        >>> history = net.fit(X, Y, epochs=50, optimizer=fastbp.LevenbergMarquardt(regularization="evidence"))
        >>> posterior = net.laplace(X, Y)
        >>> round(posterior.noise, 1)
        0.1
        >>> mean, deviation = posterior.predict([[0.0], [5.0]])
        >>> bool(deviation[1, 0] > 3 * deviation[0, 0])  # far from all data
        True
        """
        samples, model = self._samples(X, Y), self._model
        if why := derivatives.laplace.refusal(model):
            raise ValueError(why)
        chosen = derivatives.laplace.default_kind(model)
        if kind is not None:
            chosen = validation.known_name("kind", kind, dict.fromkeys(get_args(derivatives.laplace.Kind)))  # type: ignore[assignment]
        alpha = None if precision is None else validation.positive("precision", precision)
        sigma = None if noise is None else validation.positive("noise", noise)
        if sigma is not None and not derivatives.laplace.is_regression(model):
            raise ValueError(f"noise is {noise!r}, but the cost is {model.cost.name!r}, of classes: leave it out")
        own = ParameterVector(model.sizes, model.parameters.vector.copy())
        frozen = Model(model.sizes, model.activations, model.cost, own)
        n = derivatives.laplace.Linearised.of(frozen, chosen).theta.size
        if chosen != "diagonal":
            require_memory(f"the matrix of {n:,} parameters", 3 * 8 * n * n, 'use kind="last_layer" or "diagonal"')
        found = derivatives.laplace.Laplace(frozen, samples.X, samples.Y, chosen)
        found.fit_evidence(alpha, sigma)
        _warn(found)
        return Posterior(found, CopiesOf(self))


def _warn(found: Laplace) -> None:
    largest = float(found.eigenvalues.max())
    if found.damped > 1e-6 * largest:
        warnings.warn(
            f"the Gauss–Newton matrix has a negative eigenvalue, {-found.damped:.3g}, by rounding: it was damped to 0; "
            'use dtype="float64"',
            stacklevel=3,
        )
    norm, distance = found.distance()
    if distance > found.gamma:
        warnings.warn(
            f"the network is not at a minimum: the norm of the gradient of -log p(parameters | data) is {norm:.3g}, "
            "and the minimum is farther away than a typical network of the posterior: train longer, without early "
            'stopping, for example with LevenbergMarquardt(regularization="evidence"), or with l2=posterior.l2',
            stacklevel=3,
        )

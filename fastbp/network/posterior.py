"""`Posterior`: what `Network.laplace` returns, predictions with error bars."""

from __future__ import annotations  # so that naming Laplace does not import it

import copy
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastbp import derivatives, validation
from fastbp.model import Array

if TYPE_CHECKING:
    from fastbp.derivatives.laplace import Laplace


class Posterior:
    """A normal distribution of the parameters of a network, around those that it had: the Laplace approximation.

    `Network.laplace` makes it, of what it `found` and of a function `copy_of` that makes a network with other
    parameters. Training the network afterwards does not change it.

    Attributes
    ----------
    kind : {"full", "last_layer", "diagonal"}
        Of which parameters, and with which matrix.
    precision : float
        α: the prior of each parameter is N(0, 1/α).
    noise : float
        σ of the targets around the outputs, in their units; 1 for classes.
    gamma : float
        γ: how many parameters the data determine.
    l2 : float
        α σ² times the curvature of the cost by its outputs: what `fit` takes as l2 to minimize with this prior.
    log_evidence : float
        Log of the probability of the targets, given the inputs and this kind of network: the larger, the better.
    gradient_norm : float
        The norm of the gradient of −log p(θ | data) at the network's parameters, 0 at a minimum.

    Examples
    --------
    >>> import fastbp
    >>> net = fastbp.Network([1, 1], cost="quadratic", dtype="float64", initializer="zeros")
    >>> posterior = net.laplace([[-1.0], [1.0]], [0.0, 0.0], precision=2.0, noise=1.0)
    >>> mean, deviation = posterior.predict([[0.0]], noise=False)  # var(b) = 1 / (2/σ² + α)
    >>> deviation
    array([[0.5]])
    """

    def __init__(self, found: Laplace, copy_of: Callable[[Array], Any]):
        self._laplace, self._copy_of = found, copy_of
        self.kind, self.precision, self.noise, self.gamma = found.kind, found.precision, found.noise, found.gamma
        bend = 2.0 if found.model.cost.name == "squared_error" else 1.0
        self.l2, self.log_evidence = bend * found.precision * found.noise**2, found.log_evidence
        self.gradient_norm = found.distance()[0]

    def predict(self, Z: npt.ArrayLike, *, noise: bool = True) -> tuple[Array, Array]:
        """Return mean and standard deviation of each output for new inputs Z, (n, n_out) each, in float64.

        The network is linearised in its parameters: the variance is J (H + α I)⁻¹ Jᵀ, plus σ² unless `noise` is False.
        So mean ± 1.64 deviations has 90 % of new targets, and without noise 90 % of the networks. For classes the mean
        is the probability with the variance v of z taken into account, sigmoid or softmax of z / √(1 + π v / 8)
        (MacKay's probit), and the deviation is √v. Raises TypeError or ValueError as `Network.predict`.
        """
        found = self._laplace
        checked = validation.inputs(Z, found.model.sizes[0], found.model.dtype, "Z")
        with_noise = validation.truth("noise", noise)
        f, variance = found.variance(checked)
        if found.regression:
            return f, np.sqrt(variance + found.noise**2 * with_noise)
        moderated = f / np.sqrt(1 + math.pi / 8 * variance)
        return derivatives.laplace.probabilities(moderated, found.model), np.sqrt(variance)

    def sample(self, n: int, *, seed: Any = None) -> list[Any]:
        """Return n networks with parameters drawn from the posterior. `seed` is as in `Network`."""
        number, rng = validation.whole_number("n", n, 1), np.random.default_rng(validation.seed(seed))
        return [self._copy_of(self._laplace.draw(rng)) for _ in range(number)]

    def __repr__(self) -> str:
        return (
            f"Posterior(kind={self.kind!r}, precision={self.precision:.4g}, noise={self.noise:.4g}, "
            f"gamma={self.gamma:.4g} of {self._laplace.theta.size}, log_evidence={self.log_evidence:.6g})"
        )


class CopiesOf:
    """Makes copies of a network with other parameters."""

    def __init__(self, net: Any):
        self._like = copy.copy(net)
        self._like._training = self._like.history = None

    def __call__(self, vector: Array) -> Any:
        made = copy.deepcopy(self._like)
        made.parameters[:] = vector
        return made

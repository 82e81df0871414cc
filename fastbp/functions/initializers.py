"""Initializers: the weights and biases that a layer starts from."""

from __future__ import annotations  # so that naming numpy.random does not import it

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

# (random generator, n_out, n_in) → weights and biases
Draw = Callable[[Any, int, int], tuple[npt.ArrayLike, npt.ArrayLike]]


@dataclass(frozen=True)
class Initializer:
    """How the weights and biases of a layer are drawn.

    Parameters
    ----------
    name : str
        Its name in messages.
    draw : callable
        ``draw(rng, n_out, n_in)`` returns w of shape (n_out, n_in) and b of shape (n_out,), drawn with the
        `numpy.random.Generator` rng, so that the seed of the network decides them.

    Raises
    ------
    TypeError
        `draw` is not callable.

    Examples
    --------
    >>> import numpy as np, fastbp
    >>> halves = fastbp.Initializer("halves", lambda rng, n_out, n_in: (np.full((n_out, n_in), 0.5), np.zeros(n_out)))
    >>> fastbp.Network([2, 1], initializer=halves).weights[0]
    array([[0.5, 0.5]], dtype=float32)
    """

    name: str
    draw: Draw

    def __post_init__(self) -> None:
        if not callable(self.draw):
            raise TypeError(f"the draw of initializer {self.name!r} is not callable: {self.draw!r}")

    def checked_draw(
        self, rng: np.random.Generator, n_out: int, n_in: int, dtype: npt.DTypeLike
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Draw. Raises ValueError unless the shapes are right and the values finite in `dtype`."""
        with np.errstate(over="ignore"):
            w, b = (np.asarray(drawn, np.float64).astype(dtype) for drawn in self.draw(rng, n_out, n_in))
        for what, drawn, shape in (("weights", w, (n_out, n_in)), ("biases", b, (n_out,))):
            if drawn.shape != shape:
                raise ValueError(f"initializer {self.name!r} gave {what} of shape {drawn.shape}; needed: {shape}")
            if not np.isfinite(drawn).all():
                raise ValueError(f"initializer {self.name!r} gave {what} that are not all finite in {drawn.dtype}")
        return w, b


def _normal(rng: np.random.Generator, n_out: int, n_in: int, deviation: float) -> tuple[Any, Any]:
    return deviation * rng.standard_normal((n_out, n_in)), np.zeros(n_out)


def _nielsen_large(rng: np.random.Generator, n_out: int, n_in: int) -> tuple[Any, Any]:
    """N(0, 1) for weights and biases: Nielsen, *Neural Networks and Deep Learning*, chapter 1."""
    b = rng.standard_normal(n_out)
    return rng.standard_normal((n_out, n_in)), b


def _nielsen(rng: np.random.Generator, n_out: int, n_in: int) -> tuple[Any, Any]:
    """Weights N(0, 1/√n_in), biases N(0, 1), with standard deviations: Nielsen, chapter 3."""
    w, b = _nielsen_large(rng, n_out, n_in)
    return w / np.sqrt(n_in), b


def _glorot(rng: np.random.Generator, n_out: int, n_in: int) -> tuple[Any, Any]:
    """Uniform in ±√(6 / (n_in + n_out)): Glorot & Bengio 2010, eq. 16."""
    limit = np.sqrt(6 / (n_in + n_out))
    return rng.uniform(-limit, limit, (n_out, n_in)), np.zeros(n_out)


def _he(rng: np.random.Generator, n_out: int, n_in: int) -> tuple[Any, Any]:
    """N(0, √(2 / n_in)): He et al. 2015, eq. 10."""
    return _normal(rng, n_out, n_in, np.sqrt(2 / n_in))


def _lecun(rng: np.random.Generator, n_out: int, n_in: int) -> tuple[Any, Any]:
    """N(0, 1/√n_in): LeCun, Bottou, Orr & Müller, *Efficient BackProp*, 1998, eq. 16."""
    return _normal(rng, n_out, n_in, 1 / np.sqrt(n_in))


def _nguyen_widrow(rng: np.random.Generator, n_out: int, n_in: int) -> tuple[Any, Any]:
    """‖w_j‖ = 0.7 n_out^(1/n_in), b_j evenly spread from −‖w_j‖ to ‖w_j‖: Nguyen & Widrow 1990.

    The bends of tanh neurons then cover the inputs, if these are between −1 and 1. MATLAB's initnw.
    """
    directions, norm = rng.standard_normal((n_out, n_in)), 0.7 * n_out ** (1 / n_in)
    w = norm * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    b = norm * np.linspace(-1, 1, n_out) * np.sign(w[:, 0]) if n_out > 1 else np.zeros(1)
    return w, b


def _zeros(rng: np.random.Generator, n_out: int, n_in: int) -> tuple[Any, Any]:
    """All zero: for a single layer only, because hidden neurons that start equal stay equal."""
    return np.zeros((n_out, n_in)), np.zeros(n_out)


INITIALIZERS: dict[str, Initializer] = {
    initializer.name: initializer
    for initializer in (
        Initializer("nielsen_large", _nielsen_large),
        Initializer("nielsen", _nielsen),
        Initializer("glorot", _glorot),
        Initializer("he", _he),
        Initializer("lecun", _lecun),
        Initializer("nguyen_widrow", _nguyen_widrow),
        Initializer("zeros", _zeros),
    )
}


def default_initializer(activation: str) -> Initializer:
    """Return He's for activations that are about z for positive z, LeCun's for selu, Glorot's for the others."""
    rectifying = ("relu", "leaky_relu", "elu", "softplus", "silu", "mish", "gelu")
    if activation == "selu":
        return INITIALIZERS["lecun"]
    return INITIALIZERS["he" if activation in rectifying else "glorot"]


def start_variance(w: Any, b: Any) -> None:
    """gaussian_nll: σ = 1 for every sample. A net that does not know μ yet would learn it slowly. Writes: w."""
    w[len(w) // 2 :] = 0


class StartQuantiles(NamedTuple):
    """Quantiles: those of a standard normal distribution for every sample, by the biases of `increasing`."""

    levels: tuple[float, ...]

    def __call__(self, w: Any, b: Any) -> None:
        from statistics import NormalDist  # takes long to import

        places = [NormalDist().inv_cdf(level) for level in self.levels]
        w[1:] = 0  # of the increments; the first output moves all of them
        b[:] = [places[0], *(math.log(math.expm1(high - low)) for low, high in pairwise(places))]

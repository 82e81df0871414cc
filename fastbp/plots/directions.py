"""Planes in the space of all parameters, over which a cost surface is computed."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fastbp import validation
from fastbp.model import Array, ParameterVector
from fastbp.plots import given
from fastbp.validation.words import words

Parameter = int | tuple[int, int] | tuple[int, int, int]


@dataclass(frozen=True)
class Directions:
    """The plane θ = origin + α u + β v.

    Attributes
    ----------
    origin, u, v : (n_parameters,) arrays
        Vectors in the order of ``net.parameters``.
    names : (str, str)
        Of α and β, for the axes of a picture.

    Examples
    --------
    >>> import numpy as np
    >>> plane = Directions(np.zeros(3), u=np.array([1.0, 0, 0]), v=np.array([0, 2.0, 0]), names=("w", "b"))
    >>> plane.coordinates([3.0, 4.0, 5.0])  # of the point 3 u + 2 v, which is nearest
    array([[3., 2.]])
    """

    origin: Array
    u: Array
    v: Array
    names: tuple[str, str]

    def __post_init__(self) -> None:
        for what in ("origin", "u", "v"):
            checked = given.numbers(what, getattr(self, what), "(n_parameters,)")
            if checked.shape != np.shape(self.origin):
                raise ValueError(f"{what} has {checked.size} numbers, and origin {np.size(self.origin)}")
            object.__setattr__(self, what, checked)
        object.__setattr__(self, "names", tuple(words("names", self.names, 2, "directions")))

    def coordinates(self, parameters: npt.ArrayLike) -> Array:
        """Return (α, β), shape (n, 2), of the points of the plane nearest to `parameters`, shape (n, n_parameters).

        Raises TypeError or ValueError for another number of parameters than the origin has.
        """
        points = validation.matrix("parameters", parameters, np.dtype(np.float64))
        if points.ndim not in (1, 2) or points.shape[-1] != self.origin.size:
            raise ValueError(f"parameters has shape {points.shape}; needed is (n, {self.origin.size})")
        plane = np.column_stack([self.u, self.v])
        away = np.atleast_2d(points) - self.origin
        return np.asarray(np.linalg.lstsq(plane, away.T, rcond=None)[0].T)


def parameter_directions(net: Any, first: Parameter, second: Parameter) -> Directions:
    """Return the plane of two parameters; the others keep their values.

    Parameters
    ----------
    net : Network
        Its parameters are the plane's others.
    first, second : int or tuple
        An index into ``net.parameters``; or (l, j, k) for the weight w_jk of layer l, (l, j) for its bias b_j, layers
        counted from 1.

    Raises
    ------
    TypeError, ValueError
        `net` is no network; it has no such parameter, or both are the same.

    Examples
    --------
    >>> import fastbp
    >>> net = fastbp.Network([1, 1, 1], initializer="zeros")
    >>> plane = parameter_directions(net, (1, 0, 0), (2, 0))
    >>> plane.u, plane.v, plane.names
    (array([1., 0., 0., 0.]), array([0., 0., 0., 1.]), ('$w_{00}^{(1)}$', '$b_{0}^{(2)}$'))
    """
    given.network(net)
    (i, first_name), (j, second_name) = (_place(net, which) for which in (first, second))
    if i == j:
        raise ValueError(f"both directions are the parameter {first!r}; they must be two")
    origin = np.array(net.parameters, dtype=np.float64)
    origin[[i, j]] = 0  # α and β are the parameters themselves
    unit = np.eye(1, origin.size, i)[0], np.eye(1, origin.size, j)[0]
    return Directions(origin, *unit, (first_name, second_name))


def _place(net: Any, which: Parameter) -> tuple[int, str]:
    """Return the index of a parameter in θ, and its name."""
    size = net.parameters.size
    index = ParameterVector(net.sizes, np.arange(size))
    try:
        if isinstance(which, tuple):
            l, *jk = map(operator.index, which)
            if l < 1 or min(jk) < 0:
                raise IndexError
            part = index.weights if len(jk) == 2 else index.biases
            place = int(part[l - 1][tuple(jk)])
            letter = "w" if len(jk) == 2 else "b"
            return place, f"${letter}_{{{''.join(map(str, jk))}}}^{{({l})}}$"
        place = operator.index(which)
        if not 0 <= place < size:
            raise IndexError
        return place, f"parameter {place}"
    except (IndexError, TypeError, ValueError):
        raise ValueError(
            f"{which!r} is not a parameter of a network of layers {list(net.sizes)}: give (l, j, k) for a weight, "
            f"(l, j) for a bias, layers counted from 1, or an index below {size}"
        ) from None


def random_directions(net: Any, seed: int = 0) -> Directions:
    """Return a plane through the network's parameters in two random directions, filter-normalised.

    In each direction, the weights of a neuron have the norm of the neuron's own, so that the surface does not depend on
    how a network distributes the same function over its layers. Biases do not change.

    Parameters
    ----------
    net : Network
        Its parameters are the origin.
    seed : int, default 0
        Of the directions.

    Raises
    ------
    TypeError, ValueError
        `net` is no network, or `seed` is no seed.

    References
    ----------
    Li, Xu, Taylor, Studer and Goldstein, "Visualizing the Loss Landscape of Neural Nets", NeurIPS 2018, section 4.

    Examples
    --------
    >>> import fastbp, numpy as np
    >>> net = fastbp.Network([3, 2, 1], seed=1)
    >>> plane = random_directions(net)
    >>> bool(np.isclose(np.linalg.norm(plane.u[:3]), np.linalg.norm(net.weights[0][0])))
    True
    """
    given.network(net)
    origin = np.array(net.parameters, dtype=np.float64)
    generator = np.random.default_rng(validation.seed(seed))
    both = []
    for _ in range(2):
        direction = ParameterVector(net.sizes, generator.standard_normal(origin.size))
        for drawn, b, w in zip(direction.weights, direction.biases, net.weights, strict=True):
            drawn *= np.linalg.norm(w, axis=1, keepdims=True) / np.linalg.norm(drawn, axis=1, keepdims=True)
            b[:] = 0
        both.append(direction.vector)
    return Directions(origin, both[0], both[1], ("first random direction", "second random direction"))


def principal_directions(descent: Sequence[npt.ArrayLike] | Array) -> Directions:
    """Return the plane closest to a path of descent: through its end, along its first two principal components.

    Parameters
    ----------
    descent : (n, n_parameters) array-like
        The parameters along the path, as a `fastbp.Recorder` of ``net.parameters.copy()`` keeps them.

    Returns
    -------
    Directions
        u and v have length 1; the names give the fraction of the path's variance along each.

    Raises
    ------
    TypeError, ValueError
        `descent` is not numeric, has fewer than three points, or all its points lie on a line.

    References
    ----------
    Li et al., as in `random_directions`, section 7.

    Examples
    --------
    >>> principal_directions([[0, 0, 3], [0, 0, 1], [0, 1, 0], [0, 0, 0]]).names
    ('1st component of the path (91 %)', '2nd component (9 %)')
    """
    points = given.numbers("descent", descent, "(n, n_parameters)", " with n ≥ 3")
    if len(points) < 3:
        raise ValueError(f"descent has shape {points.shape}; needed is (n, n_parameters) with n ≥ 3")
    origin = points[-1]
    _, singular, components = np.linalg.svd(points - origin, full_matrices=False)
    if len(singular) < 2 or not singular[1] > 1e-10 * singular[0]:
        raise ValueError("the points of descent lie on a line; needed are points that differ in two directions")
    shares = 100 * singular**2 / np.sum(singular**2)
    names = f"1st component of the path ({shares[0]:.0f} %)", f"2nd component ({shares[1]:.0f} %)"
    return Directions(origin, components[0], components[1], names)

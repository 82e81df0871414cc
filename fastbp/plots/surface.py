"""The cost as a surface over a plane in the space of the parameters, and the paths of trainings on it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fastbp import validation
from fastbp.model import Array
from fastbp.plots import canvas, given
from fastbp.plots.canvas import COLUMN, LABEL, SMALL, Axes, Figure, PathLike
from fastbp.plots.directions import Directions
from fastbp.validation import array_likes
from fastbp.validation.words import words

Range = tuple[float, float]

MOST_POINTS = 2000
LOGARITHMIC_FROM = 30  # a cost that varies by more than this factor has logarithmic levels


@dataclass(frozen=True)
class CostSurface:
    """Costs over a plane in the space of the parameters, from `cost_surface`; `draw_surface` draws it.

    Attributes
    ----------
    directions : Directions
        The plane.
    alphas, betas : (n,) arrays
        The coordinates along u and v.
    costs : (n, n) array
        ``costs[i, j]`` is the mean cost at ``betas[i]``, ``alphas[j]``; NaN where it is not finite.

    Examples
    --------
    >>> import fastbp
    >>> from fastbp import plots
    >>> net = fastbp.Network([1, 1], cost="quadratic", initializer="zeros", dtype="float64")
    >>> plane = plots.parameter_directions(net, (1, 0, 0), (1, 0))
    >>> surface = plots.cost_surface(net, [[1.0]], [0.0], plane, extent=((0, 1), (0, 2)), points=3)
    >>> surface.alphas, surface.costs[0]  # ½ (w + b)² at b = 0
    (array([0. , 0.5, 1. ]), array([0.   , 0.125, 0.5  ]))
    """

    directions: Directions
    alphas: Array
    betas: Array
    costs: Array

    def __post_init__(self) -> None:
        _plane(self.directions)
        for what in ("alphas", "betas"):
            object.__setattr__(self, what, given.numbers(what, getattr(self, what), "(n,)"))
        costs = array_likes.as_array("costs", self.costs)
        if costs.dtype.kind not in "buif":
            raise TypeError(f"costs is of dtype {costs.dtype}; needed are real numbers, or NaN")
        if costs.shape != (self.betas.size, self.alphas.size) or min(costs.shape) < 2:
            raise ValueError(f"costs has shape {costs.shape}; needed is (n_betas, n_alphas), at least 2 each")


def _plane(directions: Any) -> None:
    if not isinstance(directions, Directions):
        raise TypeError(f"directions is {directions!r}; it must be a fastbp.plots.Directions, as of random_directions")


def cost_surface(
    net: Any,
    X: npt.ArrayLike,
    Y: npt.ArrayLike,
    directions: Directions,
    *,
    extent: tuple[Range, Range] | None = None,
    descents: Sequence[Any] = (),
    points: int = 41,
) -> CostSurface:
    """Compute the mean cost over a plane in the space of the parameters; the network does not change.

    Parameters
    ----------
    net : Network
        Its sizes, functions and cost.
    X, Y
        Samples, as in `Network.fit`.
    directions : Directions
        From `parameter_directions`, `random_directions` or `principal_directions`.
    extent : ((low, high), (low, high)), optional
        Of α and β. By default the range of the `descents`, widened by a quarter at each end; without descents 1 to each
        side of the network's own parameters.
    descents : sequence of (n, n_parameters) arrays
        Paths that the extent must contain.
    points : int, default 41
        Number of values of α, and of β, 2 to 2000: the cost is computed ``points**2`` times.

    Raises
    ------
    TypeError, ValueError
        `net` is no network; X and Y are not as in `Network.fit`; the directions are of another network; an extent is
        empty; `points` is not 2 to 2000.

    Examples
    --------
    >>> import fastbp
    >>> from fastbp import plots
    >>> net = fastbp.Network([1, 1], cost="quadratic", initializer="zeros", dtype="float64")
    >>> plane = plots.parameter_directions(net, (1, 0, 0), (1, 0))
    >>> surface = cost_surface(net, [[1.0]], [0.0], plane, extent=((0, 1), (0, 2)), points=3)
    >>> surface.costs  # ½ (w + b)²; a row for each b
    array([[0.   , 0.125, 0.5  ],
           [0.5  , 1.125, 2.   ],
           [2.   , 3.125, 4.5  ]])
    """
    given.network(net)
    _plane(directions)
    if directions.origin.size != net.parameters.size:
        n = directions.origin.size
        raise ValueError(f"the directions have {n} parameters, and the network {net.parameters.size}")
    points = validation.whole_number("points", points, 2, MOST_POINTS)
    here = directions.coordinates(net.parameters)[0]
    if extent is None:
        ranges = _reach(here, directions, _descents(descents))
    else:
        ranges = validation.matrix("extent", extent, np.dtype(np.float64))
        if ranges.shape != (2, 2) or not (ranges[:, 0] < ranges[:, 1]).all():
            raise ValueError(f"extent is {extent!r}; needed is ((low, high), (low, high)) with low < high")
    alphas, betas = (np.linspace(low, high, points) for low, high in ranges)
    probe, costs = copy.deepcopy(net), np.empty((points, points))
    for i, beta in enumerate(betas):
        for j, alpha in enumerate(alphas):
            probe.parameters[:] = directions.origin + alpha * directions.u + beta * directions.v
            costs[i, j] = probe.evaluate(X, Y).cost
    return CostSurface(directions, alphas, betas, np.where(np.isfinite(costs), costs, np.nan))


def _descents(descents: Any) -> list[Array]:
    listed = validation.entries("descents", descents, "a list of (n, n_parameters) arrays")
    return [given.numbers(f"descents[{i}]", way, "(n, n_parameters)") for i, way in enumerate(listed)]


def _reach(here: Array, directions: Directions, descents: Sequence[Any]) -> Array:
    if not len(descents):
        return np.column_stack([here - 1, here + 1])
    walked = np.concatenate([directions.coordinates(descent) for descent in descents])
    low, high = walked.min(axis=0), walked.max(axis=0)
    more = 0.25 * np.maximum(high - low, 0.1 * max((high - low).max(), 1e-3))
    return np.column_stack([low - more, high + more])


def draw_surface(
    surface: CostSurface,
    descents: Sequence[Any] = (),
    path: PathLike | None = None,
    *,
    labels: Sequence[str] | None = None,
    width: float = COLUMN,
    ax: Axes | None = None,
) -> Figure:
    """Draw a cost surface from above, dark where the cost is low, and the paths of trainings.

    Parameters
    ----------
    surface : CostSurface
        From `cost_surface`.
    descents : sequence of (n, n_parameters) arrays
        The parameters along each path, before training and after each epoch, drawn at the nearest points of the plane.
        An empty circle marks the beginning, a filled one the end.
    labels : sequence of str, optional
        The text at the end of each path.
    path, width, ax : path-like, float and matplotlib.axes.Axes, optional
        The file to write, whose suffix is the format; inches, by default 3.5; axes to draw into, not in a new figure.

    Returns
    -------
    matplotlib.figure.Figure
        Levels are logarithmic if the cost varies by more than a factor of 30, else linear.

    Raises
    ------
    ImportError
        matplotlib is not installed.
    TypeError, ValueError
        `surface` or a path is something else; no cost of the surface is finite; there is not one label for each path.

    Examples
    --------
    >>> import fastbp
    >>> from fastbp import plots
    >>> net = fastbp.Network([1, 1, 1], activation="sigmoid", seed=0)
    >>> plane = plots.parameter_directions(net, (1, 0, 0), (2, 0, 0))
    >>> surface = plots.cost_surface(net, [[1.0]], [0.0], plane, extent=((-4, 4), (-4, 4)), points=9)
    >>> figure = draw_surface(surface)
    >>> figure.axes[0].get_xlabel()
    '$w_{00}^{(1)}$'
    """
    given.frame(path, width, ax)
    if not isinstance(surface, CostSurface):
        raise TypeError(f"surface is {surface!r}; it must be what cost_surface returns")
    if not np.isfinite(surface.costs).any():
        raise ValueError("no cost of the surface is finite; choose a smaller extent")
    descents = _descents(descents)
    labels = None if labels is None else words("labels", labels, len(descents), "paths")
    from matplotlib.patheffects import withStroke

    axes = canvas.axes_for(ax, width, 0.8 * width)
    _contours(axes, surface)
    for i, descent in enumerate(descents):
        way = surface.directions.coordinates(descent)
        axes.plot(*way.T, color="black", linewidth=2.6, solid_capstyle="round")
        axes.plot(*way.T, color="white", linewidth=1.3, solid_capstyle="round")
        axes.plot(*way[0], "o", color="black", markerfacecolor="white", markersize=5, markeredgewidth=1.2)
        axes.plot(*way[-1], "o", color="white", markerfacecolor="black", markersize=6, markeredgewidth=1)
        if labels is not None:
            axes.annotate(
                labels[i], tuple(way[-1]), xytext=(5, 5), textcoords="offset points", fontsize=SMALL, color="white",
                path_effects=[withStroke(linewidth=1.8, foreground="black")],
            )  # fmt: skip
    alphas, betas, (first, second) = surface.alphas, surface.betas, surface.directions.names
    axes.set(xlabel=first, ylabel=second, xlim=(alphas[0], alphas[-1]), ylim=(betas[0], betas[-1]))
    canvas.small_letters(axes)
    return canvas.figure_of(axes, path)


def _contours(axes: Axes, surface: CostSurface) -> None:
    from matplotlib.colors import LogNorm, Normalize
    from matplotlib.ticker import LogLocator, MaxNLocator

    costs = np.ma.masked_invalid(surface.costs)
    low, high = float(costs.min()), float(costs.max())
    logarithmic = 0 < low and high > LOGARITHMIC_FROM * low
    if high <= low:
        low, high = low - 0.5, high + 0.5
    levels = np.geomspace(low, high, 21) if logarithmic else np.linspace(low, high, 21)
    norm = LogNorm(low, high) if logarithmic else Normalize(low, high)
    filled = axes.contourf(surface.alphas, surface.betas, costs, levels=levels, norm=norm, cmap="cividis")
    axes.contour(surface.alphas, surface.betas, costs, levels=levels[1::2], colors="white", linewidths=0.4, alpha=0.6)
    ticks = LogLocator(numticks=6) if logarithmic else MaxNLocator(6)
    bar = axes.figure.colorbar(filled, ax=axes, ticks=ticks, pad=0.03)
    bar.minorticks_off()
    bar.set_label("cost", fontsize=LABEL)
    bar.ax.tick_params(which="both", labelsize=SMALL)

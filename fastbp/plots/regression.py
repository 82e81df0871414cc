"""The regression plot: targets against outputs, the line through them, and how well they correlate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastbp.model import Array
from fastbp.plots import canvas, given
from fastbp.plots.canvas import COLUMN, GREY, HELD_OUT, TRAINING, Axes, Figure, PathLike
from fastbp.text import shortened
from fastbp.validation.words import words

NARROWEST = 1.7  # inches: panels that would be narrower go below each other
CHARACTER = 0.07  # inches: an upper estimate of the width of a character of a title
MOST_SHAPES = 2000  # with more points, a vector file holds an image of them


def regression(
    data: Any,
    path: PathLike | None = None,
    *,
    names: Sequence[str] | None = None,
    width: float = COLUMN,
    ax: Axes | None = None,
) -> Figure:
    """Draw targets against outputs with R, a panel for each output of each data set, as MATLAB's plotregression.

    Parameters
    ----------
    data : (Y, outputs), or dict of name to (Y, outputs)
        Targets, and what a network, or anything else, predicts for them: (n,) or (n, n_out) array-likes of numbers, all
        with the same n_out.
    names : sequence of str, optional
        Of the outputs, if there are several; by default "output 0", "output 1" and so on.
    path, width, ax : path-like, float and matplotlib.axes.Axes, optional
        The file to write, whose suffix is the format; inches, by default 3.5; axes to draw into, not in a new figure,
        if there is only one panel.

    Returns
    -------
    matplotlib.figure.Figure
        The dashed line is output = target, the other one the best line through the points, in least squares. R is the
        correlation of targets and outputs (Pearson): 1 if all points lie on a rising line. It does not exist where
        targets or outputs are constant.

    Raises
    ------
    ImportError
        matplotlib is not installed.
    TypeError, ValueError
        `data` is something else, or its numbers are not finite or larger than 1e100; there is not one name for each
        output; there are several panels for one `ax`.

    Examples
    --------
    >>> import fastbp
    >>> X, y = [[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]
    >>> net = fastbp.Network([1, 1], seed=0)
    >>> history = net.fit(X, y, epochs=5, optimizer="lbfgs")
    >>> figure = regression({"training": (y, net.predict(X)), "test": ([2.0, 4.0], net.predict([[0.5], [1.4]]))})
    >>> [axes.get_title() for axes in figure.axes]
    ['training: R 1.0000', 'test: R 1.0000']
    """
    width = given.frame(path, width, ax)
    panels, n_sets = _panels(data, names)
    if ax is not None and len(panels) > 1:
        raise ValueError(f"there are {len(panels)} panels, but one ax: give one output of one data set, or no ax")
    fits = max(1, int(width / NARROWEST))
    columns = n_sets if 1 < n_sets <= fits else min(len(panels), fits)
    rows = -(-len(panels) // columns)
    if ax is None:
        figure = canvas.new_figure(width, rows * (width / columns + 0.3), dpi=300)
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
    else:
        grid = np.array([ax])
    for i, (axes, (title, y, a)) in enumerate(zip(grid, panels, strict=False)):
        _draw_panel(axes, y, a)
        r = axes.get_title()
        separator = ": " if CHARACTER * (len(title) + 2 + len(r)) < width / columns else "\n"
        axes.set_title(f"{title}{separator}{r}" if title else r)
        axes.set(xlabel="target" if i + columns >= len(panels) else "", ylabel="output" if i % columns == 0 else "")
        canvas.plain(axes)
    for unused in grid[len(panels) :]:
        unused.remove()
    return canvas.figure_of(grid[0], path)


def _panels(data: Any, names: Sequence[str] | None) -> tuple[list[tuple[str, Array, Array]], int]:
    """Return title, targets and outputs of each panel, and the number of data sets."""
    needed = "a pair (Y, outputs), or a dict of name to such pairs"
    sets = data if isinstance(data, Mapping) else {"": data}
    if not sets:
        raise ValueError(f"data is {data!r}; needed is {needed}")
    checked = {}
    for name, pair in sets.items():
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not isinstance(name, str):
            raise TypeError(f"data is {data!r}; needed is {needed}")
        both = [
            given.numbers(f"{what}{' of ' + name if name else ''}", _columns(values), "(n, n_out)", " or (n,), n ≥ 1")
            for what, values in zip(("Y", "outputs"), pair, strict=True)
        ]
        if both[0].shape != both[1].shape:
            raise ValueError(f"Y has shape {both[0].shape} and outputs {both[1].shape}; they must be the same")
        if max(np.abs(values).max() for values in both) > 1e100:
            raise ValueError("Y or outputs have numbers larger than 1e100, which no axis can show")
        checked[name] = both
    (n_out, *others) = {both[0].shape[1] for both in checked.values()}
    if others:
        raise ValueError(f"the data sets have {n_out} and {others[0]} outputs; they must have the same number")
    labels = [f"output {j}" for j in range(n_out)] if names is None else words("names", names, n_out, "outputs")
    shown = labels if n_out > 1 or names is not None else [""]
    titles = [[shortened(", ".join(filter(None, (name, word)))) for name in checked] for word in shown]
    panels = [(titles[j][i], Y[:, j], a[:, j]) for j in range(n_out) for i, (Y, a) in enumerate(checked.values())]
    return panels, len(checked)


def _columns(values: Any) -> Any:
    """Return a vector as a column."""
    return np.reshape(values, (-1, 1)) if np.ndim(values) == 1 else values


def _draw_panel(axes: Axes, y: Array, a: Array) -> None:
    low, high = min(y.min(), a.min()), max(y.max(), a.max())
    beside = 0.05 * (high - low) or max(0.5, 0.05 * abs(high))
    ends = np.array([low - beside, high + beside])
    dots: dict[str, Any] = {
        "marker": ".",
        "markersize": 4 if len(y) <= 200 else 2,
        "alpha": 0.7 if len(y) <= 200 else 0.4,
    }
    axes.plot(y, a, linestyle="", color=TRAINING["color"], rasterized=len(y) > MOST_SHAPES, **dots)
    axes.plot(ends, ends, linestyle="--", color=GREY, linewidth=1)
    correlation, slope = _correlation_and_slope(y, a)
    if np.isfinite(slope):
        axes.plot(ends, a.mean() + slope * (ends - y.mean()), color=HELD_OUT["color"], linewidth=1.4)
    r = f"R {correlation:.4f}" if np.isfinite(correlation) else "no R"
    axes.locator_params(nbins=5)  # the same ticks on both
    axes.set(xlim=ends, ylim=ends, aspect="equal", title=r)


def _correlation_and_slope(y: Array, a: Array) -> tuple[float, float]:
    """Return R and the slope of a by y in least squares; NaN where they do not exist."""
    if y.min() == y.max():
        return np.nan, np.nan
    if a.min() == a.max():
        return np.nan, 0.0
    of_y, of_a = np.ptp(y), np.ptp(a)  # so that no square overflows or vanishes
    dy, da = (y - y.mean()) / of_y, (a - a.mean()) / of_a
    products = float(dy @ da)
    return products / float(np.sqrt((dy @ dy) * (da @ da))), products / float(dy @ dy) * float(of_a / of_y)

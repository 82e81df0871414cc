"""The confusion matrix: how often each class was predicted for each class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fastbp import validation
from fastbp.plots import canvas, given
from fastbp.plots.canvas import COLUMN, LABEL, SMALL, SMALLEST, Axes, Figure, PathLike
from fastbp.text import shortened
from fastbp.validation import array_likes

MOST_NUMBERS = 25  # with more classes, the cells show no counts
MOST_NAMES = 45  # with more classes, every second, third, … has its name, so that names do not overlap
CHARACTER = 0.09  # inches: an upper estimate of the width of a character of the labels


def confusion_matrix(
    matrix: npt.ArrayLike,
    classes: Sequence[Any],
    path: PathLike | None = None,
    *,
    width: float | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw a confusion matrix: how often each class was predicted for each class.

    Parameters
    ----------
    matrix : (n, n) array-like of counts
        Row i, column j: how many samples of class i were predicted as class j.
    classes : sequence of n
        Their names.
    path, width, ax : path-like, float and matplotlib.axes.Axes, optional
        The file to write, whose suffix is the format; inches, by default as many as the numbers need (3.5 is a column
        of a paper); axes to draw into, not in a new figure.

    Returns
    -------
    matplotlib.figure.Figure
        The shade of a cell is its fraction of the samples of its row.

    Raises
    ------
    ImportError
        matplotlib is not installed.
    TypeError, ValueError
        The matrix is not of counts or not square; there is not one name for each row; the width is too small.

    Examples
    --------
    >>> figure = confusion_matrix([[9, 1], [0, 5]], ["cat", "dog"])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['9', '1', '5']
    """
    given.frame(path, COLUMN if width is None else width, ax)
    counts, names = _checked(matrix, classes)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    n = len(names)
    digits, longest = len(str(counts.max())), max(map(len, names))
    axes, bar_axes, side = _places(n, digits, longest, width, ax)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    bar = axes.figure.colorbar(image, cax=bar_axes, ax=None if bar_axes else axes)
    small = width is not None or ax is not None
    bar.set_label("share of the actual class", fontsize=LABEL if small else None)
    size = min(9.0, 72 * side / n / (0.62 * digits + 0.3))
    with_numbers = n <= MOST_NUMBERS and size >= SMALLEST
    for i, j in np.argwhere(counts) if with_numbers else ():
        colour = "white" if shares[i, j] > 0.55 else "black"
        axes.text(j, i, str(counts[i, j]), ha="center", va="center", color=colour, fontsize=size)
    _label_classes(axes, names, CHARACTER * longest < side / n, SMALL if small else 9.0)
    if small:
        for each in (axes.xaxis.label, axes.yaxis.label):
            each.set_fontsize(LABEL)
        bar.ax.tick_params(labelsize=SMALL)
    return canvas.figure_of(axes, path, cropped=not small)


def _checked(matrix: Any, classes: Any) -> tuple[npt.NDArray[Any], list[str]]:
    counts = array_likes.as_array("matrix", matrix)
    listed = list(classes) if isinstance(classes, str) else validation.entries("classes", classes, "a list of names")
    n = len(listed)
    if counts.shape != (n, n) or n == 0:
        raise ValueError(f"matrix has shape {counts.shape} and there are {n} classes; needed is ({n}, {n}), n ≥ 1")
    if validation.matrix("matrix", counts, np.dtype(np.float64)).min() < 0:
        raise ValueError(f"matrix has the entry {counts.min()}; needed are counts of at least 0")
    return np.asarray(counts), [shortened(str(name)) for name in listed]


def _places(n: int, digits: int, longest: int, width: float | None, ax: Axes | None) -> tuple[Axes, Axes | None, float]:
    """Return the axes of the cells and of the colour bar, and the width of all cells together, in inches."""
    if ax is not None:
        return canvas.axes_for(ax, 1, 1), None, 0.7 * ax.get_window_extent().width / ax.figure.dpi
    if width is None:
        cell = max(0.42, CHARACTER * (digits + 1.5)) if n <= MOST_NUMBERS else 8 / n
        return _square_axes(max(2.0, n * cell), 0.6 + CHARACTER * longest, 0.6 + CHARACTER * longest, 1.05)
    narrow = 0.75 * CHARACTER  # the width of a character of `SMALL`
    left, right = 0.35 + narrow * longest, 0.75
    side = width - left - right
    if side < 1:
        needed = f"at least {left + right + 1:.1f} inches are needed"
        raise ValueError(f"width is {width!r}; names of {longest} characters leave no room for cells: {needed}")
    bottom = 0.35 + (0.15 if narrow * longest < side / n else narrow * longest)
    return _square_axes(side, left, bottom, right, dpi=300)


def _square_axes(side: float, left: float, bottom: float, right: float, dpi: float = 150) -> tuple[Axes, Axes, float]:
    """Return a square and a colour bar in a new figure with these margins, and `side`; all in inches."""
    top = 0.15
    width, height = left + side + right, bottom + side + top
    figure = canvas.new_figure(width, height, dpi)
    figure.set_layout_engine("none")
    axes = figure.add_axes((left / width, bottom / height, side / width, side / height))
    gap, thick = min(0.15, 0.14 * right), min(0.16, 0.15 * right)
    bar_axes = figure.add_axes(((left + side + gap) / width, bottom / height, thick / width, side / height))
    return axes, bar_axes, side


def _label_classes(axes: Axes, names: list[str], upright: bool, size: float) -> None:
    places = range(0, len(names), 1 + len(names) // MOST_NAMES)
    axes.set_xticks(places, [names[i] for i in places], rotation=0 if upright else 90, fontsize=size)
    axes.set_yticks(places, [names[i] for i in places], fontsize=size)
    axes.set(xlabel="predicted class", ylabel="actual class")
    axes.tick_params(length=0)

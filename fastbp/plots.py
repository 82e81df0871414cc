"""Pictures of training and of its results. They need matplotlib: ``pip install "fastbp[plot]"``.

Figures are made without pyplot, so they touch no window, no backend and no global state of the program.
"""

from __future__ import annotations  # so that naming a Figure does not import matplotlib

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastbp import report

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fastbp.history import History

PathLike = str | os.PathLike[str]

# Okabe & Ito's blue and orange: the colour-blind tell them apart, and so does a printer without colours.
TRAINING: dict[str, Any] = {"color": "#0072B2", "marker": "o"}
HELD_OUT: dict[str, Any] = {"color": "#E69F00", "marker": "s"}
STYLES: list[dict[str, Any]] = [
    TRAINING, HELD_OUT, {"color": "#009E73", "marker": "^"}, {"color": "#CC79A7", "marker": "D"},
    {"color": "#D55E00", "marker": "v"}, {"color": "#56B4E9", "marker": "P"},
]  # fmt: skip
GREY = "#666666"

LOGARITHMIC_FROM = 20
"""A cost that shrinks by more than this factor is shown on a logarithmic axis."""
FEW_EPOCHS = 40
"""Up to so many epochs each has its mark."""
MOST_NUMBERS = 25
"""Up to so many classes the cells of a confusion matrix say their counts."""
MOST_NAMES = 45
"""Of more classes every second, third, … has its name, so that names do not overlap."""
CHARACTER = 0.09
"""The width of a character of the labels in inches, on the safe side."""


def check(path: PathLike | None = None) -> None:
    """Raise ImportError, saying how to install it, if matplotlib is missing; ValueError for a path it cannot write."""
    figure = new_figure(1, 1)
    if path is None:
        return
    known = figure.canvas.get_supported_filetypes()
    kind = Path(path).suffix.lower().lstrip(".")
    if kind not in known:
        raise ValueError(
            f"the picture {os.fspath(path)!r} needs a name that ends in one of .{', .'.join(sorted(known))}"
        )


def history(history: History, path: PathLike | None = None, *, held_out: str = "validation") -> Figure:
    """Draw cost, accuracy and other metrics by epoch, side by side, with a line for each data set.

    Parameters
    ----------
    history : History
        Of a `Network.fit`, with at least one epoch.
    path : path-like, optional
        Where to write the figure; its ending says the format, such as ``.png`` or ``.svg``.
    held_out : str, default "validation"
        What the legend calls the validation data.

    Returns
    -------
    matplotlib.figure.Figure
        Belongs to no window; a notebook shows it, ``figure.savefig`` writes it.

    Raises
    ------
    ImportError
        matplotlib is not installed.
    ValueError
        The history has no epochs.

    Examples
    --------
    >>> import fastbp
    >>> net = fastbp.Network([2, 3, 1], seed=0)
    >>> figure = history(net.fit([[0, 1], [1, 0]], [1, 0], epochs=3))
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['cost']
    """
    if len(history) == 0:
        raise ValueError("the history has no epochs; train at least one")
    panels = _panels(history, held_out)
    figure = new_figure(5.2 * min(len(panels), PANELS_A_ROW), 3.8 * -(-len(panels) // PANELS_A_ROW))
    grid = figure.subplots(-(-len(panels) // PANELS_A_ROW), min(len(panels), PANELS_A_ROW), squeeze=False).ravel()
    for axes, (measured, lines) in zip(grid, panels.items(), strict=False):
        _draw_panel(axes, measured, lines)
        _finish(axes, len(history))
    for unused in grid[len(panels) :]:
        unused.remove()
    if path is not None:
        figure.savefig(path, bbox_inches="tight")
    return figure


PANELS_A_ROW = 3


def _panels(history: History, held_out: str) -> dict[str, dict[str, list[float]]]:
    """Return what there is to draw: by what is measured, then by data set."""
    several = [name for name in history.data_sets if name != "validation"]
    panels: dict[str, dict[str, list[float]]] = {"cost": {"during training" if several else "training": history.cost}}
    measured = history.data_sets or {"validation": ("cost", "accuracy")}
    for data, names in measured.items():
        for name in names:
            values = history.series(f"{data}_{name}")
            if values:
                panels.setdefault(name, {})[held_out if data == "validation" else data] = values
    return panels


def _draw_panel(axes: Axes, measured: str, lines: dict[str, list[float]]) -> None:
    percent = measured == "accuracy"
    for i, (data, values) in enumerate(lines.items()):
        shown = [100 * value for value in values] if percent else values
        _line(axes, shown, data, STYLES[(i + (measured != "cost")) % len(STYLES)])
    everything = [value for values in lines.values() for value in values]
    only = next(iter(lines)) if len(lines) == 1 else None
    if measured == "cost":
        if min(everything) > 0 and max(everything) > LOGARITHMIC_FROM * min(everything):
            axes.set_yscale("log")
    elif percent and only:
        shown = [100 * value for value in everything]
        axes.set_title(f"last {shown[-1]:.2f} %, best {max(shown):.2f} %", fontsize="medium", color=GREY)
    label = f"{measured.replace('_', ' ')} (%)" if percent else measured.replace("_", " ")
    axes.set_ylabel(f"{only} {label}" if percent and only else label)
    if not only or measured == "cost":
        axes.legend(frameon=False)


def _line(axes: Axes, values: Sequence[float], label: str, style: dict[str, Any]) -> None:
    size = 3.5 if len(values) <= FEW_EPOCHS else 0
    axes.plot(range(1, len(values) + 1), values, label=label, markersize=size, linewidth=1.6, **style)


def _finish(axes: Axes, epochs: int) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel("epoch")
    axes.set_xlim(1 - max(0.5, 0.02 * epochs), epochs + max(0.5, 0.02 * epochs))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def confusion_matrix(matrix: npt.ArrayLike, classes: Sequence[Any], path: PathLike | None = None) -> Figure:
    """Draw how often each class was taken for each class.

    Parameters
    ----------
    matrix : (n, n) array-like of counts
        Row i, column j: how many samples of class i were taken for class j.
    classes : sequence of n
        Their names.
    path : path-like, optional
        Where to write the figure; its ending says the format.

    Returns
    -------
    matplotlib.figure.Figure
        The shade of a cell is its share of the samples of its row.

    Raises
    ------
    ImportError
        matplotlib is not installed.
    ValueError
        The matrix is not square, or there is not one name for each row.

    Examples
    --------
    >>> figure = confusion_matrix([[9, 1], [0, 5]], ["cat", "dog"])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['9', '1', '5']
    """
    counts = np.asarray(matrix)
    n = len(classes)
    if counts.shape != (n, n) or n == 0:
        raise ValueError(f"the matrix has shape {counts.shape} and there are {n} classes; needed is ({n}, {n}), n ≥ 1")
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [report.shortened(str(name)) for name in classes]
    with_numbers = n <= MOST_NUMBERS
    cell = max(0.42, CHARACTER * (len(str(counts.max())) + 1.5)) if with_numbers else 8 / n
    figure, axes, bar_axes = _square_axes(max(2.0, n * cell), CHARACTER * max(map(len, names)))
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    figure.colorbar(image, cax=bar_axes, label="share of the actual class")
    if with_numbers:
        for i, j in zip(*np.nonzero(counts), strict=True):
            colour = "white" if shares[i, j] > 0.55 else "black"
            axes.text(j, i, str(counts[i, j]), ha="center", va="center", color=colour, fontsize=9)
    _label_classes(axes, names, upright=CHARACTER * max(map(len, names)) < cell)
    if path is not None:
        figure.savefig(path, bbox_inches="tight")
    return figure


def _square_axes(side: float, longest: float) -> tuple[Figure, Axes, Axes]:
    """Return a figure with a square of this side, and a colour bar; with room for labels of this length; in inches."""
    left, bottom, top, right = 0.6 + longest, 0.6 + longest, 0.15, 1.05
    width, height = left + side + right, bottom + side + top
    figure = new_figure(width, height)
    figure.set_layout_engine("none")
    axes = figure.add_axes((left / width, bottom / height, side / width, side / height))
    bar_axes = figure.add_axes(((left + side + 0.15) / width, bottom / height, 0.16 / width, side / height))
    return figure, axes, bar_axes


def _label_classes(axes: Axes, names: list[str], upright: bool) -> None:
    places = range(0, len(names), 1 + len(names) // MOST_NAMES)
    axes.set_xticks(places, [names[i] for i in places], rotation=0 if upright else 90, fontsize=9)
    axes.set_yticks(places, [names[i] for i in places], fontsize=9)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("actual class")
    axes.tick_params(length=0)


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of so many inches, drawn by Agg."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError('pictures need matplotlib, which is not installed: pip install "fastbp[plot]"') from None
    figure = Figure(figsize=(width, height), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    return figure

"""Curves over epochs: costs and accuracies, and the norms of the errors δ of each layer."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from fastbp.plots import canvas, given
from fastbp.plots.canvas import COLUMN, GREY, STYLES, Axes, Figure, PathLike

LOGARITHMIC_FROM = 20  # a cost that shrinks by more than this factor has a logarithmic axis
FEW_EPOCHS = 40  # with more epochs, the lines have no markers
PANELS_A_ROW = 3  # of a history with many metrics
NARROWEST = 2.8  # inches: panels that would be narrower go below each other
MARKS = "os^DvPX*<>"


@runtime_checkable
class History(Protocol):
    """The part of `fastbp.History` that is drawn."""

    cost: list[float]
    data_sets: dict[str, tuple[str, ...]]

    def series(self, name: str) -> list[float]:
        """Return the values of a series, one an epoch."""

    def __len__(self) -> int:
        """Return the number of epochs."""


def history(
    history: History, path: PathLike | None = None, *, held_out: str = "validation", width: float | None = None
) -> Figure:
    """Draw cost, accuracy and other metrics by epoch, side by side, with a line for each data set.

    Parameters
    ----------
    history : History
        Of a `Network.fit`, with at least one epoch.
    path : path-like, optional
        The file to write, whose suffix is the format, such as ``.png`` or ``.svg``.
    held_out : str, default "validation"
        What the legend calls the validation data.
    width : float, optional
        Of the figure, in inches: 3.5 is a column of a paper. By default, 5.2 for each of at most three panels a row.

    Returns
    -------
    matplotlib.figure.Figure
        It has no window; a notebook shows it, ``figure.savefig`` writes it.

    Raises
    ------
    ImportError
        matplotlib is not installed.
    TypeError, ValueError
        `history` is no history, or has no epochs; the width is not 2 to 100 inches.

    Examples
    --------
    >>> import fastbp
    >>> net = fastbp.Network([2, 3, 1], seed=0)
    >>> figure = history(net.fit([[0, 1], [1, 0]], [1, 0], epochs=3))
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['cost']
    """
    given.frame(path, COLUMN if width is None else width)
    if not isinstance(history, History):
        raise TypeError(f"history is {history!r}; it must be a fastbp.History, as Network.fit returns it")
    if not isinstance(held_out, str):
        raise TypeError(f"held_out is {held_out!r}; it must be a word for the legend")
    if len(history) == 0:
        raise ValueError("the history has no epochs; train at least one")
    panels = _panels(history, held_out)
    a_row = min(len(panels), PANELS_A_ROW if width is None else max(1, int(width / NARROWEST)))
    rows = -(-len(panels) // a_row)
    size = (5.2 * a_row, 3.8 * rows) if width is None else (width, 2.3 * rows)
    figure = canvas.new_figure(*size, dpi=150 if width is None else 300)
    grid = figure.subplots(rows, a_row, squeeze=False).ravel()
    for axes, (measured, lines) in zip(grid, panels.items(), strict=False):
        _draw_panel(axes, measured, lines)
        beside = max(0.5, 0.02 * len(history))
        axes.set(xlabel="epoch", xlim=(1 - beside, len(history) + beside))
        axes.xaxis.set_major_locator(_whole_numbers())
        canvas.light_frame(axes)
        if width is not None:
            canvas.small_letters(axes)
    for unused in grid[len(panels) :]:
        unused.remove()
    return canvas.figure_of(grid[0], path, cropped=width is None)


def _panels(history: History, held_out: str) -> dict[str, dict[str, list[float]]]:
    """Return the series to draw, by metric and data set."""
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
        style, size = STYLES[(i + (measured != "cost")) % len(STYLES)], 3.5 if len(values) <= FEW_EPOCHS else 0
        axes.plot(range(1, len(values) + 1), shown, label=data, markersize=size, linewidth=1.6, **style)
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


def error_norms(
    norms: npt.ArrayLike, path: PathLike | None = None, *, width: float = COLUMN, ax: Axes | None = None
) -> Figure:
    """Draw the norms of the errors δ of each layer by epoch, which tell how fast the layers learn.

    Parameters
    ----------
    norms : (n_epochs, n_layers) array-like of numbers ≥ 0
        ‖δ⁽ˡ⁾‖ of layers 1, 2, … before training and after each epoch: the ``values`` of a `fastbp.Recorder` of
        `fastbp.error_norms`.
    path, width, ax : path-like, float and matplotlib.axes.Axes, optional
        The file to write, whose suffix is the format; inches, by default 3.5; axes to draw into, not in a new figure.

    Returns
    -------
    matplotlib.figure.Figure
        The norms on a logarithmic axis, a line for each layer, darker with its distance from the input.

    Raises
    ------
    ImportError
        matplotlib is not installed.
    TypeError, ValueError
        `norms` is not a table of finite numbers ≥ 0.

    References
    ----------
    Nielsen, *Neural Networks and Deep Learning*, chapter 5: ‖δ⁽ˡ⁾‖ is the speed at which layer l learns.

    Examples
    --------
    >>> import fastbp
    >>> X, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
    >>> net = fastbp.Network([2, 4, 4, 1], activation="sigmoid", seed=0)
    >>> recorder = fastbp.Recorder(lambda net: fastbp.error_norms(net, X, y))
    >>> history = net.fit(X, y, epochs=3, callbacks=[recorder])
    >>> figure = error_norms(recorder.values)
    >>> [line.get_label() for line in figure.axes[0].lines]
    ['layer 1', 'layer 2', 'layer 3']
    """
    given.frame(path, width, ax)
    values = given.numbers("norms", norms, "(n_epochs, n_layers)", ", n ≥ 1")
    if values.min() < 0:
        raise ValueError(f"norms has {values.min():g}; needed is (n_epochs, n_layers) of numbers ≥ 0")
    axes = canvas.axes_for(ax, width, 0.72 * width)
    from matplotlib import colormaps

    n_epochs, n_layers = values.shape
    shades = colormaps["cividis_r"](np.linspace(0.12, 1, n_layers))
    for l in range(n_layers):
        style = {"marker": MARKS[l % len(MARKS)], "markevery": max(1, n_epochs // 8), "markersize": 3.5}
        shown = np.where(values[:, l] > 0, values[:, l], np.nan)  # a logarithmic axis has no 0
        axes.plot(range(n_epochs), shown, label=f"layer {l + 1}", color=shades[l], linewidth=1.4, **style)
    if values.max() > 0:
        axes.set_yscale("log")
    axes.set(xlabel="epoch", ylabel="‖δ‖ of the layer")
    axes.xaxis.set_major_locator(_whole_numbers())
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5), reverse=True, handlelength=1.5)
    canvas.plain(axes)
    return canvas.figure_of(axes, path)


def _whole_numbers() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins=8, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1)

"""What changes from epoch to epoch: costs and accuracies, and how large the errors δ of each layer are."""

from __future__ import annotations  # so that naming a Figure does not import matplotlib

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from fastbp.plots import given
from fastbp.plots.canvas import COLUMN, GREY, STYLES, PathLike, axes_for, figure_of, new_figure, plain, small_letters

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator


LOGARITHMIC_FROM = 20  # a cost that shrinks by more than this factor is shown on a logarithmic axis
FEW_EPOCHS = 40  # up to so many epochs each has its mark


@runtime_checkable
class History(Protocol):
    """What is drawn of a `fastbp.History`."""

    cost: list[float]
    data_sets: dict[str, tuple[str, ...]]

    def series(self, name: str) -> list[float]:
        """Return the values of a series, one for each epoch."""

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
        Where to write the figure; its ending says the format, such as ``.png`` or ``.svg``.
    held_out : str, default "validation"
        What the legend calls the validation data.
    width : float, optional
        Of the figure, in inches: 3.5 is a column of a paper. Left out, 5.2 for each of at most three panels a row.

    Returns
    -------
    matplotlib.figure.Figure
        Belongs to no window; a notebook shows it, ``figure.savefig`` writes it.

    Raises
    ------
    ImportError
        matplotlib is not installed.
    TypeError, ValueError
        It is no history, or has no epochs; the width is not of 2 to 100 inches.

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
    figure = new_figure(5.2 * a_row, 3.8 * rows) if width is None else new_figure(width, 2.3 * rows, dpi=300)
    grid = figure.subplots(rows, a_row, squeeze=False).ravel()
    for axes, (measured, lines) in zip(grid, panels.items(), strict=False):
        _draw_panel(axes, measured, lines)
        _finish(axes, len(history))
        if width is not None:
            small_letters(axes)
    for unused in grid[len(panels) :]:
        unused.remove()
    return figure_of(grid[0], path, cropped=width is None)


PANELS_A_ROW = 3
NARROWEST = 2.8  # inches: panels that would be narrower go below each other


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
    axes.set_xlabel("epoch")
    axes.set_xlim(1 - max(0.5, 0.02 * epochs), epochs + max(0.5, 0.02 * epochs))
    axes.xaxis.set_major_locator(_whole_numbers())
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def error_norms(
    norms: npt.ArrayLike, path: PathLike | None = None, *, width: float = COLUMN, ax: Axes | None = None
) -> Figure:
    """Draw how large the errors δ of each layer are, by epoch: how fast the layers learn.

    Parameters
    ----------
    norms : (n_epochs, n_layers) array-like of numbers ≥ 0
        ‖δ⁽ˡ⁾‖ of layers 1, 2, …, before training and after each epoch: the ``values`` of a `fastbp.Recorder` of
        `fastbp.error_norms`.
    path : path-like, optional
        Where to write the figure; its ending says the format.
    width : float, default 3.5
        Of the figure, in inches.
    ax : matplotlib.axes.Axes, optional
        Where to draw; left out, a new figure.

    Returns
    -------
    matplotlib.figure.Figure
        The norms on a logarithmic axis, a line for each layer, the darker the further from the input.

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
    axes = axes_for(ax, width, 0.72 * width)
    from matplotlib import colormaps

    n_epochs, n_layers = values.shape
    shades = colormaps["cividis_r"](np.linspace(0.12, 1, n_layers))
    for l in range(n_layers):
        style = {"marker": MARKS[l % len(MARKS)], "markevery": max(1, n_epochs // 8), "markersize": 3.5}
        shown = np.where(values[:, l] > 0, values[:, l], np.nan)  # 0 has no place on a logarithmic axis
        axes.plot(range(n_epochs), shown, label=f"layer {l + 1}", color=shades[l], linewidth=1.4, **style)
    if values.max() > 0:
        axes.set_yscale("log")
    axes.set_xlabel("epoch")
    axes.set_ylabel("‖δ‖ of the layer")
    axes.xaxis.set_major_locator(_whole_numbers())
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5), reverse=True, handlelength=1.5)
    plain(axes)
    return figure_of(axes, path)


MARKS = "os^DvPX*<>"


def _whole_numbers() -> MaxNLocator:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins=8, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1)

"""Images: the weights of the first layer, samples, and derivatives with respect to samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fastbp import validation
from fastbp.model import Array
from fastbp.plots import canvas, given
from fastbp.plots.canvas import COLUMN, LABEL, SMALL, Axes, Figure, PathLike
from fastbp.validation import array_likes
from fastbp.validation.words import words

MOST_TILES = 100
GAP = 1  # pixels between two tiles


def weight_images(
    net: Any,
    shape: tuple[int, int] | None = None,
    path: PathLike | None = None,
    *,
    neurons: Sequence[int] | None = None,
    width: float = COLUMN,
    ax: Axes | None = None,
) -> Figure:
    """Draw the weights of the first layer as images, a tile for each neuron.

    Parameters
    ----------
    net : Network
        Or anything else with ``weights``, such as the result of `Network.gradient`.
    shape : (height, width), optional
        Of an input as an image; by default square.
    neurons : sequence of int, optional
        Which, from 0; by default all, but at most the first 100.
    path, width, ax : path-like, float and matplotlib.axes.Axes, optional
        The file to write, whose suffix is the format; inches, by default 3.5; axes to draw into, not in a new figure.

    Returns
    -------
    matplotlib.figure.Figure
        Positive weights are blue, negative ones vermilion, 0 is white; all tiles have the same scale.

    Raises
    ------
    ImportError
        matplotlib is not installed.
    TypeError, ValueError
        `net` has no weights; the inputs do not fill the shape; there is no such neuron.

    Examples
    --------
    >>> import fastbp
    >>> figure = weight_images(fastbp.Network([64, 30, 10], seed=0))
    >>> figure.axes[0].images[0].get_array().shape  # 5 rows of 6 tiles, 8 by 8 pixels each, with a line between
    (46, 55)
    """
    given.frame(path, width, ax)
    if not getattr(net, "weights", ()):
        raise TypeError(f"net is {net!r}; it must be a fastbp.Network, or have weights as one")
    w = given.numbers("net.weights[0]", net.weights[0], "(n_out, n_in)")
    n_out, n_in = w.shape
    chosen = np.arange(min(n_out, MOST_TILES)) if neurons is None else array_likes.as_array("neurons", neurons)
    whole = chosen.dtype.kind in "iu" and chosen.ndim == 1
    if not whole or not chosen.size or chosen.min() < 0 or chosen.max() >= n_out:
        raise ValueError(f"neurons is {neurons!r}; needed are numbers from 0 to {n_out - 1}, of the first layer")
    tiles = w[chosen].reshape(-1, *_shape(shape, n_in))
    mosaic = _mosaic(tiles)
    axes = canvas.axes_for(ax, width, width * (mosaic.shape[0] / mosaic.shape[1] * 0.82 + 0.06))
    largest = float(np.abs(tiles).max()) or 1.0
    shown = axes.imshow(mosaic, cmap=canvas.signed_colours(), vmin=-largest, vmax=largest, interpolation="nearest")
    axes.set_axis_off()
    axes.set_facecolor("white")
    bar = axes.figure.colorbar(shown, ax=axes, fraction=0.05, pad=0.02, shrink=0.9)
    bar.ax.tick_params(labelsize=SMALL)
    bar.set_label("weight", fontsize=LABEL)
    return canvas.figure_of(axes, path)


def _shape(shape: tuple[int, int] | None, n_in: int) -> tuple[int, int]:
    if shape is None:
        side = math.isqrt(n_in)
        if side * side != n_in:
            raise ValueError(f"{n_in} inputs make no square; give shape=(height, width)")
        return side, side
    sides = [validation.whole_number("shape", n, 1) for n in validation.entries("shape", shape, "(height, width)")]
    if len(sides) != 2 or math.prod(sides) != n_in:
        raise ValueError(f"shape is {tuple(sides)}, which is {math.prod(sides)} pixels; there are {n_in} inputs")
    return sides[0], sides[1]


def _mosaic(tiles: Array) -> Array:
    """Return one image of all tiles, in rows. The gaps are NaN, and stay white."""
    n, height, width = tiles.shape
    columns = min(n, math.ceil(math.sqrt(n * height / width)))
    rows = -(-n // columns)
    mosaic = np.full((rows * (height + GAP) + GAP, columns * (width + GAP) + GAP), np.nan)
    for i, tile in enumerate(tiles):
        top, left = GAP + i // columns * (height + GAP), GAP + i % columns * (width + GAP)
        mosaic[top : top + height, left : left + width] = tile
    return mosaic


def images(
    pictures: npt.ArrayLike,
    titles: Sequence[str] | None = None,
    path: PathLike | None = None,
    *,
    shape: tuple[int, int] | None = None,
    signed: bool | Sequence[bool] | None = None,
    columns: int | None = None,
    width: float = COLUMN,
) -> Figure:
    """Draw samples, or derivatives with respect to them, as images side by side.

    Parameters
    ----------
    pictures : (n, n_in) array-like
        A row is an image.
    titles : sequence of n str, optional
        Above each image.
    path : path-like, optional
        The file to write, whose suffix is the format.
    shape : (height, width), optional
        Of an image; by default square.
    signed : bool, or a sequence of n, optional
        A signed image has blue for positive numbers, white for 0 and vermilion for negative ones, scaled by its largest
        magnitude; others go from white to black. By default, images with negative numbers are signed.
    columns : int, optional
        How many images are in a row; by default at most 5.
    width : float, default 3.5
        Of the figure, in inches.

    Returns
    -------
    matplotlib.figure.Figure
        With axes for each image.

    Raises
    ------
    ImportError
        matplotlib is not installed.
    TypeError, ValueError
        `pictures` is not a table of numbers, its rows do not fill the shape, or there is not one title for each.

    Examples
    --------
    >>> import fastbp
    >>> figure = images(fastbp.load_digits().X_test[:3], ["one", "two", "three"])
    >>> [axes.get_title() for axes in figure.axes]
    ['one', 'two', 'three']
    """
    given.frame(path, width)
    rows = given.numbers("pictures", pictures, "(n, n_in)", ", an image a row")
    n = len(rows)
    names = [""] * n if titles is None else words("titles", titles, n, "images")
    signs = [bool(row.min() < 0) for row in rows] if signed is None else _signs(signed, n)
    of_image = _shape(shape, rows.shape[1])
    across = min(n, 5 if columns is None else validation.whole_number("columns", columns, 1))
    down = -(-n // across)
    lines = max(name.count("\n") + 1 for name in names) if any(names) else 0
    height = down * (width / across * of_image[0] / of_image[1] + 0.135 * lines)
    figure = canvas.new_figure(width, height, dpi=300)
    grid = figure.subplots(down, across, squeeze=False).ravel()
    for axes, row, name, sign in zip(grid, rows, names, signs, strict=False):
        largest = float(np.abs(row).max()) or 1.0
        least = -largest if sign else min(0.0, float(row.min()))
        colours = canvas.signed_colours() if sign else "Greys"
        axes.imshow(row.reshape(of_image), cmap=colours, vmin=least, vmax=largest, interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_color("#BBBBBB")
        axes.set_title(name, fontsize=SMALL, pad=3)
    for unused in grid[n:]:
        unused.remove()
    return canvas.figure_of(grid[0], path)


def _signs(signed: Any, n: int) -> list[bool]:
    one = isinstance(signed, bool | np.bool_)
    signs = [signed] * n if one else validation.entries("signed", signed, "True, False or a list of them")
    if len(signs) != n:
        raise ValueError(f"signed has {len(signs)} entries; there are {n} images")
    return [validation.truth(f"signed[{i}]", sign) for i, sign in enumerate(signs)]

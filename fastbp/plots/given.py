"""Checks of arguments, before anything is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastbp import validation
from fastbp.model import Array, Model
from fastbp.plots.canvas import PathLike, check, check_axes

NARROWEST, WIDEST = 2, 100  # inches: less has no room for letters, more has too many pixels for Agg


def frame(path: PathLike | None, width: float, ax: Any = None) -> float:
    """Return the width of a picture in inches: that of `ax` if given, else `width`.

    Raises TypeError or ValueError for a wrong path, width or axes, ImportError without matplotlib.
    """
    check(path)
    if not NARROWEST <= validation.number("width", width, 0) <= WIDEST:
        raise ValueError(f"width is {width!r}; it must be {NARROWEST} to {WIDEST} inches")
    if ax is None:
        return width
    check_axes(ax, "ax")
    return float(ax.get_window_extent().width / ax.figure.dpi)


def network(net: Any) -> None:
    """Raise TypeError for anything but a network, ValueError if its parameters are not finite."""
    if not isinstance(getattr(net, "_model", None), Model):
        raise TypeError(f"net is {net!r}; it must be a fastbp.Network")
    validation.matrix("net.parameters", net.parameters, net.dtype)


def numbers(what: str, data: Any, dimensions: str, needed: str = "") -> Array:
    """Return `data` in float64. Raises TypeError or ValueError unless finite, of `dimensions` such as "(n, n_in)"."""
    checked = validation.matrix(what, data, np.dtype(np.float64))
    if checked.ndim != 1 + dimensions.count(", ") or 0 in checked.shape:
        raise ValueError(f"{what} has shape {checked.shape}; needed is {dimensions}{needed}")
    return checked

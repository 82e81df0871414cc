"""What the drawing functions are given, checked before anything is drawn, also into axes of the user's own."""

from __future__ import annotations  # so that naming Axes does not import matplotlib

from typing import Any

import numpy as np
import numpy.typing as npt

from fastbp import validation
from fastbp.model import Model
from fastbp.plots.canvas import PathLike, check, check_axes

Array = npt.NDArray[Any]

NARROWEST, WIDEST = 2, 100  # inches: in less there is no room for letters; of more Agg cannot make the pixels


def frame(path: PathLike | None, width: float, ax: Any = None) -> float:
    """Return how wide a picture is in inches: axes of the user's own are as wide as they are.

    Raises TypeError or ValueError unless it can be so wide, there, kept; ImportError without matplotlib.
    """
    check(path)
    if not NARROWEST <= validation.number("width", width, 0) <= WIDEST:
        raise ValueError(f"width is {width!r}; it must be {NARROWEST} to {WIDEST} inches")
    if ax is None:
        return width
    check_axes(ax, "ax")
    return float(ax.get_window_extent().width / ax.figure.dpi)


def network(net: Any) -> None:
    """Raise TypeError for what is not a network, ValueError for one with parameters that are not finite."""
    if not isinstance(getattr(net, "_model", None), Model):
        raise TypeError(f"net is {net!r}; it must be a fastbp.Network")
    validation.matrix("net.parameters", net.parameters, net.dtype)


def numbers(what: str, data: Any, dimensions: str, needed: str = "") -> Array:
    """Return finite numbers in float64; `dimensions` says how many there are, as "(n, n_in)". Raises in words."""
    checked = validation.matrix(what, data, np.dtype(np.float64))
    if checked.ndim != 1 + dimensions.count(", ") or 0 in checked.shape:
        raise ValueError(f"{what} has shape {checked.shape}; needed is {dimensions}{needed}")
    return checked


def words(what: str, given: Any, n: int, of: str) -> list[str]:
    """Return n words. Raises TypeError for what is no list, ValueError unless there is one for each."""
    listed = list(given) if isinstance(given, str) else validation.entries(what, given, f"a list of {n} words")
    if len(listed) != n:
        raise ValueError(f"there are {len(listed)} {what} for {n} {of}")
    return [str(word) for word in listed]

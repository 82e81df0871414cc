"""What all pictures share: figures without pyplot, colours, font sizes, and how they are written."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, cast

from fastbp import disk, validation

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Axes
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure as Figure
else:
    Axes = Figure = Any  # so that naming them does not import matplotlib

PathLike = str | os.PathLike[str]

COLUMN = 3.5  # inches: a column of a paper with two; the default width of most pictures
LABEL, SMALL = 8.0, 7.0  # points, in pictures one column wide: the letters of titles and axes, of ticks and legends
SMALLEST = 4.5  # points: numbers that need smaller letters are left out

# Okabe & Ito's colours, which colour-blind people can distinguish. Blue and orange also differ in black and white.
POSITIVE, NEGATIVE = "#0072B2", "#D55E00"  # of weights and derivatives
GREY = "#666666"  # of what has no sign, and of lines that help to read
TRAINING: dict[str, Any] = {"color": "#0072B2", "marker": "o"}  # the line of the training samples
HELD_OUT: dict[str, Any] = {"color": "#E69F00", "marker": "s"}  # the line of the samples held out
# Of lines, in this order.
STYLES: list[dict[str, Any]] = [
    TRAINING, HELD_OUT, {"color": "#009E73", "marker": "^"}, {"color": "#CC79A7", "marker": "D"},
    {"color": "#D55E00", "marker": "v"}, {"color": "#56B4E9", "marker": "P"},
]  # fmt: skip

MOST_PIXELS = 2**16  # of width and height; Agg draws fewer


def check(path: PathLike | None = None) -> None:
    """Raise ImportError, saying how to install it, if matplotlib is missing.

    Raise ValueError for a path with a suffix that matplotlib cannot write, TypeError for anything but a path.

    Examples
    --------
    >>> check("net.pdf")
    >>> check("net.txt")
    Traceback (most recent call last):
        ...
    ValueError: the picture 'net.txt' needs a name that ends in one of ...
    """
    figure = new_figure(1, 1)
    if path is None:
        return
    named = disk.checked_path(path)
    known = figure.canvas.get_supported_filetypes()
    kind = named.suffix.lower().lstrip(".")
    if kind not in known:
        raise ValueError(
            f"the picture {os.fspath(named)!r} needs a name that ends in one of .{', .'.join(sorted(known))}"
        )


def new_figure(width: float, height: float, dpi: float = 150) -> Figure:
    """Return an empty figure of this size in inches, drawn by Agg.

    Raises ImportError without matplotlib, TypeError or ValueError unless each side is 1 to 65535 pixels.

    Examples
    --------
    >>> figure = new_figure(COLUMN, 2)
    >>> plain(figure.subplots())
    >>> tuple(map(float, figure.get_size_inches()))
    (3.5, 2.0)
    """
    for what, inches in (("width", width), ("height", height)):
        pixels = validation.positive(what, inches) * validation.positive("dpi", dpi)
        if not 1 <= pixels < MOST_PIXELS:
            raise ValueError(
                f"{what} is {inches:g} inches, at {dpi:g} dpi {pixels:.3g} pixels; needed are 1 to {MOST_PIXELS - 1}"
            )
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError('pictures need matplotlib, which is not installed: pip install "fastbp[plot]"') from None
    figure = Figure(figsize=(width, height), dpi=dpi, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def axes_for(ax: Axes | None, width: float, height: float) -> Axes:
    """Return the axes to draw into: `ax`, or those of a new figure."""
    return ax if ax is not None else new_figure(width, height, dpi=300).subplots()


def figure_of(axes: Axes, path: PathLike | None, *, cropped: bool = False) -> Figure:
    """Return the figure of these axes, and write it to `path` if given; `cropped` to what is drawn."""
    figure: Any = axes.figure
    while not hasattr(figure, "savefig"):  # a subfigure
        figure = figure.figure
    if path is not None:
        check(path)
        write(figure, path, cropped=cropped)
    return cast("Figure", figure)


def write(figure: Figure, path: PathLike, *, cropped: bool = False) -> None:
    """Write a picture, whole or not at all, in the format of the path's suffix."""
    with disk.written_whole(path) as file:
        kind = os.path.splitext(path)[1].lower().lstrip(".")
        figure.savefig(file, format=kind, bbox_inches="tight" if cropped else None)


def check_axes(axes: Any, what: str = "axes") -> None:
    """Raise TypeError unless `axes` are matplotlib's."""
    from matplotlib.axes import Axes

    if not isinstance(axes, Axes):
        raise TypeError(f"{what} is {axes!r}; it must be a matplotlib.axes.Axes, as figure.subplots() makes them")


def sign_colour(number: float) -> str:
    """Return `POSITIVE`, `NEGATIVE`, or `GREY` for 0."""
    return GREY if number == 0 else POSITIVE if number > 0 else NEGATIVE


def signed_colours() -> LinearSegmentedColormap:
    """Return the colour map from `NEGATIVE` over white to `POSITIVE`.

    Examples
    --------
    >>> from matplotlib.colors import to_hex
    >>> [to_hex(signed_colours()(place)) for place in (0.0, 1.0)] == [NEGATIVE.lower(), POSITIVE.lower()]
    True
    """
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("fastbp_signed", [NEGATIVE, "white", POSITIVE])


def plain(axes: Axes) -> None:
    """Give axes a light grid, small letters, and no frame above and at the right. Raises TypeError for other things.

    Examples
    --------
    >>> axes = new_figure(COLUMN, 2).subplots()
    >>> plain(axes)
    >>> axes.spines["top"].get_visible()
    False
    """
    check_axes(axes)
    light_frame(axes)
    small_letters(axes)


def light_frame(axes: Axes) -> None:
    """Give axes a light grid, and no frame above and at the right."""
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def small_letters(axes: Axes) -> None:
    """Give axes the font sizes of pictures one column wide. Raises TypeError for anything but axes.

    Examples
    --------
    >>> axes = new_figure(COLUMN, 2).subplots()
    >>> small_letters(axes)
    >>> axes.xaxis.label.get_fontsize()
    8.0
    """
    check_axes(axes)
    axes.tick_params(which="both", labelsize=SMALL)  # minor ticks have labels if all data lie in one decade
    axes.xaxis.label.set_fontsize(LABEL)
    axes.yaxis.label.set_fontsize(LABEL)
    for place in ("left", "center", "right"):
        axes.set_title(axes.get_title(place), loc=place, fontsize=LABEL)
    legend = axes.get_legend()
    for text in legend.get_texts() if legend else ():
        text.set_fontsize(SMALL)

"""What all pictures share: figures without pyplot, colours, sizes of letters, and where they are written."""

from __future__ import annotations  # so that naming a Figure does not import matplotlib

import os
from typing import TYPE_CHECKING, Any, cast

from fastbp import disk, validation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

PathLike = str | os.PathLike[str]

# Inches: a column of a paper in two columns. The pictures of nets, trees, weights and surfaces are so wide.
COLUMN = 3.5
LABEL, SMALL = 8.0, 7.0  # points: the letters of titles and axes, and of ticks and legends, in pictures one column wide
# Okabe & Ito's blue and vermilion: the sign of a weight or derivative. The colour-blind tell them apart.
POSITIVE, NEGATIVE = "#0072B2", "#D55E00"
GREY = "#666666"

# Okabe & Ito's blue and orange: the colour-blind tell them apart, and so does a printer without colours.
TRAINING: dict[str, Any] = {"color": "#0072B2", "marker": "o"}
HELD_OUT: dict[str, Any] = {"color": "#E69F00", "marker": "s"}
STYLES: list[dict[str, Any]] = [
    TRAINING, HELD_OUT, {"color": "#009E73", "marker": "^"}, {"color": "#CC79A7", "marker": "D"},
    {"color": "#D55E00", "marker": "v"}, {"color": "#56B4E9", "marker": "P"},
]  # fmt: skip


MOST_PIXELS = 2**16  # Agg has fewer, each way


def check(path: PathLike | None = None) -> None:
    """Raise ImportError, saying how to install it, if matplotlib is missing.

    ValueError for a path that it cannot write, TypeError for what is no path.
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
    """Return an empty figure of so many inches, drawn by Agg.

    Raises ImportError without matplotlib, TypeError or ValueError for a size that no picture has.
    """
    for what, inches in (("width", width), ("height", height)):
        pixels = validation.positive(what, inches) * validation.positive("dpi", dpi)
        if not 1 <= pixels < MOST_PIXELS:
            raise ValueError(
                f"{what} is {inches:g} inches; at {dpi:g} dpi that is {pixels:.3g} pixels, of 1 to {MOST_PIXELS - 1}"
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
    """Return the axes to draw into: those that were given, or those of a new figure."""
    return ax if ax is not None else new_figure(width, height, dpi=300).subplots()


def figure_of(axes: Axes, path: PathLike | None, *, cropped: bool = False) -> Figure:
    """Return the figure that these axes are in, written to `path` if there is one; `cropped` to what is in it."""
    figure: Any = axes.figure
    while not hasattr(figure, "savefig"):  # a subfigure
        figure = figure.figure
    if path is not None:
        check(path)
        write(figure, path, cropped=cropped)
    return cast("Figure", figure)


def write(figure: Figure, path: PathLike, *, cropped: bool = False) -> None:
    """Write a picture, whole or not at all, in the format that the path's name ends in."""
    with disk.written_whole(path) as file:
        kind = os.path.splitext(path)[1].lower().lstrip(".")
        figure.savefig(file, format=kind, bbox_inches="tight" if cropped else None)


def check_axes(axes: Any, what: str = "axes") -> None:
    """Raise TypeError unless these are axes of matplotlib."""
    from matplotlib.axes import Axes

    if not isinstance(axes, Axes):
        raise TypeError(f"{what} is {axes!r}; it must be a matplotlib.axes.Axes, as figure.subplots() makes them")


def signed_colours() -> LinearSegmentedColormap:
    """Return the colours from `NEGATIVE` over white to `POSITIVE`."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("fastbp_signed", [NEGATIVE, "white", POSITIVE])


def plain(axes: Axes) -> None:
    """Give axes a light grid, letters for one column, and no frame above and at the right.

    Raises TypeError for what are no axes.
    """
    check_axes(axes)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    small_letters(axes)


def small_letters(axes: Axes) -> None:
    """Give axes the letters of pictures that are one column wide. Raises TypeError for what are no axes."""
    check_axes(axes)
    axes.tick_params(which="both", labelsize=SMALL)  # also between powers of ten, where all lies in one decade
    axes.xaxis.label.set_fontsize(LABEL)
    axes.yaxis.label.set_fontsize(LABEL)
    for place in ("left", "center", "right"):
        axes.set_title(axes.get_title(place), loc=place, fontsize=LABEL)
    legend = axes.get_legend()
    for text in legend.get_texts() if legend else ():
        text.set_fontsize(SMALL)

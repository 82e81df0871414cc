"""A network diagram: neurons as circles, weights or their derivatives as lines between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from fastbp import validation
from fastbp.model import Array, ParameterVector
from fastbp.plots import canvas, given
from fastbp.plots.canvas import COLUMN, GREY, LABEL, NEGATIVE, POSITIVE, SMALL, SMALLEST, Axes, Figure, PathLike
from fastbp.validation.words import words

SPACING, RADIUS = 0.37, 0.15  # inches: between the neurons of a layer, and of a neuron
ABOVE, BELOW = 0.3, 0.62  # inches above the neurons, for names of layers, and below, for sizes, functions and key
THICKEST = 3.0  # points: the line of the largest weight or derivative; others are thinner in proportion


def network(
    net: Any,
    x: npt.ArrayLike | None = None,
    y: npt.ArrayLike | None = None,
    path: PathLike | None = None,
    *,
    edges: Literal["weights", "gradient"] | ParameterVector = "weights",
    names: Sequence[str] | None = None,
    most: int = 8,
    width: float = COLUMN,
    ax: Axes | None = None,
) -> Figure:
    """Draw a network: its neurons with their activations, its weights or derivatives as colour and thickness.

    Parameters
    ----------
    net : Network
        What to draw.
    x : (n_in,) array-like, optional
        A sample; the neurons show their activations for it. Without it they are empty.
    y : (n_out,) array-like, or number, optional
        Its target, as in `Network.trace`, written beside the outputs.
    edges : {"weights", "gradient"} or ParameterVector, default "weights"
        The lines show w_jk, ∂C/∂w_jk of this sample, or what `Network.gradient` returned for many samples. The rims of
        the neurons show the same of b_j.
    names : sequence of n_out str, optional
        Of the outputs.
    most : int, default 8
        A layer with more neurons shows its first and last ones, and dots between them: `most` in all, with the dots.
    path, width, ax : path-like, float and matplotlib.axes.Axes, optional
        The file to write, whose suffix is the format; inches, by default 3.5; axes to draw into, not in a new figure.

    Returns
    -------
    matplotlib.figure.Figure
        Blue is positive, vermilion negative; the thickest line is the largest of all in the network.

    Raises
    ------
    ImportError
        matplotlib is not installed.
    TypeError, ValueError
        `net` is no network; x and y are not one sample of it; the gradient lacks one of them; `edges` is of another
        network; `most` is less than 3; there is not one name for each output.

    Examples
    --------
    >>> import fastbp
    >>> figure = network(fastbp.Network([784, 30, 10], seed=0))
    >>> [len(lines.get_segments()) for lines in figure.axes[0].collections]  # 7 neurons, and dots for the others
    [49, 49]
    """
    width = given.frame(path, width, ax)
    given.network(net)
    most = validation.whole_number("most", most, 3)  # one neuron, the dots, one neuron
    if names is not None:
        names = words("names", names, net.sizes[-1], "outputs")
    trace = _trace(net, x, y, isinstance(edges, str) and edges == "gradient")
    drawn = _parameters(net, trace, edges)
    ends = [""] * net.sizes[-1] if names is None else list(names)
    if y is not None:
        ends = [f"{end}{': ' if end else ''}y = {value:.3g}" for end, value in zip(ends, trace.y, strict=True)]
    rows = [_shown(n, most) for n in net.sizes]
    slots = max(len(shown) for shown in rows)
    right = 0.25 + 0.062 * max(map(len, ends))
    plan = _Plan(rows, np.linspace(0.3, width - right, len(rows)), slots * SPACING + BELOW, SPACING)
    height = slots * SPACING + ABOVE + BELOW
    axes = canvas.axes_for(ax, width, height)
    axes.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    axes.set_axis_off()
    largest = max(float(np.abs(drawn.vector).max()), np.finfo(np.float64).tiny)
    for l in range(1, len(rows)):
        _draw_lines(axes, plan, l, drawn.weights[l - 1] / largest)
    for l in range(len(rows)):
        activations = None if trace is None else trace.layers[l].a
        _draw_neurons(axes, plan, l, activations, np.zeros(net.sizes[0]) if l == 0 else drawn.biases[l - 1] / largest)
        _describe_layer(axes, plan, l, net)
    for i, y_of in plan.places(len(rows) - 1):
        axes.text(width - right + plan.radius + 0.06, y_of, ends[i], va="center", fontsize=SMALL)
    _key(axes, width, not (isinstance(edges, str) and edges == "weights"), largest)
    return canvas.figure_of(axes, path)


@dataclass
class _Plan:
    """Positions, in inches from the lower left corner."""

    rows: list[list[int | None]]
    columns: Array
    top: float
    spacing: float

    @property
    def radius(self) -> float:
        """Of a neuron; smaller if layers are close to each other."""
        return float(min(RADIUS, 0.26 * (self.columns[1] - self.columns[0])))

    def places(self, l: int) -> list[tuple[int, float]]:
        """Return the neurons shown, with their heights."""
        return [(i, at) for i, at in self._slots(l) if i is not None]

    def dots(self, l: int) -> list[float]:
        """Return the height of the dots, if there are any."""
        return [at for i, at in self._slots(l) if i is None]

    def _slots(self, l: int) -> list[tuple[int | None, float]]:
        most = max(len(row) for row in self.rows)
        first = self.top - self.spacing * (0.5 + (most - len(self.rows[l])) / 2)
        return [(i, first - self.spacing * slot) for slot, i in enumerate(self.rows[l])]


def _shown(n: int, most: int) -> list[int | None]:
    """Return the neurons shown, with None for dots."""
    if n <= most:
        return list(range(n))
    return [*range(most // 2), None, *range(n - (most - 1 - most // 2), n)]


def _trace(net: Any, x: Any, y: Any, gradient: bool) -> Any:
    if x is None:
        if y is not None or gradient:
            raise ValueError("x is missing: y and edges='gradient' belong to a sample")
        return None
    if y is None:
        if gradient:
            raise ValueError("edges='gradient' needs the target y of the sample")
        y = net.predict([x])[0]  # activations do not depend on y
    return net.trace(x, y)


def _parameters(net: Any, trace: Any, edges: Any) -> ParameterVector:
    if isinstance(edges, str) and edges in ("weights", "gradient"):
        vector = net.parameters if edges == "weights" else trace.gradient.vector
        return ParameterVector(net.sizes, np.array(vector, dtype=np.float64))
    if not isinstance(edges, ParameterVector):
        raise ValueError(f"edges is {edges!r}; it must be 'weights', 'gradient' or what net.gradient returns")
    if edges.sizes != net.sizes:
        raise ValueError(f"edges is of layers {list(edges.sizes)}, and the network has {list(net.sizes)}")
    return ParameterVector(net.sizes, given.numbers("edges", edges.vector, "(n_parameters,)"))


def _draw_lines(axes: Axes, plan: _Plan, l: int, w: Array) -> None:
    from matplotlib.collections import LineCollection

    lines = [
        (abs(w[j, k]), w[j, k] > 0, [(plan.columns[l - 1], from_y), (plan.columns[l], to_y)])
        for j, to_y in plan.places(l)
        for k, from_y in plan.places(l - 1)
    ]
    lines.sort(key=lambda line: line[0])  # thick lines are drawn over thin ones
    axes.add_collection(
        LineCollection(
            [segment for *_, segment in lines],
            colors=[POSITIVE if positive else NEGATIVE for _, positive, _ in lines],
            linewidths=[THICKEST * size for size, *_ in lines],
            alpha=[0.35 + 0.65 * float(size) for size, *_ in lines],
            zorder=1,
        )
    )


def _draw_neurons(axes: Axes, plan: _Plan, l: int, activations: Array | None, b: Array) -> None:
    from matplotlib.patches import Circle

    fills = _fills(activations) if activations is not None else None
    for i, at in plan.places(l):
        colour = canvas.sign_colour(b[i])
        face = "white" if fills is None else fills[i]
        place = (float(plan.columns[l]), at)
        axes.add_patch(Circle(place, plan.radius, facecolor="white", edgecolor=GREY, linewidth=0.8, zorder=2))
        thick = max(0.8, THICKEST * abs(float(b[i])))
        axes.add_patch(Circle(place, plan.radius, facecolor=face, edgecolor=colour, linewidth=thick, zorder=3))
        if activations is not None:
            text = _number(float(activations[i]))
            size = min(SMALL, 2 * plan.radius * 72 * 0.84 / (0.6 * len(text)))
            if size >= SMALLEST:
                axes.text(*place, text, ha="center", va="center_baseline", fontsize=size, zorder=4)
    for at in plan.dots(l):
        for step in (-1, 0, 1):
            axes.add_patch(Circle((float(plan.columns[l]), at + step * 0.075), 0.018, color=GREY, zorder=3))


def _fills(activations: Array) -> Array:
    """Return the colours of the activations of a layer, scaled by the largest or 1, whichever is larger."""
    largest = max(1.0, float(np.abs(activations).max()))
    # Two thirds of full blue and vermilion, so that numbers stay readable.
    return np.asarray(canvas.signed_colours()(0.5 + 0.33 * np.asarray(activations, dtype=np.float64) / largest))


def _number(value: float) -> str:
    limits = ((9.995, ".2f"), (99.95, ".1f"), (9999.5, ".0f"))
    layout = next((layout for below, layout in limits if abs(value) < below), ".0e")
    return format(value, layout).replace("-", "−")


def _describe_layer(axes: Axes, plan: _Plan, l: int, net: Any) -> None:
    x, n = float(plan.columns[l]), net.sizes[l]
    axes.text(x, plan.top + 0.04, f"$a^{{({l})}}$", ha="center", va="bottom", fontsize=LABEL)
    what = ("input" if n == 1 else "inputs") if l == 0 else net.activations[l - 1].name.replace("_", " ")
    gap = float(plan.columns[1] - plan.columns[0])
    size = min(SMALL, 72 * gap * 0.95 / (0.58 * max(len(what), len(f"{n:,}"))))
    axes.text(x, BELOW - 0.04, f"{n:,}\n{what}", ha="center", va="top", fontsize=size, color=GREY, linespacing=1.1)


def _key(axes: Axes, width: float, derivatives: bool, largest: float) -> None:
    """Draw the key of colours and thicknesses."""
    words = "lines ∂C/∂w, rims ∂C/∂b:" if derivatives else "lines w, rims b:"
    axes.text(0.08, 0.09, words, va="center_baseline", fontsize=SMALL)
    entries = [(POSITIVE, 1.8, "> 0"), (NEGATIVE, 1.8, "< 0"), (GREY, THICKEST, f"{largest:.3g}")]
    begin = 0.15 + 0.055 * len(words)
    step = min(0.75, (width - begin) / len(entries))
    for i, (colour, thick, text) in enumerate(entries):
        left = begin + i * step
        axes.plot([left, left + 0.2], [0.09, 0.09], color=colour, linewidth=thick, solid_capstyle="butt")
        axes.text(left + 0.25, 0.09, text, va="center_baseline", fontsize=SMALL)

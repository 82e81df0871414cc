"""The computation tree of one output: w, a and b give z, z gives a, a and y give C."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fastbp import validation
from fastbp.plots import canvas, given
from fastbp.plots.canvas import COLUMN, GREY, Axes, Figure, PathLike

ROW = 0.68  # inches from row to row
LETTERS = 6.5


def computation_tree(
    net: Any,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    path: PathLike | None = None,
    *,
    through: Sequence[int] | None = None,
    depth: int = 3,
    width: float = COLUMN,
    ax: Axes | None = None,
) -> Figure:
    r"""Draw how weights, biases and inputs give one output and the cost, with all values and derivatives.

    Each layer adds two rows: w, a of the layer before, and b; below them z, from which comes the next a. Every line has
    the derivative of its lower end with respect to its upper end. The product of those from a weight down to C is ∂C/∂w
    along this path. It is the whole ∂C/∂w in a chain of single neurons, and in the last layer.

    Parameters
    ----------
    net : Network
        What to draw.
    x : (n_in,) array-like
        A sample.
    y : (n_out,) array-like, or number
        Its target, as in `Network.trace`.
    through : sequence of int, optional
        The path to draw: one neuron a layer, from input to output. Other neurons are summed in one box. By default, the
        path goes from the output with the largest |δ| back, in each layer to the neuron with the largest |w a|.
    depth : int, default 3
        Number of layers to draw, counted from the output.
    path, width, ax : path-like, float and matplotlib.axes.Axes, optional
        The file to write, whose suffix is the format; inches, by default 3.5; axes to draw into, not in a new figure.

    Returns
    -------
    matplotlib.figure.Figure
        Positive derivatives are blue, negative ones vermilion.

    Raises
    ------
    ImportError
        matplotlib is not installed.
    TypeError, ValueError
        `net` is no network; x and y are not one sample of it; `through` is no path through it; `depth` is less than 1.

    References
    ----------
    3Blue1Brown, *Backpropagation calculus*: the tree below the chain of single neurons.

    Examples
    --------
    >>> import fastbp
    >>> net = fastbp.Network([1, 1], activation="sigmoid", cost="squared_error", initializer="zeros")
    >>> figure = computation_tree(net, [2.0], [1.0])
    >>> [text.get_text() for text in figure.axes[0].texts if "∂C/∂a" in text.get_text()]
    ['∂C/∂a\n−2']
    """
    width = given.frame(path, width, ax)
    given.network(net)
    depth = validation.whole_number("depth", depth, 1)
    trace = net.trace(x, y)
    neurons = _strongest(trace) if through is None else _checked(through, net.sizes)
    nodes, edges = _tree(trace, neurons, max(1, trace.n_layers + 1 - depth))
    rows = 1 + max(node.row for node in nodes.values())
    axes = canvas.axes_for(ax, width, rows * ROW)
    spread = 1.0 if any(node.column == FAR for node in nodes.values()) else 1.28  # fewer columns are wider
    axes.set(xlim=(0, width), ylim=(rows * ROW, 0), aspect="equal")  # the first row is at the top
    axes.set_axis_off()
    for edge in edges:
        _draw_edge(axes, nodes[edge.begin], nodes[edge.end], edge, spread * width)
    for node in nodes.values():
        _draw_node(axes, node, spread * width)
    return canvas.figure_of(axes, path)


@dataclass(frozen=True)
class _Node:
    """A box. `column` is a fraction of the width, `row` counts from the top; without a `value` it shows the name."""

    name: str
    value: float | None
    row: int
    column: float
    derivative: float | None = None  # of C, of weights and biases
    letter: str = ""  # theirs


@dataclass(frozen=True)
class _Edge:
    begin: str
    end: str
    name: str
    derivative: float


# Columns. The last one, for neurons that are not on the path, is missing in a chain of single neurons.
LEFT, MIDDLE, RIGHT, FAR = 0.14, 0.39, 0.63, 0.885


def _tree(trace: Any, neurons: Sequence[int], first: int) -> tuple[dict[str, _Node], list[_Edge]]:
    """Return the boxes and lines of layers `first` to L along a path."""
    nodes: dict[str, _Node] = {}
    edges: list[_Edge] = []
    last, chain = trace.n_layers, all(n == 1 for n in trace.sizes)
    for l in range(first, last + 1):
        layer, j, k, row = trace.layers[l], neurons[l], neurons[l - 1], 2 * (l - first)
        w, a, b, z, out = f"w{l}", f"a{l - 1}", f"b{l}", f"z{l}", f"a{l}"
        index, before = ("", "") if chain else (f"_{{{j}}}", f"_{{{k}}}")
        both = "" if chain else f"_{{{j},{k}}}"
        nodes[w] = _Node(f"$w{both}^{{({l})}}$", layer.w[j, k], row, LEFT, layer.dC_dw[j, k], "w")
        if l == first:
            nodes[a] = _Node(f"$a{before}^{{({l - 1})}}$", layer.a_before[k], row, MIDDLE)
        nodes[b] = _Node(f"$b{index}^{{({l})}}$", layer.b[j], row, RIGHT, layer.dC_db[j], "b")
        nodes[z] = _Node(f"$z{index}^{{({l})}}$", layer.z[j], row + 1, MIDDLE)
        edges += [_Edge(w, z, "∂z/∂w", layer.a_before[k]), _Edge(a, z, "∂z/∂a", layer.w[j, k]),
                  _Edge(b, z, "∂z/∂b", 1.0)]  # fmt: skip
        if len(layer.a_before) > 1:
            others = float(layer.z[j]) - float(layer.b[j]) - float(layer.w[j, k] * layer.a_before[k])
            n = len(layer.a_before) - 1
            nodes[f"o{l}"] = _Node(f"{n} other\ninput{'s' * (n > 1)}: $\\Sigma w a$", others, row, FAR)
            edges.append(_Edge(f"o{l}", z, "", 1.0))
        if l < last or not layer.activation.whole_layer:
            nodes[out] = _Node(f"$a{index}^{{({l})}}$", layer.a[j], row + 2, MIDDLE)
            edges.append(_Edge(z, out, "∂a/∂z", layer.da_dz[j]))
    _add_cost(trace, neurons[last], nodes, edges, 2 * (last - first) + 2, "" if chain else f"_{{{neurons[last]}}}")
    return nodes, edges


def _add_cost(trace: Any, j: int, nodes: dict[str, _Node], edges: list[_Edge], row: int, index: str) -> None:
    layer = trace.layers[-1]
    target = _Node(f"$y{index}$", trace.y[j], row, LEFT)
    if f"a{layer.l}" in nodes:
        nodes["y"], row = target, row + 1
        edges += [_Edge(f"a{layer.l}", "C", "∂C/∂a", layer.dC_da[j]), _Edge("y", "C", "", 0.0)]
    else:  # every output depends on this z, so ∂a/∂z is a matrix: draw δ
        edges.append(_Edge(f"z{layer.l}", "C", "∂C/∂z", layer.delta[j]))
    nodes["C"] = _Node("$C$", trace.cost, row, MIDDLE)
    if layer.n > 1:
        n = layer.n - 1
        nodes["others"] = _Node(f"{n} other\noutput{'s' * (n > 1)}", None, row - 1, RIGHT)
        edges.append(_Edge("others", "C", "", 0.0))


def _strongest(trace: Any) -> list[int]:
    neurons = [int(np.argmax(np.abs(trace.layers[-1].delta)))]
    for layer in reversed(trace.layers[1:]):
        neurons.append(int(np.argmax(np.abs(layer.w[neurons[-1]] * layer.a_before))))
    return neurons[::-1]


def _checked(through: Sequence[int], sizes: Sequence[int]) -> list[int]:
    needed = f"one neuron, from 0, of each of the layers {list(sizes)}"
    neurons = validation.entries("through", through, f"a list of {needed}")
    right = all(isinstance(i, int | np.integer) and 0 <= i < n for i, n in zip(neurons, sizes, strict=False))
    if len(neurons) != len(sizes) or not right:
        raise ValueError(f"through is {neurons}; needed is {needed}")
    return [int(neuron) for neuron in neurons]


def _number(value: float) -> str:
    """Return a number with three digits, or two and an exponent: 0.0123, −1.3e−5."""
    text = f"{float(value):.3g}"
    if "e" in text:
        mantissa, exponent = f"{float(value):.1e}".split("e")
        text = f"{mantissa}e{int(exponent)}"
    return text.replace("-", "−")


def _draw_node(axes: Axes, node: _Node, width: float) -> None:
    text = node.name if node.value is None else f"{node.name} = {_number(node.value)}"
    if "\n" in node.name and node.value is not None:
        text = f"{node.name}\n= {_number(node.value)}"
    lines = [text] if node.derivative is None else [text, f"∂C/∂{node.letter} {_number(node.derivative)}"]
    box = {"boxstyle": "round,pad=0.3", "facecolor": "white", "edgecolor": GREY, "linewidth": 0.8}
    colour = GREY if "\n" in node.name else "black"  # grey: not on the path
    axes.text(
        node.column * width, (node.row + 0.5) * ROW, "\n".join(lines), ha="center", va="center", zorder=3, bbox=box,
        fontsize=LETTERS, color=colour, linespacing=1.25,
    )  # fmt: skip


def _draw_edge(axes: Axes, begin: _Node, end: _Node, edge: _Edge, width: float) -> None:
    ends = [begin.column * width, end.column * width], [(begin.row + 0.5) * ROW, (end.row + 0.5) * ROW]
    named = bool(edge.name)
    colour = canvas.sign_colour(edge.derivative) if named else "#BBBBBB"
    axes.plot(*ends, color=colour, linewidth=1.4 if named else 0.9, zorder=1)
    if named:
        x, y = (0.5 * sum(along) for along in ends)
        text = f"{edge.name}\n{_number(edge.derivative)}"
        axes.text(
            x, y, text, ha="center", va="center", fontsize=LETTERS, zorder=2, color=colour, linespacing=1.05,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
        )  # fmt: skip

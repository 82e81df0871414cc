"""The three pictures of a comparison. Colours are Okabe & Ito's; shapes and letters repeat what they say."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from fastbp import plots
from fastbp.comparison.cells import PYTHON, WORKS
from fastbp.comparison.rows import EVEN, Limits, Row, by_work, ratio
from fastbp.comparison.words import label, short, times

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fastbp.comparison.comparison import Comparison

STYLES = {
    PYTHON: ("#777777", "x"), "textbook": ("#009E73", "^"), "loops": ("#E69F00", "s"), "tiles": ("#D55E00", "D"),
    "vectorized": ("#0072B2", "o"),
}  # fmt: skip
TITLES = {"gradient": "a gradient", "epoch": "a step of an epoch"}
FULL_COLOUR = 4.0  # in the map a lead of this factor or more has full colour, a lead of 1 is white
BAR, HEAD = 0.27, 0.75  # inches


def bars(comparison: Comparison) -> Figure:
    """Draw µs of each formulation as bars on a logarithmic axis: a row of panels for each cell, one for each work."""
    cells = list(dict.fromkeys(row.cell for row in comparison.rows))
    names = list(dict.fromkeys(row.formulation for row in comparison.rows))
    figure = plots.new_figure(11, 0.7 + len(cells) * (HEAD + BAR * len(names)))
    panels = figure.subplots(len(cells), len(WORKS), squeeze=False)
    for line, cell in zip(panels, cells, strict=True):
        for axes, work in zip(line, WORKS, strict=True):
            rows = [row for row in comparison.rows if (row.cell, row.work) == (cell, work)]
            _bars(axes, rows, names)
            axes.set_title(f"{TITLES[work]}: {cell}", fontsize=9, loc="left")
    _note(figure, comparison, "µs, logarithmic, median; thin line: fastest to slowest round; ×: times the fastest")
    return figure


def _bars(axes: Axes, rows: list[Row], names: list[str]) -> None:
    measured = [row for row in rows if row.us]
    smallest, largest = min(r.us_min or 1 for r in measured), max(r.us_max or 1 for r in measured)
    left, spread = smallest / 2, max(4.0, 2 * largest / smallest)
    for i, name in enumerate(names):
        row = next((row for row in measured if row.formulation == name), None)
        if row is None or not (row.us and row.us_min and row.us_max and row.times_fastest):
            axes.text(left * 1.05, i, "  not measured", va="center", fontsize=8.5, color=plots.GREY, style="italic")
            continue
        axes.barh(i, row.us - left, left=left, height=0.66, color=STYLES[name][0])
        axes.hlines(i, row.us_min, row.us_max, color="black", linewidth=1.2)
        words = short(row.us) if row.times_fastest == 1 else f"{short(row.us)}  {times(row.times_fastest)}×"
        axes.text(row.us_max * spread**0.015, i, words, va="center", fontsize=8.5)
    axes.set_yticks(range(len(names)), [label(name) for name in names], fontsize=9)
    axes.set(xscale="log", xlim=(left, left * spread**1.45), ylim=(len(names) - 0.5, -0.5))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", alpha=0.25)
    axes.set_axisbelow(True)


def crossover(comparison: Comparison) -> Figure:
    """Draw width × mini-batch: the colour is the winner's, its strength and the number are the lead over the second.

    Raises ValueError if no net of one width was measured.
    """
    groups = [g for g in by_work(comparison.rows) if len(set(g[0].sizes)) == 1 and len(g) > 1]
    if not groups:
        raise ValueError(
            "the map needs nets of one width and at least two formulations: give widths, such as 8, 64, 512"
        )
    widths, batches = sorted({g[0].sizes[0] for g in groups}), sorted({g[0].batch_size for g in groups})
    lines = list(dict.fromkeys((g[0].dtype, g[0].threads) for g in groups))
    width, height = 1.6 + 0.52 * len(widths), 1.5 + 0.36 * len(batches)
    figure = plots.new_figure(2 * max(width, 3.6), len(lines) * max(height, 2.6) + 0.9)
    panels = figure.subplots(len(lines), len(WORKS), squeeze=False)
    for line, (dtype, threads) in zip(panels, lines, strict=True):
        for axes, work in zip(line, WORKS, strict=True):
            here = [g for g in groups if (g[0].dtype, g[0].threads, g[0].work) == (dtype, threads, work)]
            _map(axes, here, widths, batches)
            axes.set_title(f"{TITLES[work]}, {dtype}, {threads} thread{'s' * (threads > 1)}", fontsize=10, loc="left")
    _legend(figure, dict.fromkeys(g[0].formulation for g in groups))
    _note(figure, comparison, "letter: the fastest; number: times that the second takes; =: within 5 %")
    return figure


def _map(axes: Axes, groups: list[list[Row]], widths: list[int], batches: list[int]) -> None:
    from matplotlib.patches import Rectangle

    for fastest, second, *_ in groups:
        x, y = widths.index(fastest.sizes[0]), batches.index(fastest.batch_size)
        lead = ratio(second, fastest)
        strength = min(1.0, max(0.0, math.log(lead) / math.log(FULL_COLOUR)))
        face = _mixed(STYLES[fastest.formulation][0], 0.12 + 0.88 * strength if lead >= EVEN else 0.0)
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=face, edgecolor="white"))
        number = "=" if lead < EVEN else f"{lead:.1f}" if lead < 9.95 else f"{lead:.0f}"
        colour = "white" if strength > 0.75 else "black"
        axes.text(
            x, y, f"{_initial(fastest.formulation)} {number}", ha="center", va="center", fontsize=7.5, color=colour
        )
    axes.set_xticks(range(len(widths)), [str(w) for w in widths], fontsize=8.5)
    axes.set_yticks(range(len(batches)), [str(m) for m in batches], fontsize=8.5)
    axes.set(xlim=(-0.5, len(widths) - 0.5), ylim=(-0.5, len(batches) - 0.5))
    axes.set(xlabel="width of [w, w, w]", ylabel="mini-batch")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _initial(formulation: str) -> str:
    return "B" if formulation == "textbook" else formulation[0].upper()  # T is for tiles


def _mixed(colour: str, strength: float) -> tuple[float, ...]:
    """Return a colour mixed with white."""
    from matplotlib.colors import to_rgb

    return tuple(1 - strength * (1 - part) for part in to_rgb(colour))


def _legend(figure: Figure, names: Any) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(color=STYLES[name][0], label=f"{_initial(name)}: {label(name)}") for name in names]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False, fontsize=9)


def roofline(comparison: Comparison) -> Figure:
    """Draw GFLOP/s over flops a byte under the roofs of the machine: a panel for each dtype and number of threads."""
    panels = [(limits, dtype) for limits in comparison.limits for dtype in limits.peak_gflops]
    columns = min(2, len(panels))
    lines = -(-len(panels) // columns)
    figure = plots.new_figure(6.4 * columns, 4.4 * lines + 0.8)
    axes_of = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes, (limits, dtype) in zip(axes_of, panels, strict=False):
        rows = [r for r in comparison.rows if r.us and (r.threads, r.dtype) == (limits.threads, dtype)]
        _roofline(axes, limits, dtype, rows)
    for axes in axes_of[len(panels) :]:
        axes.set_visible(False)
    _note(figure, comparison, "filled: a step of an epoch; hollow: a gradient; sloping roofs: by the working set")
    return figure


def _roofline(axes: Axes, limits: Limits, dtype: str, rows: list[Row]) -> None:
    peak = limits.peak_gflops[dtype]
    low = min([row.flops_per_byte for row in rows], default=0.1) / 8
    high = max(3 * max([row.flops_per_byte for row in rows], default=10.0), 4 * peak / limits.memory_gbs)
    _roofs(axes, limits, peak, low, high)
    for row in rows:
        colour, marker = STYLES[row.formulation]
        filled = row.work == "epoch" or marker == "x"
        axes.plot(row.flops_per_byte, row.gflops or 0.0, marker, color=colour, markersize=6, zorder=3,
                  markerfacecolor=colour if filled else "none")  # fmt: skip
    for name in dict.fromkeys(row.formulation for row in rows):
        colour, marker = STYLES[name]
        axes.plot([], [], marker, color=colour, markersize=6, label=label(name))
    axes.set(xscale="log", yscale="log", xlim=(low, high), xlabel="flops a byte", ylabel="GFLOP/s")
    axes.set_ylim(top=2 * peak)
    axes.set_title(f"{dtype}, {limits.threads} thread{'s' * (limits.threads > 1)}", fontsize=10, loc="left")
    axes.grid(alpha=0.2)
    axes.legend(fontsize=8, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)


def _roofs(axes: Axes, limits: Limits, peak: float, low: float, high: float) -> None:
    for i, (n_bytes, speed) in enumerate(limits.bandwidth_gbs):
        memory = i == len(limits.bandwidth_gbs) - 1
        knee = min(peak / speed, high)
        colour = "black" if memory else plots.GREY
        axes.plot([low, knee], [low * speed, knee * speed], color=colour, linewidth=1 + memory)
        name = f"memory, {speed:.0f} GB/s" if memory else f"{_size(n_bytes)}, {speed:.0f} GB/s"
        on_line = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
        axes.text(low * 1.3, low * 1.3 * speed, name, va="center", fontsize=7.5, bbox=on_line)
    axes.plot([peak / limits.bandwidth_gbs[0][1], high], [peak, peak], color="black", linewidth=2)
    axes.text(high / 1.05, peak * 1.2, f"multiply-adds, {peak:.0f} GFLOP/s", ha="right", fontsize=8)


def _size(n_bytes: int) -> str:
    return f"{n_bytes // 2**20} MiB" if n_bytes >= 2**20 else f"{n_bytes // 2**10} KiB"


def _note(figure: Figure, comparison: Comparison, words: str) -> None:
    machine = comparison.machine
    on = f"{machine['processor']}; NumPy {machine['numpy']}, {machine['blas']}; Numba {machine['numba']}"
    figure.supxlabel(f"{words}\n{on}", fontsize=8, color=plots.GREY)

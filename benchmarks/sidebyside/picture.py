"""The picture: a panel for each case, a dot for each peer on a logarithmic axis. Further left is faster."""

from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sidebyside.worker import PEERS

# Okabe & Ito: fastbp in orange to vermilion, the others in grey to blue. The labels do not rely on colour.
STYLES = {
    "numpy": ("#777777", "o"), "sklearn": ("#777777", "o"), "jax": ("#0072B2", "s"),
    "torch": ("#56B4E9", "s"), "torch-compiled": ("#56B4E9", "s"),
    "vectorized": ("#E69F00", "D"), "loops": ("#E69F00", "D"), "tiles": ("#D55E00", "D"),
}  # fmt: skip
ROW, HEAD, WIDTH = 0.27, 1.05, 6.6  # inches


def draw_cases(result: dict[str, Any], path: Path) -> None:
    """Write the picture of all cases that have been measured."""
    cases = [case for case in result["cases"] if any("median_us" in peer for peer in case["peers"])]
    columns = min(2, len(cases))
    rows = -(-len(cases) // columns)
    n_bars = max(len(case["peers"]) for case in cases)
    figure = Figure(figsize=(WIDTH * columns, 0.8 + rows * (HEAD + ROW * n_bars)), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    layout: Any = figure.get_layout_engine()
    layout.set(h_pad=0.1, w_pad=0.12)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, case in zip(panels, cases, strict=False):
        _panel(axes, case)
    for axes in panels[len(cases) :]:
        axes.set_visible(False)
    threads = result["settings"]["threads"]
    figure.suptitle(f"Time of a training step, {threads} thread{'s' if threads > 1 else ''}, float32", fontsize=13)
    if cases[0]["name"] == "predict":
        figure.suptitle(f"Time of one prediction, {threads} thread{'s' if threads > 1 else ''}, float32", fontsize=13)
    processor = result["machine"]["processor"]
    note = "dot: median; bar: fastest to slowest round; ×: multiple of the fastest of fastbp; further left is faster"
    figure.supxlabel(f"{processor}\n{note}", fontsize=8.5, color="#444444")
    figure.savefig(path)


def _panel(axes: Any, case: dict[str, Any]) -> None:
    peers = case["peers"]
    measured = [peer for peer in peers if "median_us" in peer]
    smallest, largest = min(p["min_us"] for p in measured), max(p["max_us"] for p in measured)
    spread = max(largest / smallest, 4)
    left = smallest / spread**0.06
    for i, peer in enumerate(peers):
        if "median_us" not in peer:
            axes.text(left * 1.05, i, f"  {peer['status']}", va="center", fontsize=8.5, color="#666666", style="italic")
            continue
        colour, marker = STYLES[peer["name"]]
        ours = PEERS[peer["name"]][2] == "fastbp"
        axes.hlines(i, peer["min_us"], peer["max_us"], color=colour, linewidth=4, alpha=0.45)
        filled = colour if peer["status"] != "failed" else "white"
        axes.plot(peer["median_us"], i, marker, color=colour, markerfacecolor=filled, markersize=7)
        place = max(peer["max_us"], peer["median_us"] * spread**0.02) * spread**0.02
        axes.text(place, i, _label(peer), va="center", fontsize=9, weight="bold" if ours else None)
    axes.set_xscale("log")
    axes.set_xlim(left, largest * spread**0.62)
    axes.set_yticks(range(len(peers)), [peer["label"] for peer in peers], fontsize=9)
    axes.set_ylim(len(peers) - 0.45, -0.55)
    axes.set_title(f"{case['name']}: {case['description']}", fontsize=9.5, loc="left")
    _ticks(axes, left, largest * spread**0.3)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", alpha=0.25)
    axes.set_axisbelow(True)


def _ticks(axes: Any, left: float, right: float) -> None:
    steps = (1, 2, 5) if right / left < 40 else (1, 3) if right / left < 3000 else (1,)
    ticks = [step * 10.0**k for k in range(-2, 8) for step in steps]
    ticks = [tick for tick in ticks if left <= tick <= right]
    axes.set_xticks(ticks, [_time(tick) for tick in ticks], fontsize=8.5)
    axes.set_xticks([], minor=True)


def _time(microseconds: float) -> str:
    if microseconds >= 1e6:
        return f"{microseconds / 1e6:.3g} s"
    return f"{microseconds / 1e3:.3g} ms" if microseconds >= 1e3 else f"{microseconds:.3g} µs"


def _label(peer: dict[str, Any]) -> str:
    words = _time(peer["median_us"])
    if "times_fastest_fastbp" in peer:
        words += f"  {peer['times_fastest_fastbp']:.2f}×"
    if "share_of_peak" in peer:
        words += f"  {peer['share_of_peak']:.0%} of peak" if peer["share_of_peak"] >= 0.005 else "  < 1% of peak"
    return words if peer["status"] == "ok" else f"{words}  {peer['status'].upper()}"

"""Draws the recorded ratios over the commits, light and dark, and writes the figures as a table."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from fastbp import plots

NONE = "No series is in these sources: none was recorded yet.\n"
DARK = {"axes.edgecolor": "#ced6dd", "axes.labelcolor": "#ced6dd", "xtick.color": "#ced6dd", "ytick.color": "#ced6dd",
        "text.color": "#ced6dd"}  # fmt: skip


def write(folder: Path) -> None:
    """Write `history.inc`, and its pictures, from `history.json` if there is one."""
    recorded = folder / "history.json"
    commits = json.loads(recorded.read_text(encoding="utf-8")) if recorded.is_file() else []
    (folder / "history.inc").write_text(page(folder, commits) if commits else NONE, encoding="utf-8")


def page(folder: Path, commits: list[dict[str, Any]]) -> str:
    """Return the text: a picture and a table for each benchmark."""
    lines: dict[str, dict[str, list[float | None]]] = defaultdict(dict)
    for key in dict.fromkeys(key for commit in commits for key in commit["ratios"]):
        benchmark, _, variant = key.partition(", ")
        lines[benchmark][variant or "ratio"] = [commit["ratios"].get(key) for commit in commits]
    processors = dict.fromkeys(commit["processor"] for commit in commits)
    text = f"Recorded on {', '.join(processors)}.\n"
    for benchmark, variants in lines.items():
        name = benchmark.replace(".", "_").lower()
        for scheme, colours in (("light", {}), ("dark", DARK)):
            draw(folder / f"{name}_{scheme}.svg", commits, variants, colours)
        title = benchmark.split(".")[-1].removeprefix("track_").replace("_", " ").capitalize()
        text += f"\n## {title}\n\n`{benchmark}`\n\n"
        for scheme in ("light", "dark"):
            text += f"```{{image}} {name}_{scheme}.svg\n:class: only-{scheme}\n:alt: the table as a picture\n```\n\n"
        text += f"| commit | date | {' | '.join(variants)} |\n|---|---|{'---|' * len(variants)}\n"
        for i, commit in enumerate(commits):
            cells = ["–" if values[i] is None else f"{values[i]:.3g}" for values in variants.values()]
            text += f"| `{commit['commit']}` | {commit['date'][:10]} | {' | '.join(cells)} |\n"
    return text


def draw(path: Path, commits: list[dict[str, Any]], variants: dict[str, Any], colours: dict[str, str]) -> None:
    """Draw the ratios of one benchmark, a line each."""
    from matplotlib import rc_context

    with rc_context({"svg.hashsalt": "fastbp", "svg.fonttype": "none", **colours}):
        figure = plots.new_figure(8, 3.5)
        axes = figure.subplots()
        for i, (variant, values) in enumerate(variants.items()):
            style = plots.STYLES[i % len(plots.STYLES)] | {"linestyle": "-" if i < len(plots.STYLES) else ":"}
            axes.plot([float("nan") if v is None else v for v in values], label=variant, **style)
        axes.axhline(1, color=plots.GREY, linewidth=1)
        axes.set(yscale="log", ylabel="time, in that of the peer")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("{x:g}")
        axes.set_xticks(range(len(commits)), [commit["commit"] for commit in commits], rotation=45, ha="right")
        axes.grid(alpha=0.25)
        axes.legend(frameon=False, fontsize="small", bbox_to_anchor=(1, 1), loc="upper left")
        figure.savefig(path, transparent=True, metadata={"Date": None})

"""`fastbp.tabular` beside its peers on real tables: ``python benchmarks/tables.py`` (`--help`: sets, ablation).

The tables are those of ``$FASTBP_DATA/tables``, which do not come with fastbp, and scikit-learn's; five random splits
of at most 4,000 rows, a quarter held out, the same for all. "error" is the root of the mean squared error, or the
share of wrong classes; "log-loss" is for classes only. A ratio is to the best of the peers on that set, by the mean of
its splits: 1 is as good as choosing the right peer for every table. Means of ratios and seconds are geometric. Seconds
are the processor's, with one thread, after one fit that compiles; "predict" is of 1,000 rows, the second time.

Peers: scikit-learn's HistGradientBoosting and MLP, each behind a good preparation, and RealMLP_TD_S of pytabkit (`pip
install -e ".[tabular,realmlp]"`), with `--td` RealMLP_TD too. Without pytabkit there is no RealMLP.

The defaults of `fastbp.tabular` were chosen on five of the sets; those have a star. `--ablation` shows what each
ingredient is worth: the same with one of them changed.
"""

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from sidebyside.table_ablation import VARIANTS
from sidebyside.table_models import PEERS, RealMLPFull
from sidebyside.table_sets import BUNDLED, FILES, TableSet
from sklearn.metrics import log_loss
from threadpoolctl import threadpool_limits

import fastbp
from fastbp.comparison.machine import describe

OURS = "fastbp"
Measured = dict[str, dict[str, list[dict[str, float]]]]  # set → model → a row for each split


def measured_once(table: TableSet, seed: int, make: Callable[[bool, int], Any]) -> dict[str, float]:
    """Return error, log-loss, and the seconds to fit and to predict 1,000 rows."""
    X, X_test, y, y_test = table.split(seed)
    model, start = make(table.classes, seed), time.process_time()
    model.fit(X, y)
    row = {"fit": time.process_time() - start}
    if table.classes:
        p = np.asarray(model.predict_proba(X_test))
        row["error"] = float(np.mean(model.classes_[p.argmax(axis=1)] != y_test))
        row["log_loss"] = float(log_loss(y_test, p, labels=list(model.classes_)))
    else:
        row["error"] = float(np.sqrt(np.mean((model.predict(X_test) - y_test) ** 2)))
    rows = X_test.iloc[np.arange(1000) % len(X_test)].reset_index(drop=True)
    model.predict(rows)
    start = time.process_time()
    model.predict(rows)
    return row | {"predict": time.process_time() - start}


def measured(
    sets: Sequence[TableSet], models: dict[str, Callable[[bool, int], Any]], splits: int, file: Path | None
) -> Measured:
    """Return what was measured, with what the file has already."""
    found: Measured = json.loads(file.read_text()) if file is not None and file.exists() else {}
    for seed in range(splits):
        for table in sets:
            for name, make in models.items():
                rows = found.setdefault(table.name, {}).setdefault(name, [])
                if len(rows) <= seed:
                    rows.append(measured_once(table, seed, make))
                    print(f"split {seed}, {table.name}, {name}: {rows[-1]}", file=sys.stderr)
                    if file is not None:
                        file.write_text(json.dumps(found))
    return found


def mean_of(found: Measured, table: str, model: str, what: str, splits: int) -> float:
    """Return the mean over splits."""
    return float(np.mean([row[what] for row in found[table][model][:splits]]))


def geometric_mean(values: Sequence[float]) -> float:
    """Return the geometric mean; 1 of nothing."""
    return float(np.exp(np.mean(np.log(values)))) if values else 1.0


def ratios(
    found: Measured, sets: Sequence[TableSet], models: Sequence[str], peers: Sequence[str], what: str, splits: int
) -> dict[str, dict[str, float]]:
    """Return, by set and model, the ratio to the best peer. A peer without an error counts as half a wrong row."""
    result = {}
    for table in sets:
        if what == "log_loss" and not table.classes:
            continue
        least = 0.5 / len(table.split(0)[1]) if what == "error" and table.classes else 1e-9
        values = {name: max(mean_of(found, table.name, name, what, splits), least) for name in {*models, *peers}}
        best = min(values[name] for name in peers)
        result[table.name] = {name: values[name] / best for name in models}
    return result


def table_of(
    found: Measured, sets: Sequence[TableSet], models: Sequence[str], peers: Sequence[str], splits: int
) -> str:
    """Return all figures as text."""
    lines = []
    for what in ("error", "log_loss"):
        by_set = ratios(found, sets, models, peers, what, splits)
        lines.append(f"{what.replace('_', '-')} / best peer".ljust(24) + "".join(f"{name:>22}" for name in models))
        for table in sets:
            if table.name in by_set:
                cells = "".join(f"{by_set[table.name][name]:22.3f}" for name in models)
                lines.append(f"  {table.name + ' *' * table.tuned:22}{cells}")
        for words, chosen in (("mean", sets), ("  of those with a star", [t for t in sets if t.tuned]),
                              ("  of the others", [t for t in sets if not t.tuned])):  # fmt: skip
            some = [by_set[table.name] for table in chosen if table.name in by_set]
            cells = "".join(f"{geometric_mean([row[name] for row in some]):22.3f}" for name in models)
            lines.append(f"{words:24}{cells}")
        lines.append("")
    for what, unit, scale in (("fit", "s", 1.0), ("predict", "ms", 1000.0)):
        each = {name: [mean_of(found, t.name, name, what, splits) * scale for t in sets] for name in models}
        lines.append(f"{f'{what}, {unit}: mean':24}" + "".join(f"{geometric_mean(each[n]):22.2f}" for n in models))
        lines.append(f"{'  least':24}" + "".join(f"{min(each[n]):22.2f}" for n in models))
        lines.append(f"{'  most':24}" + "".join(f"{max(each[n]):22.2f}" for n in models))
    return "\n".join(lines)


def ablation_table(found: Measured, sets: Sequence[TableSet], splits: int) -> str:
    """Return the table of the ablation: each variant beside the recipe, as ratios."""
    lines = [f"{'':40}{'error':>9}{'on *':>9}{'others':>9}{'log-loss':>10}{'fit':>8}"]
    for variant in VARIANTS:
        shown = []
        for what, chosen in (
            ("error", sets), ("error", [t for t in sets if t.tuned]), ("error", [t for t in sets if not t.tuned]),
            ("log_loss", [t for t in sets if t.classes]), ("fit", sets),
        ):  # fmt: skip
            by_set = ratios(found, chosen, [variant], [OURS], what, splits)
            shown.append(geometric_mean([row[variant] for row in by_set.values()]))
        lines.append(f"{variant:40}" + "".join(f"{v:{w}.3f}" for v, w in zip(shown, (9, 9, 9, 10, 8), strict=True)))
    return "\n".join(lines)


def draw(
    path: str, found: Measured, sets: Sequence[TableSet], models: Sequence[str], peers: Sequence[str], n: int
) -> None:
    """Draw the ratios of the error, a row for each set."""
    from matplotlib.figure import Figure

    by_set = ratios(found, sets, models, peers, "error", n)
    figure = Figure(figsize=(7, 0.35 * len(by_set) + 1.2), layout="constrained")
    axes = figure.add_subplot()
    for place, name in enumerate(models):
        axes.plot([row[name] for row in by_set.values()], range(len(by_set)), "osd^vPX"[place], label=name, alpha=0.8)
    axes.set_yticks(range(len(by_set)), list(by_set))
    axes.invert_yaxis()
    axes.axvline(1.0, color="gray", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_xlabel("error / that of the best peer")
    axes.legend(fontsize="small")
    figure.savefig(path, dpi=150)


def main() -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", choices=["files", "bundled", "all"], default="files")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these sets only")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--td", action="store_true", help="RealMLP_TD, too, which takes minutes a fit")
    parser.add_argument("--ablation", action="store_true", help="what each ingredient is worth, without the peers")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where measurements are kept: continue from there")
    parser.add_argument("--picture", metavar="FILE", help="draw the errors")
    options = parser.parse_args()
    if options.sets != "bundled" and "FASTBP_DATA" not in os.environ:
        parser.error("set FASTBP_DATA to the folder that has tables/, or give --sets bundled")
    warnings.simplefilter("ignore")  # of peers, about iterations and their own parts
    sets = {"files": FILES, "bundled": BUNDLED, "all": FILES + BUNDLED}[options.sets]
    sets = tuple(table for table in sets if options.only is None or table.name in options.only)
    peers: dict[str, Callable[[bool, int], Any]] = {} if options.ablation else {**PEERS}
    if options.td:
        peers["RealMLP_TD"] = RealMLPFull
    if find_spec("pytabkit") is None and peers:
        peers = {name: make for name, make in peers.items() if "RealMLP" not in name}
        print("pytabkit is not installed: without RealMLP")
    models = (
        {OURS: VARIANTS["the recipe"], **peers} if not options.ablation else {OURS: VARIANTS["the recipe"], **VARIANTS}
    )
    print(f"{describe()['processor']}, {len(sets)} sets, {options.splits} splits")
    with fastbp.threads(1), threadpool_limits(1):
        for classes in (True, False):
            VARIANTS["the recipe"](classes, 0).fit({"x": np.arange(100.0)}, np.arange(100) % 2)  # compiles
        found = measured(sets, models, options.splits, options.json)
    if options.ablation:
        print(ablation_table(found, sets, options.splits))
    else:
        print(table_of(found, sets, list(models), list(peers), options.splits))
        if options.picture:
            draw(options.picture, found, sets, list(models), list(peers), options.splits)
    return 0


if __name__ == "__main__":
    sys.exit(main())

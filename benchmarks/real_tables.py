"""How many real tables `fastbp train` takes as they are: a sweep over folders of CSV files.

    python benchmarks/real_tables.py FOLDER ... [--epochs 20] [--list] [--json FILE]

Each file is trained once, as `fastbp train FILE --target COLUMN`, without another option unless epochs are given: one
network with `--epochs 20` takes less time. The target is the
last column in which something can be learned: numbers, classes, or yes and no, but no identifier, date, remark or
constant. A file counts as trained if the command ends well. The report says how many do, why the others do not, and how
many of the models are better than always saying the majority or the mean.
"""

import argparse
import contextlib
import io
import json
import time
from collections import Counter
from pathlib import Path

from fastbp.cli.program import main as fastbp
from fastbp.data import DataFileError, read_table
from fastbp.tables.columns import describe
from fastbp.tables.target import Target


def target_of(path):
    """Return the last column that can be learned."""
    table = read_table(path)
    columns = describe(table)
    for column in reversed(columns):
        if column.kind in ("number", "category", "boolean") and sum(other.used for other in columns) > 1:
            with contextlib.suppress(DataFileError):
                Target.of(table[column.name], column.name)
                return column.name
    raise DataFileError("no column can be a target: " + ", ".join(sorted({column.kind for column in columns})))


def train(path, epochs):
    """Return how the training of a file ended: a dict with ``error`` or ``scores``."""
    started = time.perf_counter()
    try:
        target = target_of(path)
    except (ValueError, OSError) as error:
        return {"file": str(path), "target": None, "error": str(error), "seconds": time.perf_counter() - started}
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        more = [] if epochs is None else ["--epochs", str(epochs)]
        status = fastbp(["train", str(path), f"--target={target}", *more, "--no-save", "--json", "--threads", "1"])
    found = {"file": str(path), "target": target, "seconds": time.perf_counter() - started}
    if status:
        return {**found, "error": err.getvalue().strip()}
    told = json.loads(out.getvalue())
    return {**found, "error": None, **{key: told[key] for key in ("scores", "classes", "warnings", "notes")}}


def is_better(found):
    """Whether a model is better than the simplest guess."""
    scores = found["scores"]
    return scores["accuracy"] > scores["majority"] if "accuracy" in scores else (scores["r2"] or 0) > 0


def main():
    """Sweep, and print the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--epochs", type=int, help="train one network for so many")
    parser.add_argument("--list", action="store_true", help="print every file")
    parser.add_argument("--json", type=Path, help="write all results")
    options = parser.parse_args()
    files = [file for folder in options.folders for file in sorted(folder.rglob("*.csv")) if file.name[0] != "."]
    results = []
    for file in files:
        results.append(found := train(file, options.epochs))
        if options.list:
            outcome = found["error"] or f"{found['target']}: {json.dumps(found['scores'])}"
            print(f"{file.name:28} {found['seconds']:6.2f} s  {outcome}", flush=True)
    trained = [found for found in results if found["error"] is None]
    print(f"{len(trained)} of {len(results)} files trained, {100 * len(trained) / max(len(results), 1):.1f} %")
    print(f"{sum(map(is_better, trained))} of these are better than the majority or the mean")
    regressions = sum(found["classes"] is None for found in trained)
    print(f"{regressions} have numbers as target, {len(trained) - regressions} classes")
    reasons = Counter(found["error"].partition(": ")[2][-100:] for found in results if found["error"])
    for reason, n in reasons.most_common(40):
        print(f"{n:4}  {reason}")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()

"""Results in words and in tables of characters. Every function returns what to print."""

from __future__ import annotations

import json
import statistics
import textwrap
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastbp.network.network import Network
from fastbp.tables.errors import shorten
from fastbp.tables.preprocessor import Preprocessor
from fastbp.text import aligned, column_widths, shortened

if TYPE_CHECKING:
    from fastbp.cli.tables import Problem
    from fastbp.cli.trainings import Training
    from fastbp.tables.columns import Column
    from fastbp.tables.table import Table
    from fastbp.tabular.learner import Learner
    from fastbp.training.history import History

Array = npt.NDArray[Any]

MOST_COLUMNS = 40  # in a table of columns; of more, those that are alike and follow one another share a line
MOST_CONFUSIONS = 10  # listed pairs of classes, where there are too many classes for a table


def confusion_matrix(actual: Array, predicted: Array, n_classes: int) -> npt.NDArray[np.intp]:
    """Return how often each class (row) was taken for each class (column).

    >>> confusion_matrix(np.array([0, 1, 1]), np.array([0, 0, 1]), 2)
    array([[1, 0],
           [1, 1]])
    """
    counts = np.bincount(actual * n_classes + predicted, minlength=n_classes * n_classes)
    return counts.reshape(n_classes, n_classes)


def confusion_table(matrix: Array, classes: Sequence[str], width: int = 80) -> str:
    """Return a confusion matrix as a table of characters: actual classes down, predicted ones across.

    Classes with long names get numbers across. If even these do not fit into `width`, the result lists the most
    frequent confusions.

    >>> print(confusion_table(np.array([[9, 1], [0, 5]]), ["cat", "dog"]))
            predicted
    actual  cat  dog    right
       cat    9    1   90.0 %
       dog    ·    5  100.0 %
    """
    names = [shortened(name) for name in classes]
    digits = len(str(matrix.max()))
    right = [f"{100 * matrix[i, i] / n:.1f} %" if (n := matrix[i].sum()) else "-" for i in range(len(names))]
    numbered = [f"{name} [{i}]" for i, name in enumerate(names, start=1)]
    for rows, heads in ((names, names), (numbered, [f"[{i}]" for i in range(1, len(names) + 1)])):
        first = max(len("actual"), *map(len, rows))
        cell = max(digits, *map(len, heads))
        if first + (2 + cell) * len(names) + 9 <= width:
            table = [["actual".ljust(first), *heads, "right"]]
            for name, counts, share in zip(rows, matrix, right, strict=True):
                table.append([name, *(str(n) if n else "·" for n in counts), share])
            lines = aligned(table, least=[first, *[cell] * len(names), 7])
            return "\n".join([" " * (first + 2) + "predicted", *lines])
    return _confusions(matrix, names)


def _confusions(matrix: Array, names: Sequence[str]) -> str:
    wrong = matrix - np.diag(np.diag(matrix))
    worst = np.argsort(wrong, axis=None, kind="stable")[::-1][:MOST_CONFUSIONS]
    pairs = [(*np.unravel_index(place, wrong.shape), wrong.flat[place]) for place in worst]
    lines = [f"  {n:6} × {names[i]}, taken for {names[j]}" for i, j, n in pairs if n]
    return "\n".join(["most frequent confusions:", *(lines or ["  none"])])


def accuracy(actual: Array, predicted: Array) -> str:
    """Return the share of samples whose class is right, in words.

    >>> accuracy(np.array(["a", "b", "b", "b"]), np.array(["a", "b", "b", "a"]))
    'accuracy 75.00 % (3 of 4)'
    """
    right = int((actual == predicted).sum())
    return f"accuracy {100 * right / len(actual):.2f} % ({right:,} of {len(actual):,})"


def regression_scores(y: Array, outputs: Array, names: Sequence[str]) -> str:
    """Return the root of the mean squared error and R² of each output, a line each.

    R² = 1 − Σ(y − a)² / Σ(y − ȳ)²: 1 is perfect, 0 as good as the mean of y.

    >>> print(regression_scores(np.array([[1.0], [3.0]]), np.array([[1.0], [2.0]]), ["price"]))
    RMSE 0.7071 (in the units of price), R² 0.5000
    """
    lines = []
    for j, name in enumerate(names):
        squared = float(((y[:, j] - outputs[:, j]) ** 2).sum())
        total = float(((y[:, j] - y[:, j].mean()) ** 2).sum())
        r2 = f"R² {1 - squared / total:.4f}" if total > 0 else "no R², since it is constant there"
        lines.append(f"RMSE {np.sqrt(squared / len(y)):.4g} (in the units of {shortened(name)}), {r2}")
    return "\n".join(lines)


def data(problem: Problem, training: Training) -> str:
    """Return what there is to learn from, in a line."""
    held = f"{training.n_validation:,} validation, " if training.n_validation else ""
    samples = f"{training.n_rows:,} training, {held}{len(problem.y_test):,} test"
    if problem.target is not None:
        assert problem.table is not None
        n_columns = len(problem.table.names)
        return f"{Path(problem.name).name}: {len(problem.table):,} rows, {n_columns} columns\nrows      {samples}"
    return f"{problem.name}: {samples} samples; {problem.training.shape[1]} features, {problem.n_outputs} classes"


def target(problem: Problem) -> str:
    """Return what is learned, in a line."""
    assert problem.target is not None
    return _target_in_words(str(problem.metadata["target"]), problem.classes, problem.n_outputs)


def _target_in_words(name: str, classes: list[Any] | None, n_outputs: int = 1) -> str:
    if classes:
        labels = ", ".join(shortened(str(label), 12) for label in classes[:6])
        return f"{shortened(name)}: {len(classes)} classes, {labels}{', …' if len(classes) > 6 else ''}"
    return f"{shortened(name)}: {'numbers' if n_outputs == 1 else f'{n_outputs} columns of numbers'}"


def columns_as_data(preprocessor: Preprocessor, table: Table | None = None) -> list[dict[str, Any]]:
    """Return for each column what it was taken for, how it enters and how many values are missing.

    The missing values are those of `table`, by default those of the training rows.
    """
    return [
        {
            "name": column.name, "kind": column.kind, "used": column.used, "enters": _how(preprocessor, column),
            "missing": column.n_missing if table is None else int(table.missing(column.name).sum()),
            "odd": column.n_odd, "example_of_odd": column.odd,
        }
        for column in preprocessor.columns
    ]  # fmt: skip


def _how(preprocessor: Preprocessor, column: Column) -> str:
    if not column.used:
        return f"not used: {column.why}"
    more = "" if column.kind == "boolean" or not column.why else f"; {column.why}"
    odd = f"; {column.n_odd} odd, such as {shorten(column.odd or '')}, as missing" if column.n_odd else ""
    return f"{preprocessor.enters(column.name)}{odd}{more}"


def columns(preprocessor: Preprocessor, table: Table | None = None, width: int = 80) -> str:
    """Return the table of columns, a line each: name, what it was taken for, missing values, how it enters.

    Of more than `MOST_COLUMNS`, neighbours that are alike share a line.
    """
    rows = [["column", "taken for", "missing", "enters as"]]
    described = columns_as_data(preprocessor, table)
    for run in _runs(described) if len(described) > MOST_COLUMNS else [[column] for column in described]:
        first, last = (shortened(run[i]["name"]) or "(no name)" for i in (0, -1))
        n_missing = f"{run[0]['missing']:,}" if run[0]["missing"] else "·"
        name, more = (first, "") if len(run) == 1 else (f"{first} … {last}", f" ({len(run)} columns)")
        rows.append([name, run[0]["kind"], n_missing, run[0]["enters"] + more])
    before = sum(column_widths([row[:3] for row in rows])) + 6
    for row in rows:
        row[3] = shortened(row[3], max(width - before, 20))
    return "\n".join(aligned(rows, left=[0, 1, 3]))


def _runs(described: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Return columns in runs of those that differ in their names only."""
    alike = groupby(described, key=lambda column: [column[key] for key in ("kind", "enters", "missing")])
    return [list(run) for _, run in alike]


def architecture(net: Network) -> str:
    """Return the layers of a network and its cost, in a line.

    >>> import fastbp
    >>> architecture(fastbp.Network([64, 30, 10], cost="cross_entropy"))
    '64 inputs, 30 relu, 10 softmax, cost cross_entropy'
    """
    layers = [f"{n} {activation.name}" for n, activation in zip(net.sizes[1:], net.activations, strict=True)]
    cost = net.cost.name if net.cost.parameter is None else f"{net.cost.name}({net.cost.parameter:g})"
    inputs = f"{net.sizes[0]} input{'s' * (net.sizes[0] > 1)}"
    return ", ".join([inputs, *layers, f"cost {cost}"])


def timing(history: History) -> str:
    """Return how long an epoch took, and how many samples a second training alone did: the medians.

    >>> from fastbp import History
    >>> timing(History(cost=[2, 1], seconds=[0.9, 0.0123], samples_per_second=[1e3, 1.5e5]))
    '2 epochs, 456.1 ms each, 75,500 samples/s (medians)'
    """
    n, seconds = len(history), statistics.median(history.seconds)
    each = f"{1000 * seconds:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"
    speed = f"{statistics.median(history.samples_per_second):,.0f} samples/s"
    return f"1 epoch, {each}, {speed}" if n == 1 else f"{n} epochs, {each} each, {speed} (medians)"


def info(found: Network | Learner, longest: int = 200, width: int = 80) -> str:
    """Return what a model file holds: layers, parameters, metadata; of a table, its columns.

    >>> import fastbp
    >>> print(info(fastbp.Network([2, 1])))
    network     2 inputs, 1 identity, cost quadratic
    parameters  3 in float32
    layer 1     2 -> 1, identity, 3 parameters
    formulation tiles
    metadata    none
    """
    if not isinstance(found, Network):
        return _info_of_bag(found, longest, width)
    lines = [("network", architecture(found)), ("parameters", f"{found.parameters.size:,} in {found.dtype}")]
    for l, (w, activation) in enumerate(zip(found.weights, found.activations, strict=True), start=1):
        lines.append((f"layer {l}", f"{w.shape[1]} -> {w.shape[0]}, {activation.name}, {w.size + len(w):,} parameters"))
    lines.append(("formulation", found.formulation))
    try:
        preprocessor = Preprocessor.from_dict(found.metadata["table"]["preprocessing"])
    except (KeyError, TypeError, ValueError):
        return "\n".join(_aligned_heads([*lines, *_of_metadata(found.metadata, longest)]))
    return _with_columns([*lines, *_of_table(found.metadata, width)], preprocessor, width)


def _info_of_bag(learner: Learner, longest: int, width: int) -> str:
    nets, metadata = list(learner.population_), learner.metadata_
    lines = [
        ("estimator", f"fastbp.tabular.{learner.estimator}, {len(nets)} network{'s' * (len(nets) > 1)}"),
        ("network", architecture(nets[0])),
        ("parameters", f"{len(nets)} × {nets[0].parameters.size:,} in {nets[0].dtype}"),
        *(_of_table(metadata, width) if "table" in metadata else _of_metadata(metadata, longest)),
    ]
    return _with_columns(lines, learner.preprocessor_, width)


def _with_columns(lines: list[tuple[str, str]], preprocessor: Preprocessor, width: int) -> str:
    return "\n".join([*_aligned_heads(lines), "", columns(preprocessor, None, width)])


def _of_metadata(metadata: dict[str, Any], longest: int) -> list[tuple[str, str]]:
    return [
        ("metadata", f"{shortened(key)}: {shortened(json.dumps(value, ensure_ascii=False), longest)}")
        for key, value in metadata.items()
    ] or [("metadata", "none")]


def _aligned_heads(lines: list[tuple[str, str]]) -> list[str]:
    return [f"{head:<11} {text}" for head, text in lines]


def _of_table(metadata: dict[str, Any], width: int) -> list[tuple[str, str]]:
    """Return what a model of a table says about itself; anyone may have written it."""
    classes = metadata.get("classes")
    lines = [("target", _target_in_words(str(metadata.get("target")), classes if isinstance(classes, list) else None))]
    for head in ("scores", "made"):
        if isinstance(values := metadata.get(head), dict):
            words = [
                f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
                for name, value in values.items()
            ]
            text = textwrap.wrap(", ".join(words).replace("_", " "), max(width - 12, 40))
            lines += [(head if i == 0 else "", shortened(part, width)) for i, part in enumerate(text)]
    return lines

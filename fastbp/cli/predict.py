"""`fastbp predict`: a model's predictions for the rows of a file."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

import numpy as np

import fastbp
from fastbp import disk
from fastbp.cli import models, report
from fastbp.cli import tables as tabular
from fastbp.cli.arguments import check_writable
from fastbp.cli.models import Model
from fastbp.cli.options import DATA_SETS
from fastbp.cli.predictions import Predictions
from fastbp.cli.train import existing, split_of
from fastbp.data import Table
from fastbp.tables.arrays import Array, label_texts
from fastbp.tables.errors import DataFileError, shorten
from fastbp.tables.preprocessor import Preprocessor
from fastbp.tables.target import Target

MOST_NAMED = 3  # rows or values that a warning names


def run(options: argparse.Namespace) -> int:
    """Run the command; return the exit status."""
    found = models.load(options.model)
    if options.output:
        check_writable(options.output, [options.model, options.data])
    of_table = None if options.data in DATA_SETS else models.of_table(found, options.model)
    if of_table is not None:
        predictions = _of_table(*of_table, options)
    elif not isinstance(found, fastbp.Network):
        raise ValueError(f"{options.model} is a model of a table, and {options.data} is images")
    elif options.data in DATA_SETS:
        predictions = _of_images(found, options)
    else:
        predictions = _of_numbers(found, options)
    for line in predictions.warnings:
        print(f"fastbp: warning: {line}", file=sys.stderr)
    if predictions.score:
        print(f"{options.data}: {predictions.score}", file=sys.stderr)
    text = json.dumps(predictions.as_data(), ensure_ascii=False) + "\n" if options.json else predictions.as_csv()
    if options.output:
        disk.write(options.output, text.encode())
    else:
        sys.stdout.write(text)
    return 0


def _of_images(net: fastbp.Network, options: argparse.Namespace) -> Predictions:
    split = split_of(options.data, net.dtype.name, options.folder, False, False)
    _check_width(net, split.X_test, options)
    outputs, classes = net.predict(split.X_test), _classes(net)
    result = Predictions(outputs, classes, _output_names(net), probabilities=options.probabilities)
    if classes is not None:
        actual = np.array([str(label) for label in split.y_test.tolist()])
        result.score = report.accuracy(actual, np.array(classes)[outputs.argmax(axis=1)])
    return result


def _of_table(model: Model, kept: dict[str, Any], options: argparse.Namespace) -> Predictions:
    """Predict for a table with the columns of the training, and with whatever else."""
    preprocessor, target = model.preprocessor, model.target
    assert preprocessor is not None and target is not None
    table = _table_like(kept, target, preprocessor, options)
    try:
        outputs = model.outputs(table)
    except DataFileError as error:
        raise ValueError(f"{options.data}: {error}; {options.model} was trained with it") from None
    bad = preprocessor.unreadable(table)
    result = Predictions(
        outputs, None if target.classes is None else list(target.classes), list(target.names),
        ids=_ids(table, preprocessor, options), bad=np.isin(np.arange(len(table)), list(bad)),
        probabilities=options.probabilities,
    )  # fmt: skip
    if bad:
        listed = "; ".join(f"{table.where(row)}: {why}" for row, why in list(bad.items())[:MOST_NAMED])
        more = f"; and {len(bad) - MOST_NAMED} more" if len(bad) > MOST_NAMED else ""
        what = "1 row has" if len(bad) == 1 else f"{len(bad)} rows have"
        result.warnings.append(f"{what} no prediction ({listed}{more})")
    for name, values in preprocessor.unseen(table).items():
        few = ", ".join(map(shorten, values[:MOST_NAMED])) + (", …" if len(values) > MOST_NAMED else "")
        result.warnings.append(f"{shorten(name)} has values that were not, or hardly, in the training: {few}")
    compared = [options.target] if options.target is not None else list(target.names)
    if options.target is not None:
        compared = [tabular.named(options.target, table.names)]
    if all(name in table for name in compared):
        result.compare(tabular.values_of(table, compared), target)
    return result


def _table_like(kept: dict[str, Any], target: Target, preprocessor: Preprocessor, options: argparse.Namespace) -> Table:
    """Read the table as that of the training was read."""
    names, header = kept["names"], kept["header"] and not options.no_header
    text = [column.name for column in preprocessor.columns if column.kind == "category"]
    options.na = [*(options.na or ()), *kept["na"]]
    given = [*text, *target.names, *tabular.place_or_name(options.target)]
    path = existing(options.data)
    try:
        table = tabular.read(
            path, options, given, header, keep_bad_rows=True, target=options.target or _array_of(target)
        )
    except DataFileError:  # an NPZ file need not have the target
        table = tabular.read(path, options, given, header, keep_bad_rows=True, target=options.target)
    if not header and len(table.names) == len(names) - 1 and not set(target.names) <= {names[-1]}:
        without = [name for name in names if name not in target.names]
        table = _renamed(table, without)
    return table


def _array_of(target: Target) -> str:
    return target.names[0] if len(target.names) == 1 else target.names[0].rpartition("_")[0]


def _renamed(table: Table, names: list[str]) -> Table:
    result = Table({new: table[old] for new, old in zip(names, table.names, strict=True)})
    result.lines, result.bad_rows, result.decimal = table.lines, table.bad_rows, table.decimal
    return result


def _ids(table: Table, preprocessor: Preprocessor, options: argparse.Namespace) -> dict[str, list[str | None]]:
    """Return the columns that say which row is which: those asked for, otherwise the identifiers of the training."""
    if options.id:
        chosen = [tabular.named(name, table.names) for name in options.id]
    else:
        chosen = [c.name for c in preprocessor.columns if c.kind in ("index", "identifier") and c.name in table]
    return {name or "row": label_texts(table._column(name)).tolist() for name in chosen}


def _of_numbers(net: fastbp.Network, options: argparse.Namespace) -> Predictions:
    """Predict with a model that takes numbers as they are: one made in Python, or by an earlier version."""
    features, classes = _names(net, "features", net.sizes[0]), _classes(net)
    target = options.target if options.target is not None else net.metadata.get("target")
    table = tabular.read(existing(options.data), options, tabular.place_or_name(options.target), target=options.target)
    names = features or [name for name in table.names if name != target and not _is_target_of_npz(name, table)]
    X = np.column_stack([_finite(table, name, options.data) for name in names]) if names else np.empty((len(table), 0))
    _check_width(net, X, options)
    outputs = net.predict(X)
    result = Predictions(outputs, classes, _output_names(net), probabilities=options.probabilities)
    if isinstance(target, str) and target in table:
        try:
            known = Target.of(table[target], target, "regress" if classes is None else "classify", scale=False)
        except DataFileError:
            if options.target is not None:
                raise
            return result
        result.compare(table[target], known if classes is None else Target((target,), tuple(classes)))
    return result


def _is_target_of_npz(name: str, table: Table) -> bool:
    return "x0" in table and (name in ("y", "Y") or name[:2] in ("y_", "Y_"))


def _finite(table: Table, name: str, path: str) -> Array:
    column = table[name]
    if column.dtype.kind not in "fb":
        bad = next(i for i, value in enumerate(column.tolist()) if value is not None)
        raise ValueError(
            f"{path}: {table.where(bad)}, column {shorten(name)}: {shorten(str(column[bad]))} is not a number"
        )
    faulty = np.flatnonzero(~np.isfinite(column.astype(np.float64)))
    if len(faulty):
        where = table.where(int(faulty[0]))
        raise ValueError(
            f"{path}: {where}, column {shorten(name)}: the value is missing; this model takes numbers only"
        )
    return column.astype(np.float64)


def _check_width(net: fastbp.Network, X: Array, options: argparse.Namespace) -> None:
    if X.shape[1] != net.sizes[0]:
        raise ValueError(
            f"{options.data} has {X.shape[1]} features, but {options.model} needs {net.sizes[0]}, and does not say "
            "which columns they are made of: it was not saved by 'fastbp train' of a table"
        )


def _classes(net: fastbp.Network) -> list[str] | None:
    names = _names(net, "classes", net.sizes[-1])
    if names is None and net.activations[-1].name == "softmax":
        return [str(i) for i in range(net.sizes[-1])]
    return names


def _output_names(net: fastbp.Network) -> list[str]:
    target = net.metadata.get("target", "output")
    return [str(target)] if net.sizes[-1] == 1 else [f"{target}_{j}" for j in range(net.sizes[-1])]


def _names(net: fastbp.Network, key: str, n: int) -> list[str] | None:
    """Return names from the model's metadata, checked: anyone may have written them. None if it has none."""
    names = net.metadata.get(key) if isinstance(net.metadata, dict) else None
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or len(names) != n:
        raise ValueError(f"the model's metadata {key!r} is not a list of {n} texts; train it again")
    return names

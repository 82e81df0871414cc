"""Tables as learning problems: the target, the rows to test on, and doubts."""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from fastbp.data import Split, Table, read_table
from fastbp.tables.arrays import Array, Values
from fastbp.tables.errors import DataFileError, shorten, unknown_name
from fastbp.tables.preprocessor import Preprocessor
from fastbp.tables.target import Target

Rows = npt.NDArray[np.intp]

READING = ("delimiter", "decimal", "encoding")  # options of `read_table`
TELLTALE_ROWS = 5  # rows that each value of a column must have before it can tell the target


@dataclass
class Problem:
    """What there is to learn from: samples to train and to test on, as they come.

    Rows of a table are without the target; images are arrays. y is numbers of classes, (n,), or numbers as they are,
    (n, k).
    """

    training: Any
    y: Array
    test: Any
    y_test: Array
    classes: list[str] | None  # their names; None for regression
    name: str = ""  # of the data
    target: Target | None = None  # of a table, not scaled
    table: Table | None = None  # all rows that have a target, with it
    metadata: dict[str, Any] = field(default_factory=dict)  # for the model file
    notes: list[str] = field(default_factory=list)  # what was done to the rows
    warnings: list[str] = field(default_factory=list)

    @property
    def n_outputs(self) -> int:
        """How many outputs its networks have."""
        return len(self.classes) if self.classes else int(self.y.shape[1])


def problem_of_split(split: Split, name: str) -> Problem:
    """Return the problem of an image data set; its pixels, in [0, 1], are not scaled."""
    classes = [str(label) for label in split.classes.tolist()]
    return Problem(*split[:4], classes, name=name, metadata={"data": name, "classes": classes})


def read(
    path: str, options: argparse.Namespace, text: list[str | int], header: bool | None = None, **more: Any
) -> Table:
    """Return the table of a file, read as the options of the command say."""
    given = {name: getattr(options, name) for name in READING}
    header = False if options.no_header else header
    return read_table(path, header=header, **given, na=options.na or (), text=text, **more)


def place_or_name(column: str | None) -> list[str | int]:
    """Return how `read_table` finds a column: by its name, and if that is a whole number, by its place.

    >>> place_or_name("price"), place_or_name("-1"), place_or_name("2")
    (['price'], ['-1', -1], ['2', 1])
    """
    if column is None:
        return []
    try:
        place = int(column)
    except ValueError:
        return [column]
    return [column, place - (place > 0)]


def named(column: str, names: tuple[str, ...]) -> str:
    """Return the name of a column that is given by name or place: 1 is the first, −1 the last.

    >>> named("-1", ("a", "b")), named("a", ("a", "b"))
    ('b', 'a')
    """
    if column in names:
        return column
    try:
        place = int(column)
        return names[place - (place > 0)]
    except (ValueError, IndexError):
        raise unknown_name("column", column, names) from None


def targets_of(asked: str | None, table: Table) -> list[str]:
    """Return the columns to learn. Raises ValueError if none is named, and there is no Y of an NPZ file."""
    if asked is not None:
        several = [name for name in table.names if name.rpartition("_")[0] == asked and asked not in table]
        return several or [named(asked, table.names)]
    usual = [name for name in table.names if name in ("y", "Y") or name.rpartition("_")[0] in ("y", "Y")]
    if usual and "x0" in table:
        return usual
    few = ", ".join(map(repr, table.names[:10])) + (", …" if len(table.names) > 10 else "")
    raise DataFileError(f"give --target, the column or array to be learned; the columns are {few}")


def problem_of_table(
    table: Table,
    names: list[str],
    kind: Any = None,
    *,
    test: Table | None = None,
    test_share: float = 0.2,
    seed: int = 0,
) -> Problem:
    """Return the problem of a table whose columns `names` are to be learned: classes or numbers.

    Rows without a target are left out. `seed` decides which rows are held out, `test_share` of all, unless there is a
    table `test`; classes have the same share of both. Raises ValueError where `Target.of` or `split_rows` does.
    """
    notes: list[str] = []
    target = _target(table, names, kind)
    table = _with_target(table, names, target, "", notes)
    y = target.encode(values_of(table, names))
    train = np.arange(len(table))
    if test is None:
        train, held_out = split_rows(len(table), test_share, seed, y if target.classes is not None else None)
        test = table.rows(held_out)
    else:
        test = _with_target(test, names, target, " of the test file", notes)
    classes = None if target.classes is None else list(target.classes)
    metadata: dict[str, Any] = {
        "target": names[0] if len(names) == 1 else names[0].rpartition("_")[0],
        "table": {"version": 1, "names": list(table.names)},
    }
    if classes is not None:
        metadata["classes"] = classes
    return Problem(
        table.drop(names).rows(train), y[train], test.drop(names), target.encode(values_of(test, names)), classes,
        target=target, table=table, metadata=metadata, notes=notes,
    )  # fmt: skip


def split_rows(n: int, share: float, seed: int, labels: Array | None = None) -> tuple[Rows, Rows]:
    """Return the rows to train on and the rows held out, drawn at random; at least one of each.

    With `labels`, each class has nearly the same share of the rows held out; the only row of a class is not held out.
    Raises ValueError for fewer than two rows, and for a share that is not between 0 and 1.

    >>> train, test = split_rows(10, 0.2, seed=0)
    >>> len(train), len(test), sorted([*train, *test]) == list(range(10))
    (8, 2, True)
    >>> labels = np.array([0] * 8 + [1] * 2)
    >>> sorted(labels[split_rows(10, 0.5, 0, labels)[1]].tolist())
    [0, 0, 0, 0, 1]
    """
    if not 0 < share < 1:
        raise ValueError(f"the test share is {share:g}; it must be greater than 0 and less than 1, such as 0.2")
    if n < 2:
        raise ValueError("the table has 1 row; at least 2 are needed, one to train on and one to test on")
    order = np.random.default_rng(seed).permutation(n)
    n_held = min(max(round(n * share), 1), n - 1)
    if labels is None:
        return np.sort(order[n_held:]), np.sort(order[:n_held])
    _, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    repeated = order[counts[inverse[order]] > 1]
    if not len(repeated):
        repeated = order
    # Sorted by class, every k-th row: each class has its share, up to one row.
    by_class = repeated[np.argsort(inverse[repeated], kind="stable")]
    n_held = min(n_held, len(by_class))
    held = by_class[((np.arange(n_held) + 0.5) * len(by_class) / n_held).astype(np.intp)]
    return np.setdiff1d(np.arange(n), held), np.sort(held)


def majority(labels: Array) -> tuple[int, float]:
    """Return the most frequent class and its share."""
    counts = np.bincount(labels)
    return int(counts.argmax()), float(counts.max() / counts.sum())


def values_of(table: Table, names: list[str]) -> Values:
    """Return the column of a target, or several as (n, k)."""
    return table._column(names[0]) if len(names) == 1 else np.column_stack([table[name] for name in names])


def _target(table: Table, names: list[str], kind: Any) -> Target:
    if len(names) > 1 and kind == "classify":
        raise DataFileError(f"the target has {len(names)} columns; classes are one column of labels")
    name = names[0] if len(names) == 1 else names[0].rpartition("_")[0]
    return Target.of(values_of(table, names), name, kind, scale=False, decimal=table.decimal)


def _with_target(table: Table, names: list[str], target: Target, which: str, notes: list[str]) -> Table:
    """Return the rows that have a target, and note how many others there were, and why."""
    y = target.encode(values_of(table, names))
    good = y >= 0 if target.classes is not None else ~np.isnan(y).any(axis=1)
    empty = np.any([table.missing(name) for name in names], axis=0)
    n_empty, odd = int(empty.sum()), np.flatnonzero(~good & ~empty)
    if n_empty:
        notes.append(f"{_rows(n_empty)}{which} without a target left out")
    if len(odd):
        cell = str(table[names[0]][odd[0]])
        what = "a number" if target.classes is None or target.n_odd else "one of the classes"
        first = f"{table.where(int(odd[0]))}: {shorten(cell)}"
        notes.append(f"{_rows(len(odd))}{which} left out, whose target is not {what} ({first})")
    if not good.any():
        raise DataFileError(f"no row{which} has a target")
    return table if good.all() else table.rows(good)


def _rows(n: int) -> str:
    return f"{n:,} row{'s' * (n != 1)}"


def doubts(problem: Problem, preprocessor: Preprocessor) -> list[str]:
    """Return warnings about a table itself; the preprocessor says what its columns are."""
    assert problem.table is not None and problem.target is not None
    n_test, n_rows = len(problem.y_test), len(problem.y)
    n_features = sum(len(code.features) - code.n_bins for code in preprocessor.codes)  # without bins
    found = []
    if n_test < 30:
        found.append(f"only {_rows(n_test)} to test on: the scores say little")
    if n_features > n_rows:
        found.append(f"{n_features:,} features for {n_rows:,} training rows: it may learn them by heart")
    if problem.classes is not None:
        labels = problem.target.encode(values_of(problem.table, list(problem.target.names)))
        counts = np.bincount(labels, minlength=len(problem.classes))
        single = [problem.classes[i] for i in np.flatnonzero(counts == 1)]
        if single:
            found.append(f"classes with one row only: {', '.join(map(shorten, single[:5]))}{', …' * (len(single) > 5)}")
        for column in preprocessor.columns:
            if column.kind in ("category", "boolean") and _tells(problem.table[column.name], labels):
                found.append(
                    f"{shorten(column.name)} alone tells the target in every row: if it is not known beforehand, "
                    f"--drop {column.name}"
                )
    return found


def _tells(column: Array, labels: Array) -> bool:
    """Whether each value of a column belongs to one class only, and nearly all rows have a value."""
    pairs = Counter(zip(column.tolist(), labels.tolist(), strict=True))
    missing = sum(n for (value, _), n in pairs.items() if value is None)
    counts = {value: n for (value, _), n in pairs.items() if value is not None}
    n_pairs = sum(value is not None for value, _ in pairs)
    return n_pairs == len(counts) >= 2 and min(counts.values()) >= TELLTALE_ROWS and missing < len(column) / 10

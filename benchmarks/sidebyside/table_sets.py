"""Real tables for `benchmarks/tables.py`: their targets, and the same splits for all models."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas
from sklearn import datasets
from sklearn.model_selection import train_test_split

MOST_ROWS = 4000  # of a split, before a quarter is held out
TEST = 0.25


@dataclass(frozen=True)
class TableSet:
    """A table, the name of its target, and what it is."""

    name: str
    read: Callable[[], pandas.DataFrame]
    target: str
    classes: bool
    tuned: bool = False  # whether the defaults of `fastbp.tabular` were chosen on it

    def split(self, seed: int) -> tuple[pandas.DataFrame, pandas.DataFrame, np.ndarray, np.ndarray]:
        """Return X and y of a random split: X_train, X_test, y_train, y_test."""
        table = self.read()
        rows = np.random.default_rng(seed).permutation(len(table))[:MOST_ROWS]
        table = table.iloc[rows].reset_index(drop=True)
        y = table.pop(self.target).to_numpy()
        y = y.astype(str) if self.classes else y.astype(np.float64)
        parts: Any = train_test_split(table, y, test_size=TEST, random_state=seed, stratify=y if self.classes else None)
        return tuple(part.reset_index(drop=True) if i < 2 else part for i, part in enumerate(parts))


def _csv(name: str, header: bool, *drop: str) -> Callable[[], pandas.DataFrame]:
    def read() -> pandas.DataFrame:
        path = Path(os.environ["FASTBP_DATA"]) / "tables" / f"{name}.csv"
        table = pandas.read_csv(path, header=0 if header else None).drop(columns=[*drop])
        return table.rename(columns=lambda column: column if header else f"column {column + 1}")

    return read


def _bundled(load: Callable[..., Any]) -> Callable[[], pandas.DataFrame]:
    return lambda: load(as_frame=True).frame


# The target of a file without a header is its last column. `alive` of the Titanic is another word for `survived`.
FILES = (
    TableSet("housing", _csv("housing", True), "median_house_value", False, tuned=True),
    TableSet("mpg", _csv("mpg", True), "mpg", False, tuned=True),
    TableSet("winequality", _csv("winequality-red", False), "column 12", False, tuned=True),
    TableSet("titanic", _csv("titanic", True, "alive"), "survived", True, tuned=True),
    TableSet("phoneme", _csv("phoneme", False), "column 6", True, tuned=True),
    TableSet("abalone", _csv("abalone", False), "column 9", False),
    TableSet("taxis", _csv("taxis", True), "total", False),
    TableSet("german", _csv("german", False), "column 21", True),
    TableSet("penguins", _csv("penguins", True), "species", True),
    TableSet("pima", _csv("pima-indians-diabetes", False), "column 9", True),
)
BUNDLED = (
    TableSet("iris", _bundled(datasets.load_iris), "target", True),
    TableSet("wine", _bundled(datasets.load_wine), "target", True),
    TableSet("breast cancer", _bundled(datasets.load_breast_cancer), "target", True),
    TableSet("digits", _bundled(datasets.load_digits), "target", True),
    TableSet("diabetes", _bundled(datasets.load_diabetes), "target", False),
)

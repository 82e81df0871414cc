"""Runs of the command line in this process, and the tables that they read."""

import csv
import io
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastbp.cli.program import main

SPECIES = ["setosa", "versicolor", "virginica"]


def flowers(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 3, 150)
    X = np.array([[0, 1000, 5], [3, 1300, 5], [6, 700, 5]])[kind] + rng.normal(size=(150, 3)) * [1, 100, 0]
    return write(folder / "flowers.csv", ["length", "mass", "const", "species"], X, [SPECIES[k] for k in kind])


def houses(folder: Path) -> Path:
    X = np.random.default_rng(1).uniform(size=(150, 2)) * [200, 5] + [30, 1]
    return write(folder / "houses.csv", ["area", "rooms", "price"], X, (3000 * X[:, 0] + 20000 * X[:, 1]).tolist())


def write(path: Path, header: list[str], X: Any, y: list[Any]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows([*row, value] for row, value in zip(X.tolist(), y, strict=True))
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: Any, status: int = 0) -> tuple[str, str]:
    capsys.readouterr()
    returned = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert returned == status, err
    return out, err


def refused(capsys: pytest.CaptureFixture[str], *arguments: Any, says: str, status: int = 2) -> None:
    before = set(os.listdir())
    out, err = run(capsys, *arguments, status=status)
    assert out == "" or status == 1
    assert err.startswith("fastbp: error: ") and err.count("\n") == 1 and err.endswith("\n")
    assert re.search(says, err), err
    assert set(os.listdir()) == before


def rows(text: str) -> tuple[list[str], list[list[str]]]:
    header, *body = csv.reader(io.StringIO(text))
    return header, body

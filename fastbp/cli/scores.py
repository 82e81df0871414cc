"""How good a model is on rows that it has not seen, beside the simplest guess."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fastbp.cli import report
from fastbp.tables.errors import shorten

if TYPE_CHECKING:
    from typing import Any

    from fastbp.cli.tables import Problem

    Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Scores:
    """Scores as numbers, and in words."""

    numbers: dict[str, float | None]
    lines: list[str]
    baseline: str
    warnings: list[str] = field(default_factory=list)


def of_problem(problem: Problem, outputs: Array) -> Scores:
    """Return the scores of what a model says of the test rows."""
    if problem.classes is not None:
        return of_classes(problem.y_test, outputs, problem.classes, int(np.bincount(problem.y).argmax()))
    assert problem.target is not None
    return of_numbers(problem.y_test, outputs, list(problem.target.names), problem.y.mean(axis=0))


def of_classes(y: Array, outputs: Array, classes: list[str], most_frequent: int) -> Scores:
    """Return accuracy and log-loss, beside those of always saying the most frequent class of the training rows.

    >>> scores = of_classes(np.array([0, 1, 1]), np.array([[0.5, 0.5], [0.2, 0.8], [0, 1]]), ["no", "yes"], 1)
    >>> scores.lines, scores.baseline
    (['accuracy 100.00 % (3 of 3), log-loss 0.3054'], "always the majority, 'yes': 66.67 %")
    """
    predicted = outputs.argmax(axis=1)
    right, share = float((predicted == y).mean()), float((y == most_frequent).mean())
    total = outputs.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        of_right = np.clip(outputs[np.arange(len(y)), y] / total, 1e-15, 1)
    log_loss = float(-np.log(of_right).mean())
    line = f"{report.accuracy(y, predicted)}, log-loss {log_loss:.4g}"
    baseline = f"always the majority, {shorten(classes[most_frequent])}: {100 * share:.2f} %"
    warnings = []
    if right <= share:
        warnings.append("no better than always saying the majority")
    return Scores({"accuracy": right, "log_loss": log_loss, "majority": share}, [line], baseline, warnings)


def of_numbers(y: Array, predicted: Array, names: list[str], mean: Array) -> Scores:
    """Return RMSE and R² of each column, beside the RMSE of always saying the mean of the training rows."""
    rmse = np.sqrt(((y - predicted) ** 2).mean(axis=0))
    of_mean = np.sqrt(((y - mean) ** 2).mean(axis=0))
    total = ((y - y.mean(axis=0)) ** 2).mean(axis=0)
    r2 = [float(1 - e**2 / t) if t > 0 else None for e, t in zip(rmse, total, strict=True)]
    numbers: dict[str, float | None] = {}
    for j, name in enumerate(names):
        end = "" if len(names) == 1 else f"_{name}"
        numbers |= {f"rmse{end}": float(rmse[j]), f"r2{end}": r2[j], f"rmse_of_mean{end}": float(of_mean[j])}
    worse = [name for name, value in zip(names, r2, strict=True) if value is not None and value < 0]
    warnings = [f"R² of {shorten(name)} is below 0: the mean is a better guess than this model" for name in worse]
    baseline = f"always the mean: RMSE {', '.join(f'{value:.4g}' for value in of_mean)}"
    return Scores(numbers, report.regression_scores(y, predicted, names).splitlines(), baseline, warnings)

"""Predictions of a model as CSV or JSON, and their score where the target is known."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastbp.cli import report
from fastbp.tables.arrays import Array
from fastbp.tables.target import Target


@dataclass
class Predictions:
    """What a model says of rows.

    >>> found = Predictions(np.array([[0.25, 0.75]]), ["no", "yes"], ["t"], probabilities=True)
    >>> print(found.as_csv(), end="")
    predicted,probability_no,probability_yes
    yes,0.25,0.75
    """

    outputs: Array  # (n, k): probabilities of classes, or numbers in the units of the target
    classes: list[str] | None
    names: list[str]  # of the columns of numbers
    ids: dict[str, list[str | None]] = field(default_factory=dict)
    bad: Array | None = None  # a mask of rows without a prediction
    probabilities: bool = False
    score: str = ""
    warnings: list[str] = field(default_factory=list)

    def columns(self) -> dict[str, list[Any]]:
        """Return the columns of the result; None where a row has no prediction."""
        found: dict[str, list[Any]] = {**self.ids}
        if self.classes is None:
            heads = ["predicted"] if len(self.names) == 1 else [f"predicted_{name}" for name in self.names]
            found |= {head: column.tolist() for head, column in zip(heads, self.outputs.T, strict=True)}
        else:
            best = self.outputs.argmax(axis=1).tolist() if self.outputs.shape[1] > 1 else None
            found["predicted"] = [self.classes[i] for i in best or [0] * len(self.outputs)]
            if self.probabilities:
                heads = [f"probability_{name}" for name in self.classes]
                found |= {head: column.tolist() for head, column in zip(heads, self.outputs.T, strict=True)}
        if self.bad is not None and self.bad.any():
            for head in found.keys() - self.ids.keys():
                found[head] = [None if bad else v for v, bad in zip(found[head], self.bad.tolist(), strict=True)]
        return found

    def as_csv(self) -> str:
        """Return a header line and a line for each row."""
        columns, text = self.columns(), io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(
            ["" if value is None else value for value in row] for row in zip(*columns.values(), strict=True)
        )
        return text.getvalue()

    def as_data(self) -> dict[str, Any]:
        """Return it for JSON."""
        columns = self.columns()
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        return {"predictions": rows, "score": self.score or None, "warnings": self.warnings}

    def compare(self, values: Any, target: Target) -> None:
        """Score the rows that have a prediction and a target, which need not be all."""
        y = target.encode(values)
        known = y >= 0 if target.classes is not None else ~np.isnan(y).any(axis=1)
        if self.bad is not None:
            known &= ~self.bad
        if not known.any():
            return
        if self.classes is not None:
            self.score = report.accuracy(y[known], self.outputs[known].argmax(axis=1))
            return
        actual = target.decode(y[known]).reshape(int(known.sum()), -1)
        self.score = "; ".join(report.regression_scores(actual, self.outputs[known], self.names).splitlines())

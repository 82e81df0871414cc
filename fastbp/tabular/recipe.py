"""The recipe of `fastbp.tabular`: what a network for a table is, and how it is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import fastbp
from fastbp.optimizers.schedules import LogCosine

SMALLEST_BATCH, LARGEST_BATCH = 16, 1024


@dataclass(frozen=True)
class Recipe:
    """What is alike in all members of a bag. The parameters are those of the estimators, checked."""

    hidden_layer_sizes: tuple[int, ...]
    activation: str
    learning_rate: float
    weight_decay: float
    label_smoothing: float
    dropout: float | None
    epochs: int
    batch_size: int

    def network(self, n_in: int, n_out: int, seed: int, *, classes: bool) -> fastbp.Network:
        """Return a network that begins with the same output for all inputs: its last weights are 0."""
        cost, output = ("cross_entropy", "softmax") if classes else ("squared_error", "identity")
        sizes = [n_in, *self.hidden_layer_sizes, n_out]
        net = fastbp.Network(sizes, activation=self.activation, cost=cost, output_activation=output, seed=seed)
        net.weights[-1][:] = 0
        return net

    def options(self, *, classes: bool) -> dict[str, Any]:
        """Return the options of the `fit` of a member, without its data and its optimizer."""
        return {
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "schedule": LogCosine(self.epochs),
            "label_smoothing": self.label_smoothing if classes else 0.0,
            "dropout": self.dropout if self.hidden_layer_sizes else None,
            "early_stopping": fastbp.EarlyStopping(patience=None),
            "progress": False,
        }

    def optimizer(self) -> fastbp.AdamW:
        """Return the optimizer of a member."""
        return fastbp.AdamW(self.learning_rate, beta_2=0.95, weight_decay=self.weight_decay)


def batch_size_for(n_rows: int) -> int:
    """Return the size of a mini-batch: the power of two nearest to √n, from 16 to 1024.

    >>> [batch_size_for(n) for n in (100, 3_000, 50_000, 10_000_000)]
    [16, 64, 256, 1024]
    """
    nearest = 2 ** round(math.log2(max(1, n_rows)) / 2)
    return min(max(nearest, SMALLEST_BATCH), LARGEST_BATCH)

"""The recipe of `fastbp.tabular`: what a network for a table is, and how it is trained."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any, Literal

from fastbp.network import Network
from fastbp.optimizers import AdamW
from fastbp.optimizers.schedules import CosineDecay, LogCosine
from fastbp.tables import Preprocessor
from fastbp.training.early_stopping import EarlyStopping

SMALLEST_BATCH, LARGEST_BATCH = 32, 1024


@dataclass(frozen=True)
class Recipe:
    """What is alike in all members of a bag: the parameters of the estimators, and what only measurements vary.

    `batch_size` is None for that of `batch_size_for`. `first_rate` and `bias_rate` are factors of the learning rate, of
    the first layer and of all biases.
    """

    hidden_layer_sizes: tuple[int, ...] = (32, 32)
    activation: str = "relu"
    learning_rate: float = 0.005
    weight_decay: float = 0.02
    label_smoothing: float = 0.05
    dropout: float | None = None
    epochs: int = 64
    batch_size: int | None = None
    n_members: int = 8
    numbers: Literal["scaled", "piecewise_linear", "both"] = "both"
    n_bins: int = 16
    linear_start: bool = True
    schedule: Literal["cosine", "log_cosine", "constant"] = "cosine"
    beta_2: float = 0.95
    first_rate: float = 1.0
    bias_rate: float = 1.0
    zero_output: bool = True
    centred: bool = True
    tempered: bool = True
    best_epoch: bool = True

    def network(self, n_in: int, n_out: int, seed: int, *, classes: bool) -> Network:
        """Return a network. With `zero_output` its last weights are 0, so all inputs have the same output at first."""
        cost, output = ("cross_entropy", "softmax") if classes else ("squared_error", "identity")
        sizes = [n_in, *self.hidden_layer_sizes, n_out]
        net = Network(sizes, activation=self.activation, cost=cost, output_activation=output, seed=seed)
        if self.zero_output:
            net.weights[-1][:] = 0
        return net

    def rates(self) -> Callable[[int, float], float] | None:
        """Return the schedule of the learning rate."""
        schedules: dict[str, Any] = {
            "cosine": CosineDecay(self.epochs), "log_cosine": LogCosine(self.epochs), "constant": None,
        }  # fmt: skip
        found: Callable[[int, float], float] | None = schedules[self.schedule]
        return found

    def preprocessor(self, drop: Collection[str] = (), categorical: Collection[str] = ()) -> Preprocessor:
        """Return what will make features of the columns."""
        return Preprocessor(
            numbers=self.numbers, n_bins=self.n_bins, categorical=categorical, drop=drop, dtype="float32"
        )

    def for_rows(self, n_rows: int) -> Recipe:
        """Return the recipe with the size of a mini-batch for so many rows, if it has none."""
        return self if self.batch_size is not None else replace(self, batch_size=batch_size_for(n_rows))

    def options(self, *, classes: bool) -> dict[str, Any]:
        """Return the options of the `fit` of a member, without its data, optimizer and schedule."""
        return {
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "label_smoothing": self.label_smoothing if classes else 0.0,
            "dropout": self.dropout if self.hidden_layer_sizes else None,
            "early_stopping": EarlyStopping(patience=None) if self.best_epoch else None,
        }

    def optimizer(self) -> AdamW:
        """Return the optimizer of a member."""
        layers = range(len(self.hidden_layer_sizes) + 1)
        rates = [(self.first_rate if l == 0 else 1.0, self.bias_rate) for l in layers]
        plain = all(rate == (1.0, 1.0) for rate in rates)
        return AdamW(
            self.learning_rate, beta_2=self.beta_2, weight_decay=self.weight_decay, layer_rates=None if plain else rates
        )


def batch_size_for(n_rows: int) -> int:
    """Return the size of a mini-batch: the power of two nearest to √n / 2, from 32 to 1024.

    >>> [batch_size_for(n) for n in (100, 3_000, 50_000, 10_000_000)]
    [32, 32, 128, 1024]
    """
    nearest: int = 2 ** round(math.log2(max(1, n_rows)) / 2 - 1)
    return min(max(nearest, SMALLEST_BATCH), LARGEST_BATCH)

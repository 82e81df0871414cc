"""The recipe of `fastbp.tabular`: what a network for a table is, and how it is trained."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from fastbp.network import Network
from fastbp.optimizers import AdamW
from fastbp.optimizers.schedules import CosineDecay, LogCosine
from fastbp.training.early_stopping import EarlyStopping

SMALLEST_BATCH, LARGEST_BATCH = 32, 1024


@dataclass(frozen=True)
class Recipe:
    """What is alike in all members of a bag: the parameters of the estimators, and what only measurements vary.

    `first_rate` and `bias_rate` are factors of the learning rate, of the first layer and of all biases.
    """

    hidden_layer_sizes: tuple[int, ...]
    activation: str
    learning_rate: float
    weight_decay: float
    label_smoothing: float
    dropout: float | None
    epochs: int
    batch_size: int
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

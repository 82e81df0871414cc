"""A training of the book, as its programs run it, and what they record."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from fastbp.network.network import FormulationName, Network
from fastbp.optimizers import SGD
from fastbp.replay.material import Book, Pair, Series
from fastbp.replay.recipe import Generators, starting_parameters
from fastbp.training.callbacks import Callback
from fastbp.training.callbacks import Run as Fit
from fastbp.training.history import History

BATCH_SIZE = 10
N_TRAINING = 50_000


@dataclass(frozen=True)
class Training:
    """What is trained, and how. All layers are sigmoid."""

    sizes: tuple[int, ...]
    learning_rate: float
    epochs: int
    lmbda: float = 0.0  # λ
    cost: str = "cross_entropy"  # or "quadratic"
    # Whether the weights are `large` in each draw before the training: the last one counts, the others only advance the
    # generator, as in the book's programs.
    draws: tuple[bool, ...] = (True,)
    n: int = N_TRAINING  # it uses the first n images
    evaluated: str = "test"  # the data set of the accuracy: "test" or "validation"
    on_training: bool = False  # whether the training images are evaluated as well
    every_epoch: bool = True  # whether every epoch is evaluated, not only the last
    name: str = ""  # its label in the pictures of its experiment
    run: str = "0"  # its name in the book's file
    published: float | None = None  # the accuracy that the book states, the best of all epochs, as a fraction
    chaotic: bool = False  # whether rounding decides after some epochs, so that nobody can replay it
    left_out: int = 0  # epochs of the book that are not trained, but whose orders are drawn

    @property
    def large(self) -> bool:
        """Whether weights start as N(0, 1)."""
        return self.draws[-1]

    @property
    def work(self) -> float:
        """How long it takes, in no particular unit."""
        weights = sum(n_in * n_out for n_in, n_out in pairwise(self.sizes))
        evaluated = 10_000 + self.n * self.on_training
        return self.epochs * weights * (self.n + 0.3 * evaluated * self.every_epoch)

    def __str__(self) -> str:
        regularised = f", λ {self.lmbda:g}" if self.cost == "cross_entropy" else ""
        return f"[{','.join(map(str, self.sizes))}] {self.cost}, η {self.learning_rate:g}{regularised}"


@dataclass
class Outcome:
    """What a training achieved. Both generators have the same seed.

    The series are those of the book's programs: counts of right answers, and costs with the penalty (λ/2n) Σ w², where
    n is the size of the data set that is evaluated.
    """

    training: Training
    seed: int
    series: Series = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)  # of each epoch, evaluation included
    silent: list[int] = field(default_factory=list)  # digits whose output is below ½ for all their evaluation images

    @property
    def accuracy(self) -> list[float]:
        """The accuracy on the evaluation data, 10,000 images, after every epoch."""
        return [right / 10_000 for right in self.series["evaluation_right"]]


class _Penalty(Callback):
    """Records ½ Σ w² after every epoch, and reports how many epochs are done."""

    def __init__(self, tell: Callable[[int], None]) -> None:
        self.values: list[float] = []
        self._tell = tell

    def on_epoch_end(self, run: Fit) -> None:
        self._tell(run.epoch)
        self.values.append(0.5 * sum(float(np.linalg.norm(w)) ** 2 for w in run.net.weights))


def sigmoid_network(sizes: tuple[int, ...], cost: str, formulation: FormulationName) -> Network:
    """Return a network of sigmoid layers in float64, all its parameters 0."""
    return Network(
        sizes, activation="sigmoid", output_activation="sigmoid", cost=cost, initializer="zeros", dtype="float64",
        formulation=formulation,
    )  # fmt: skip


def fit(net: Network, pair: Any, **options: Any) -> History:
    """Train by `Network.fit`, without a progress bar. Raises KeyboardInterrupt after Ctrl-C."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "training was interrupted", RuntimeWarning)
        history = net.fit(*pair, progress=False, **options)
    if history.interrupted:
        raise KeyboardInterrupt
    return history


def train(
    training: Training,
    generators: Generators,
    seed: int,
    book: Book,
    formulation: FormulationName,
    anew: bool = False,
    tell: Callable[[int], None] = lambda epoch: None,
) -> Outcome:
    """Train as the book's programs do. Raises KeyboardInterrupt after Ctrl-C.

    `anew` says whether the program shuffles a new list of samples instead of that of its last training. After every
    epoch `tell` is called with the number of epochs done.
    """
    net = sigmoid_network(training.sizes, training.cost, formulation)
    for large in training.draws:
        net.parameters = starting_parameters(training.sizes, generators.numpy, large)
    X, y = book.first(training.n)
    data = {"evaluation": getattr(book, training.evaluated)} | ({"training": (X, y)} if training.on_training else {})
    penalty = _Penalty(tell)
    history = fit(
        net, (X, y), epochs=training.epochs, batch_size=BATCH_SIZE, optimizer=SGD(training.learning_rate),
        l2=training.lmbda, shuffle=generators.orders(training.n, anew), callbacks=[penalty],
        validation_data=data if training.every_epoch else None,
    )  # fmt: skip
    generators.skip(training.n, training.left_out)
    outcome = Outcome(training, seed, seconds=history.seconds, silent=_silent(net, data["evaluation"]))
    for name, (X, y) in data.items():
        costs, accuracies = _evaluations(net, history, name, (X, y))
        penalties = penalty.values[-len(costs) :]
        outcome.series[f"{name}_cost"] = [
            cost + training.lmbda / len(y) * penalty for cost, penalty in zip(costs, penalties, strict=True)
        ]
        outcome.series[f"{name}_right"] = [float(round(accuracy * len(y))) for accuracy in accuracies]
    return outcome


def _silent(net: Network, pair: Pair) -> list[int]:
    outputs = net.predict(pair[0])
    return [digit for digit in range(outputs.shape[1]) if not (outputs[pair[1] == digit, digit] >= 0.5).any()]


def _evaluations(net: Network, history: History, name: str, pair: Pair) -> tuple[list[float], list[float]]:
    if f"{name}_cost" in history.metrics:
        return history.metrics[f"{name}_cost"], history.metrics[f"{name}_accuracy"]
    evaluation = net.evaluate(*pair)
    return [evaluation.cost], [evaluation.accuracy or 0.0]

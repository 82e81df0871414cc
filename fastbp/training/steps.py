"""The steps of a training: what is computed next. Whoever drives them decides when, and on which thread."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from typing import Protocol, TypeAlias

from fastbp.batches.orders import Order
from fastbp.formulations.interface import Trainer

# Orders to train on, each answered with the sum of the costs; None between two epochs, answered with 1 to stop, else 0.
Steps: TypeAlias = Generator[Order | None, float, None]


class Book(Protocol):
    """What `train` reports to: a `Loop`, or the estimators of `fastbp.sklearn`."""

    def advance(self, n_samples: int) -> None:
        """Count samples that were trained on."""

    def epoch_done(self, epoch: int, cost: float, n_samples: int) -> bool:
        """End an epoch, counted from 1, with its mean cost. Return whether to stop."""

    def begin_epoch(self, epoch: int) -> None:
        """Begin an epoch after the first."""


def train(trainer: Trainer, epoch_in_pieces: Callable[[], Iterator[Order]], epochs: int, book: Book) -> None:
    """Train epoch after epoch, each in pieces of whole mini-batches.

    Each `trainer.train` is one compiled call; between two of them Python handles Ctrl-C.
    """
    drive(in_pieces(epoch_in_pieces, epochs, book), trainer.train)


def in_pieces(epoch_in_pieces: Callable[[], Iterator[Order]], epochs: int, book: Book) -> Steps:
    """Yield the pieces of epoch after epoch."""
    for epoch in range(1, epochs + 1):
        cost, n_samples = 0.0, 0
        for rows in epoch_in_pieces():
            cost += yield rows
            n_samples += len(rows)
            book.advance(len(rows))
            if not math.isfinite(cost):
                break
        if book.epoch_done(epoch, cost / n_samples, n_samples) or epoch == epochs or (yield None):
            return
        book.begin_epoch(epoch + 1)


def drive(steps: Steps, train: Callable[[Order], float]) -> None:
    """Compute one step after the other."""
    with closing(steps), suppress(StopIteration):
        rows = next(steps)
        while True:
            rows = steps.send(0.0 if rows is None else train(rows))

"""The steps of a training: what is computed next. Whoever drives them decides when, and on which thread."""

from __future__ import annotations  # so that naming a Trainer costs nothing

import math
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from fastbp.batches.orders import Order
from fastbp.formulations.interface import Trainer
from fastbp.formulations.rounds import Row
from fastbp.model import Model


@dataclass(slots=True)
class Piece:
    """Samples to train on in one compiled call, whole mini-batches, and the trainer and network they are for."""

    trainer: Trainer
    model: Model
    rows: Order

    def train(self) -> float:
        """Train on them; return the sum of their costs."""
        return self.trainer.train(self.rows)

    def row(self) -> Row | None:
        """Return the same as a row of a round, or None if the trainer cannot join one."""
        return self.trainer.row(self.rows)

    @property
    def flops(self) -> float:
        """Floating-point operations."""
        return self.model.flops_per_sample * len(self.rows)


# The steps of a training: pieces to train on, each answered with the sum of the costs; None between two epochs,
# answered with 1 to stop, else 0.
Steps: TypeAlias = Generator[Piece | None, float, None]


class Book(Protocol):
    """What `in_pieces` reports to: a `Loop`, or the estimators of `fastbp.sklearn`."""

    def advance(self, n_samples: int) -> None:
        """Count samples that were trained on."""

    def epoch_done(self, epoch: int, cost: float, n_samples: int) -> bool:
        """End an epoch, counted from 1, with its mean cost. Return whether to stop."""

    def begin_epoch(self, epoch: int) -> None:
        """Begin an epoch after the first."""


def in_pieces(
    trainer: Trainer,
    model: Model,
    epoch_in_pieces: Callable[[], Iterator[Order]],
    epochs: int,
    book: Book,
    first: int = 1,
) -> Steps:
    """Yield the pieces of epoch after epoch, from the `first`.

    Each is one compiled call; between two of them Python handles Ctrl-C.
    """
    for epoch in range(first, epochs + 1):
        cost, n_samples = 0.0, 0
        for rows in epoch_in_pieces():
            cost += yield Piece(trainer, model, rows)
            n_samples += len(rows)
            book.advance(len(rows))
            if not math.isfinite(cost):
                break
        if book.epoch_done(epoch, cost / n_samples, n_samples) or epoch == epochs or (yield None):
            return
        book.begin_epoch(epoch + 1)


def one_step_each(
    epoch_in_pieces: Callable[[], Iterator[Order]], batch_size: int, begin_step: Callable[[int], None]
) -> Iterator[Order]:
    """Yield an epoch in pieces of one step each.

    Before each but the first, `begin_step` is called with the number of samples that the epoch has had.
    """
    done = 0
    for rows in epoch_in_pieces():
        for start in range(0, len(rows), batch_size):
            if done:
                begin_step(done)
            step = rows[start : start + batch_size]
            yield step
            done += len(step)


def drive(steps: Steps) -> None:
    """Compute one step after the other."""
    with closing(steps), suppress(StopIteration):
        piece = next(steps)
        while True:
            piece = steps.send(0.0 if piece is None else piece.train())

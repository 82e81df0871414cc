"""The steps of a training: what is computed next. Whoever drives them decides when, and on which thread."""

from __future__ import annotations  # so that naming a Trainer costs nothing

import math
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from fastbp.batches.orders import Order
from fastbp.formulations.interface import Trainer
from fastbp.formulations.rounds import Row, until_not_finite
from fastbp.model import Model


@dataclass(slots=True)
class Piece:
    """Samples to train on while Python does not look, and the trainer and network they are for.

    They are whole mini-batches of an epoch, or the whole epochs of several orders of the same length.
    """

    trainer: Trainer
    model: Model
    orders: Sequence[Order]

    def train(self) -> list[float]:
        """Train on them; return the sums of the costs of each order, up to the first that is not finite."""
        return until_not_finite(map(self.trainer.train, self.orders))

    def row(self) -> Row | None:
        """Return the same as a row of a round, or None if the trainer cannot join one."""
        return self.trainer.row(self.orders)

    @property
    def flops(self) -> float:
        """Floating-point operations."""
        return self.model.flops_per_sample * len(self.orders) * len(self.orders[0])


# The steps of a training: pieces to train on, each answered with what `Piece.train` returns; None between epochs, and
# before the first if there are pieces, answered with how many epochs may be trained before the next None, 0 to stop.
Steps: TypeAlias = Generator[Piece | None, Any, None]
ANY_NUMBER = sys.maxsize  # of epochs


class Book(Protocol):
    """What `in_pieces` reports to: a `Loop`, or the estimators of `fastbp.sklearn`."""

    def begin_epoch(self, epoch: int) -> None:
        """Begin an epoch, counted from 1, and those that are trained with it."""

    def together(self) -> int:
        """Return how many of the next epochs may be trained before anybody has to look, at least 1."""

    def advance(self, n_samples: int) -> None:
        """Count samples that were trained on."""

    def epochs_done(self, epoch: int, costs: Sequence[float], n_samples: int) -> bool:
        """End epochs, counted from 1, `epoch` the last of them, with their mean costs. Return whether to stop."""


def in_pieces(
    trainer: Trainer,
    model: Model,
    epoch_in_pieces: Callable[[], Iterator[Order]],
    epochs: int,
    book: Book,
    first: int = 1,
) -> Steps:
    """Yield the pieces of epoch after epoch, from the `first`; between two of them Python handles Ctrl-C.

    A long epoch is several pieces. Several short ones are one, if nobody has to look between them. Orders that were not
    used, because an epoch before had a cost that is not finite, are those of the next epochs.
    """
    done, drawn = first - 1, list[Order]()
    while done < epochs and (allowed := (yield None)):
        book.begin_epoch(done + 1)
        together = min(allowed, book.together(), epochs - done)
        if together > 1 or drawn:
            drawn += [rows for _ in range(together - len(drawn)) for rows in epoch_in_pieces()]
            n_samples = len(drawn[0])
            costs: list[float] = yield Piece(trainer, model, drawn[:together])
            del drawn[: len(costs)]
            book.advance(n_samples * len(costs))
        else:
            costs, n_samples = [0.0], 0
            for rows in epoch_in_pieces():
                costs[0] += sum((yield Piece(trainer, model, [rows])))
                n_samples += len(rows)
                book.advance(len(rows))
                if not math.isfinite(costs[0]):
                    break
        done += len(costs)
        if book.epochs_done(done, [cost / n_samples for cost in costs], n_samples):
            return


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
            piece = steps.send(ANY_NUMBER if piece is None else piece.train())

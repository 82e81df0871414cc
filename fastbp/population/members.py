"""A member in training: the steps of its `fit`, taken when somebody computes them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from fastbp.formulations.rounds import Row
from fastbp.training.callbacks import Run
from fastbp.training.divergence import DivergenceError
from fastbp.training.loop import Loop
from fastbp.training.paused import Paused
from fastbp.training.plan import Plan
from fastbp.training.steps import Piece, Steps


class Member(ABC):
    """A training of at most `epochs` epochs, as a generator of steps, and the step that it waits for."""

    def __init__(self, steps: Steps, epochs: int):
        self._steps, self.epochs = steps, epochs
        self.piece: Piece | None = None  # to train on next; None between epochs
        self.row: Row | None = None  # the same for a round; None also if this member trains alone
        self.ended = False
        self.n_bytes = 0  # in use from the first step to the end, where it matters how many train at once

    @property
    @abstractmethod
    def epochs_done(self) -> int:
        """Whole epochs so far."""

    def go_on(self, answer: Any) -> None:
        """Answer the last step, as `Steps` says (None begins), and find the next one, or the end."""
        try:
            self.piece = next(self._steps) if answer is None else self._steps.send(answer)
        except StopIteration:
            self.piece, self.ended = None, True
        self.row = None if self.piece is None else self.piece.row()

    @property
    def flops(self) -> float:
        """Floating-point operations of the next step."""
        return 0.0 if self.piece is None else self.piece.flops

    def close(self) -> None:
        """Take no more steps."""
        self._steps.close()


class NetworkMember(Member):
    """A network and its plan. A divergence ends this member only."""

    def __init__(self, index: int, net: Any, plan: Plan, paused: Paused | None = None):
        self.index, self.history = index, plan.history
        self._run = Run(net, plan.history, plan.epochs, tuple(plan.metrics))
        self.loop = Loop(plan, self._run, paused)
        self.diverged = False
        super().__init__(self.loop.steps(), plan.epochs)

    @property
    def epochs_done(self) -> int:
        """Those in the history."""
        return len(self.history)

    def go_on(self, answer: Any) -> None:
        """Answer the last step and find the next one, or the end."""
        try:
            with self.loop.numbers():
                super().go_on(answer)
        except DivergenceError as error:
            self.loop.undo()
            self.history.stopped = str(error)
            self.ended = self.diverged = True
        except Exception as error:
            error.add_note(f"(while member {self.index} was trained)")
            raise

    def stop(self, why: str) -> None:
        """Let the next `go_on` end the training."""
        self._run.stop, self.history.stopped = True, why

    def undo(self, *, interrupted: bool) -> None:
        """Go back to the last whole epoch, unless the training has ended."""
        if not self.ended:
            self.close()
            self.loop.undo()
            self.history.interrupted = interrupted

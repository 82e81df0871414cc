"""A member in training: the steps of its `fit`, taken when somebody computes them."""

from __future__ import annotations

from typing import Any

from fastbp.batches.orders import Order
from fastbp.formulations.rounds import Row
from fastbp.training.callbacks import Run
from fastbp.training.loop import DivergenceError, Loop
from fastbp.training.plan import Plan


class Member:
    """A network, its plan, and the step that it waits for."""

    def __init__(self, index: int, net: Any, plan: Plan):
        self.index, self.plan, self.history = index, plan, plan.history
        self._run = Run(net, plan.history, plan.epochs, tuple(plan.metrics))
        self.loop = Loop(plan, self._run)
        self._steps = self.loop.steps()
        self.rows: Order | None = None  # to train on next; None between two epochs
        self.row: Row | None = None  # the same for a round; None also if this member trains alone
        self.ended = self.diverged = False

    def go_on(self, answer: float | None) -> None:
        """Answer the last step (None begins) and find the next one, or the end. A divergence ends this member only."""
        try:
            with self.loop.numbers():
                self.rows = next(self._steps) if answer is None else self._steps.send(answer)
            self.row = None
            if self.rows is not None and self.loop.trainer is not None:
                self.row = self.loop.trainer.row(self.rows)
        except StopIteration:
            self.ended = True
        except DivergenceError as error:
            self.loop.undo()
            self.history.stopped = str(error)
            self.ended = self.diverged = True

    def stop(self, why: str) -> None:
        """Let the next `go_on` end the training."""
        self._run.stop, self.history.stopped = True, why

    def train(self) -> float:
        """Compute the next step."""
        assert self.rows is not None
        return self.loop.train(self.rows)

    @property
    def flops(self) -> float:
        """Floating-point operations of the next step."""
        return 0.0 if self.rows is None else self.plan.training.model.flops_per_sample * len(self.rows)

    def undo(self, *, interrupted: bool) -> None:
        """Go back to the last whole epoch, unless the training has ended."""
        if not self.ended:
            self._steps.close()
            self.loop.undo()
            self.history.interrupted = interrupted

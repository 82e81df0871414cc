"""Many estimators in training at once, by the scheduler of `Population`."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from fastbp.compiler.together import telling
from fastbp.population.members import Member
from fastbp.population.rounds import rounds
from fastbp.population.training import Race, Training
from fastbp.progress import Members
from fastbp.sklearn.epochs import Epochs
from fastbp.sklearn.given import Given
from fastbp.training.steps import Steps


class EstimatorMember(Member):
    """An MLP in training. It gets the bits that its `fit` would give it.

    `given` is what it trains on, or a function that returns it when the training begins. A solver without mini-batches
    trains as a whole in the first `go_on`.
    """

    def __init__(self, mlp: Any, given: Given | Callable[[], Given]):
        super().__init__(self._steps_of_fit(), mlp.max_iter)
        self.mlp, self._given = mlp, given
        self.seconds = self.computed = 0.0  # of its work in Python, and the floating-point operations of its steps
        self._at_work: Epochs | None = None

    def _steps_of_fit(self) -> Steps:
        net, self._at_work = self.mlp._begin(self._given if isinstance(self._given, Given) else self._given())
        if self._at_work is not None:
            self.n_bytes = self._at_work.n_bytes
            yield from self._at_work.steps()
        self.mlp._end(net)
        self._at_work = None

    @property
    def epochs_done(self) -> int:
        """Those of the estimator."""
        return getattr(self.mlp, "n_iter_", 0)

    def go_on(self, answer: Any) -> None:
        """Answer the last step and find the next one, or the end."""
        start = time.perf_counter()
        super().go_on(answer)
        self.seconds += time.perf_counter() - start
        self.computed += self.flops


def train_all(members: Sequence[EstimatorMember], race: Race | None, progress: bool, what: str) -> None:
    """Train all members. An error of one, or Ctrl-C, ends the training of all.

    Afterwards `seconds` are of the whole training of a member: its work in Python, and of the time that was spent on
    steps a share by their floating-point operations.
    """
    line = Members(progress, what, len(members), sum(member.epochs for member in members))
    start = time.perf_counter()
    try:
        with line, telling(line.tell), rounds() as compute:
            Training(members, race, line).run(compute)
    finally:
        for member in members:
            member.close()
    rest = max(0.0, time.perf_counter() - start - sum(member.seconds for member in members))
    computed = sum(member.computed for member in members) or 1.0
    for member in members:
        member.seconds += rest * member.computed / computed

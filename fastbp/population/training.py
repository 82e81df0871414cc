"""The training of a population: members go from Python's work between epochs to rounds of compiled code and back."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from fastbp.compiler.together import telling
from fastbp.population.halving import Halving, Judge
from fastbp.population.members import Member
from fastbp.population.rounds import Rounds, rounds
from fastbp.progress import Members
from fastbp.training.plan import Plan

MOST_NAMED = 10  # members in a warning


class Training:
    """Members in training: each waits for Python, is ready for a round, in the running one, or paused by a halving."""

    def __init__(self, members: list[Member], halving: Halving | None, judge: Judge | None, progress: Members):
        self._halving, self._judge, self._progress = halving, judge, progress
        self._waiting: deque[tuple[Member, float | None]] = deque((member, None) for member in members)
        self._ready: list[Member] = []
        self._paused: list[Member] = []
        self._active = len(members)

    def run(self, rounds: Rounds) -> None:
        """Train until all members have ended."""
        while self._active:
            if rounds.running and rounds.ready:
                self._waiting.extend(rounds.finish())
            enough = max(rounds.n_threads, self._active // 4)
            if self._ready and not rounds.running and (len(self._ready) >= enough or not self._waiting):
                self._ready = rounds.start(self._ready, self._active)
            if self._waiting:
                self._go_on(*self._waiting.popleft())
            elif rounds.running:
                self._waiting.extend(rounds.finish())
            else:
                self._halve()

    def _go_on(self, member: Member, answer: float | None) -> None:
        """Do the work of Python until the member's next step."""
        before = len(member.history)
        member.go_on(answer)
        done, left_out = len(member.history) - before, 0
        if member.ended:
            self._active -= 1
            left_out = member.plan.epochs - len(member.history)
        elif member.rows is not None:
            self._ready.append(member)
        elif self._halving is not None and len(member.history) % self._halving.every == 0:
            self._paused.append(member)
        else:
            self._waiting.append((member, 0.0))
        self._progress.member(done, left_out, self._active)

    def _halve(self) -> None:
        """Let the best of the paused members go on; the others stop. All are paused after the same epoch."""
        assert self._halving is not None and self._judge is not None
        paused = {member.index: member for member in self._paused}
        self._paused, n = [], len(paused)
        values = [member.history.series(self._judge.series[i])[-1] for i, member in paused.items()]
        ranked, keep = self._judge.ranked(list(paused), values), self._halving.going_on(len(paused))
        value_of = dict(zip(paused, values, strict=True))
        for i in ranked[keep:]:
            series, epochs = self._judge.series[i], len(paused[i].history)
            among = f"not among the best {keep} of {n} members after {epochs} epochs"
            paused[i].stop(f"halving: {series} is {value_of[i]:.4g}, {among}")
        goes_on = set(ranked[:keep])
        self._waiting.extend((member, 0.0 if i in goes_on else 1.0) for i, member in paused.items())


def train(
    nets: Sequence[Any], plans: Sequence[Plan], halving: Halving | None, judge: Judge | None, progress: bool
) -> None:
    """Train networks by their plans. After an error or Ctrl-C each is in its state after its last whole epoch."""
    members = [Member(i, net, plan) for i, (net, plan) in enumerate(zip(nets, plans, strict=True))]
    line = Members(progress, len(members), sum(plan.epochs for plan in plans))
    try:
        with telling(line.tell), rounds() as compute:
            Training(members, halving, judge, line).run(compute)
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        _undo(members, interrupted)
        if not interrupted:
            raise
        done = [len(member.history) for member in members]
        words = f"training was interrupted after {min(done)} to {max(done)} epochs; every member has the weights of its"
        warnings.warn(f"{words} last whole epoch", RuntimeWarning, stacklevel=4)
    finally:
        line.close()
    for member in members:
        if not member.diverged:
            member.loop.call("on_train_end")
    _warn_of([member.index for member in members if member.diverged])


def _undo(members: list[Member], interrupted: bool) -> None:
    """Undo what is not a whole epoch of any member, however often Ctrl-C is pressed."""
    undone = False
    while not undone:
        with suppress(KeyboardInterrupt):
            for member in members:
                member.undo(interrupted=interrupted)
            undone = True


def _warn_of(diverged: list[int]) -> None:
    if not diverged:
        return
    shown = ", ".join(map(str, diverged[:MOST_NAMED])) + ", …" * (len(diverged) > MOST_NAMED)
    what = f"member {shown} diverged" if len(diverged) == 1 else f"{len(diverged)} members diverged ({shown})"
    warnings.warn(
        f"{what}: the cost or a weight was no longer finite. Each has the weights from before that epoch, and its "
        "history says why it stopped. Try a smaller learning rate there",
        RuntimeWarning,
        stacklevel=5,
    )

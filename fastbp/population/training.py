"""The training of a population: members go from Python's work between epochs to rounds of compiled code and back."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Protocol, TypeVar

from fastbp.compiler.together import telling
from fastbp.population.halving import Halving, Judge
from fastbp.population.members import Member, NetworkMember
from fastbp.population.rounds import Ready, Rounds, rounds, unit_of
from fastbp.progress import Members
from fastbp.training.history import History
from fastbp.training.plan import Plan
from fastbp.training.steps import ANY_NUMBER

MOST_NAMED = 10  # members in a warning
ROOM = 2**30  # bytes: while those in training use less, another member begins


class Race(Protocol):
    """Decides, after every `every` epochs, which members stop."""

    @property
    def every(self) -> int:
        """Epochs."""

    def losers(self, paused: list[Member]) -> Collection[Member]:
        """Return those of the paused members that stop. No other member is in training."""


class Training:
    """Members in training: each waits for Python, is ready for a round, in one, or paused by a race."""

    def __init__(self, members: Iterable[Member], race: Race | None, progress: Members):
        self._race, self._progress = race, progress
        self._not_begun = deque(members)
        self._waiting: deque[list[tuple[Member, Any]]] = deque()  # those that trained together
        self._ready: Ready = {}
        self._paused: list[Member] = []
        self._active = self._n_bytes = 0  # of those that have begun and not ended

    def run(self, rounds: Rounds) -> None:
        """Train until all members have ended."""
        while self._active or self._not_begun:
            self._waiting.extend(rounds.finished())
            room = bool(self._not_begun) and self._n_bytes < ROOM
            if self._ready and rounds.free:
                rounds.start(self._ready, wait=bool(self._waiting or self._not_begun or rounds.running))
            if room or (self._not_begun and not (self._waiting or rounds.running)):
                self._begin(self._not_begun.popleft())
            elif self._waiting:
                for member, answer in self._waiting.popleft():
                    self._go_on(member, answer)
            elif rounds.running:
                self._waiting.extend(rounds.finished(wait=True))
            else:
                self._stop_losers()

    def _begin(self, member: Member) -> None:
        self._active += 1
        self._go_on(member, None)
        self._n_bytes += member.n_bytes
        if self._waiting and self._waiting[-1][0][0] is member:  # before its first epoch
            self._go_on(*self._waiting.pop()[0])

    def _go_on(self, member: Member, answer: Any) -> None:
        """Do the work of Python until the member's next step."""
        before = member.epochs_done
        member.go_on(answer)
        done, left_out = member.epochs_done - before, 0
        if member.ended:
            self._active -= 1
            self._n_bytes -= member.n_bytes
            left_out = member.epochs - member.epochs_done
        elif member.piece is not None:
            self._ready.setdefault(unit_of(member), []).append(member)
        elif self._race is None:
            self._waiting.append([(member, ANY_NUMBER)])
        elif done > 0 and member.epochs_done % self._race.every == 0:
            self._paused.append(member)
        else:
            self._waiting.append([(member, self._race.every - member.epochs_done % self._race.every)])
        self._progress.member(done, left_out, self._active + len(self._not_begun))

    def _stop_losers(self) -> None:
        """Stop the losers of the paused members; the others go on. All are paused after the same epoch."""
        assert self._race is not None
        losers, paused, self._paused = self._race.losers(self._paused), self._paused, []
        self._waiting.extend([(member, 0 if member in losers else self._race.every)] for member in paused)


class Runner(Protocol):
    """A network in a race, wherever it is trained."""

    index: int
    history: History

    @property
    def epochs_done(self) -> int:
        """Whole epochs so far."""

    @property
    def diverged(self) -> bool:
        """Whether its numbers were not finite."""

    def stop(self, why: str) -> None:
        """Let its training end."""

    def undo(self, *, interrupted: bool) -> None:
        """Go back to the last whole state."""


R = TypeVar("R", bound=Runner)


class NetworkRace:
    """The networks of a population: those with the best last value of a series go on."""

    def __init__(self, halving: Halving, judge: Judge):
        self.every, self._halving, self._judge = halving.every, halving, judge

    def losers(self, paused: list[Member]) -> Collection[Member]:
        return self.stopped([member for member in paused if isinstance(member, NetworkMember)])

    def stopped(self, runners: Sequence[R]) -> list[R]:
        """Stop the worst, let their histories say so, and return them."""
        members = {member.index: member for member in runners}
        n, series_of = len(members), self._judge.series
        values = [member.history.series(series_of[i])[-1] for i, member in members.items()]
        ranked, keep = self._judge.ranked(list(members), values), self._halving.going_on(n)
        value_of = dict(zip(members, values, strict=True))
        for i in ranked[keep:]:
            among = f"not among the best {keep} of {n} members after {members[i].epochs_done} epochs"
            members[i].stop(f"halving: {series_of[i]} is {value_of[i]:.4g}, {among}")
        return [members[i] for i in ranked[keep:]]


def train(
    nets: Sequence[Any], plans: Sequence[Plan], halving: Halving | None, judge: Judge | None, progress: bool
) -> None:
    """Train networks by their plans. After an error or Ctrl-C each is in its state after its last whole epoch."""
    members = [NetworkMember(i, net, plan) for i, (net, plan) in enumerate(zip(nets, plans, strict=True))]
    race = None if halving is None or judge is None else NetworkRace(halving, judge)
    line = Members(progress, "members", len(members), sum(plan.epochs for plan in plans))
    with line, in_whole_epochs(members), telling(line.tell), rounds() as compute:
        Training(members, race, line).run(compute)
    for member in members:
        if not member.diverged:
            member.loop.call("on_train_end")
    warn_of_diverged(members)


@contextmanager
def in_whole_epochs(members: Sequence[Runner]) -> Iterator[None]:
    """After an error or Ctrl-C, which ends the block with a warning, take every member to its last whole state."""
    try:
        yield
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        _undo(members, interrupted)
        if not interrupted:
            raise
        done = [len(member.history) for member in members]
        words = f"training was interrupted after {min(done)} to {max(done)} epochs; every member has the weights of its"
        warnings.warn(f"{words} last whole epoch", RuntimeWarning, stacklevel=6)


def _undo(members: Sequence[Runner], interrupted: bool) -> None:
    """Undo what is not a whole epoch of any member, however often Ctrl-C is pressed."""
    undone = False
    while not undone:
        with suppress(KeyboardInterrupt):
            for member in members:
                member.undo(interrupted=interrupted)
            undone = True


def warn_of_diverged(members: Iterable[Runner]) -> None:
    """Name the members that have diverged."""
    diverged = [member.index for member in members if member.diverged]
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

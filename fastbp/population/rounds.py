"""Rounds of many members in compiled code, while Python does the work between the epochs of others.

A round is computed by a thread of its own, which holds Python's lock at its beginning and end only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Semaphore
from typing import Any

from fastbp.batches import sources
from fastbp.compiler.threads import get_num_threads, worth
from fastbp.formulations.lanes.team import Team, TeamTrainer
from fastbp.formulations.rounds import Row, train_all
from fastbp.population.members import Member

JOBS = 2  # for each thread in a long round, at least: if a thread is slowed down, another one takes its second job


@dataclass
class Job:
    """One row of a round, and the members that it trains: one, or some of a team."""

    row: Row
    of_team: Callable[[], list[list[float]]] | None  # to call after the round
    members: list[Member]

    def costs(self, costs: list[float]) -> list[list[float]]:
        """Return the costs of each member's epochs, from what the row's loop has returned."""
        return [costs] if self.of_team is None else self.of_team()


def units(members: list[Member]) -> list[list[Member]]:
    """Return members that train together, those of a team with as many epochs and samples; others one by one."""
    found: dict[Any, list[Member]] = {}
    for member in members:
        team, orders = team_of(member), () if member.piece is None else member.piece.orders
        found.setdefault(member if team is None else (team, *map(len, orders)), []).append(member)
    return list(found.values())


def jobs_of(members: list[Member]) -> tuple[list[Job], list[Member]]:
    """Return the jobs of a round, the longest first, and the members that train alone, outside.

    This is the place that decides which members are trained together.
    """
    if len(members) == 1:  # a single one may use all threads
        return [], members
    jobs: list[Job] = []
    alone: list[Member] = []
    for together in units(members):
        team, row = team_of(together[0]), together[0].row
        if team is not None:
            pieces = [member.piece for member in together if member.piece is not None]
            trainers = [piece.trainer for piece in pieces if isinstance(piece.trainer, TeamTrainer)]
            jobs.append(Job(*team.row(trainers, [piece.orders for piece in pieces]), together))
        elif row is not None:
            jobs.append(Job(row, None, together))
        else:
            alone += together
    return sorted(jobs, key=lambda job: -sum(member.flops for member in job.members)), alone


def team_of(member: Member) -> Team | None:
    """Return the team of a member's trainer, if it has one."""
    trainer = None if member.piece is None else member.piece.trainer
    return trainer.team if isinstance(trainer, TeamTrainer) else None


class Rounds:
    """Computes the steps of members, a round at a time: `start`, then `finish`."""

    def __init__(self, pool: ThreadPoolExecutor | None):
        self.n_threads = get_num_threads()
        self._pool, self._begun = pool, Semaphore(0)
        self._jobs: list[Job] = []
        self._running: Future[list[list[float]]] | None = None
        self._done: list[tuple[Member, list[float]]] = []

    @property
    def running(self) -> bool:
        """Whether a round has begun whose results have not been taken."""
        return bool(self._running or self._done)

    @property
    def ready(self) -> bool:
        """Whether `finish` returns at once."""
        return self._running is None or self._running.done()

    def start(self, members: list[Member], active: int, *, wait: bool = False) -> list[Member]:
        """Begin a round of members that are ready, and return the rest of them; `active` members are in training.

        It takes half of the active ones at most, so that the other half can be made ready meanwhile, and no more than
        takes about a tenth of a second, because Ctrl-C waits for its end; but enough for all threads. With `wait`,
        those stay that wait for others of their team, and all, if they are not enough for all threads.
        """
        flops, n_jobs, taken, rest = 0.0, 0, list[Member](), list[Member]()
        for together in units(members):
            team, with_these = team_of(together[0]), flops + sum(member.flops for member in together)
            half = n_jobs >= self.n_threads and 2 * len(taken) >= active
            long = n_jobs >= JOBS * self.n_threads and with_these > self.n_threads * sources.FLOPS_BETWEEN_LOOKS
            if half or long or (wait and team is not None and len(together) < team.n_training):
                rest += together
            else:
                taken += together
                flops, n_jobs = with_these, n_jobs + 1
        if wait and n_jobs < self.n_threads:
            return members
        self._jobs, alone = jobs_of(taken)
        wanted = min(worth(flops), len(self._jobs))
        if wanted > 1 and self._pool is not None:
            self._running = self._pool.submit(self._compute, wanted)
            self._begun.acquire()  # go on when it needs Python's lock no more; it would wait for that for milliseconds
        elif self._jobs:
            self._take(self._compute(1))
            self._begun.acquire()
        self._done += [(member, member.piece.train()) for member in alone if member.piece is not None]
        return rest

    def _compute(self, wanted: int) -> list[list[float]]:
        try:
            return train_all([job.row for job in self._jobs], wanted, self._begun.release)
        except BaseException:
            self._begun.release()
            raise

    def _take(self, costs: list[list[float]]) -> None:
        for job, of_job in zip(self._jobs, costs, strict=True):
            self._done += zip(job.members, job.costs(of_job), strict=True)

    def finish(self) -> list[tuple[Member, list[float]]]:
        """Wait for the end of the round, and return its members with the costs of their steps."""
        if self._running is not None:
            self._take(self._running.result())
        self._running, done, self._done = None, self._done, []
        return done


@contextmanager
def rounds() -> Iterator[Rounds]:
    """Yield what computes rounds. At the end of the block nothing is computed any more."""
    if get_num_threads() == 1:
        yield Rounds(None)
        return
    pool = ThreadPoolExecutor(1, "fastbp-rounds")
    try:
        yield Rounds(pool)
    finally:
        waits = True
        while waits:
            with suppress(KeyboardInterrupt):  # a round that goes on would write what is being undone
                pool.shutdown(wait=True)
                waits = False

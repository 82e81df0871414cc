"""Rounds of members in compiled code, each on one thread, while Python does the work between the epochs of others.

A thread takes the next round as soon as it is done with one. It holds Python's lock at the beginning and the end only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, TypeAlias

from fastbp.batches import sources
from fastbp.compiler.threads import get_num_threads
from fastbp.formulations.lanes.team import Team, TeamTrainer
from fastbp.formulations.lanes.trainer import Workspaces
from fastbp.formulations.rounds import Row, prepared
from fastbp.population.members import Member

# A round has at least this part of FLOPS_BETWEEN_LOOKS, some milliseconds: before and after it, its thread waits for
# Python's lock. With a quarter of that, 200 members on two threads took 1.05 of the time.
PART_OF_ROUND = 1 / 4
QUEUED = 2  # rounds for each thread, the running one among them
SWITCH = 5e-4  # seconds after which Python takes its lock from a thread for another one that waits, by default 5e-3


@dataclass
class Job:
    """One row of a round, and the members that it trains: one, or some of a team."""

    row: Row
    of_team: Callable[[], list[list[float]]] | None  # to call after the round
    members: list[Member]

    def costs(self, costs: list[float]) -> list[list[float]]:
        """Return the costs of each member's epochs, from what the row's loop has returned."""
        return [costs] if self.of_team is None else self.of_team()


# Members that are ready for a round, by unit: those of a unit train together.
Ready: TypeAlias = dict[Any, list[Member]]


def unit_of(member: Member) -> Any:
    """Return what the members have in common that train together: their team, and how many epochs and samples."""
    team, orders = team_of(member), () if member.piece is None else member.piece.orders
    return member if team is None else (team, *map(len, orders))


def job_of(together: list[Member], kept: Workspaces) -> Job | None:
    """Return the job of members that train together; None for one that trains alone, outside rounds.

    This is the place that decides which members are trained together. Jobs with the same `kept` are of one round.
    """
    team, row = team_of(together[0]), together[0].row
    if team is None:
        return None if row is None else Job(row, None, together)
    pieces = [member.piece for member in together if member.piece is not None]
    trainers = [piece.trainer for piece in pieces if isinstance(piece.trainer, TeamTrainer)]
    return Job(*team.row(trainers, [piece.orders for piece in pieces], kept), together)


def team_of(member: Member) -> Team | None:
    """Return the team of a member's trainer, if it has one."""
    trainer = None if member.piece is None else member.piece.trainer
    return trainer.team if isinstance(trainer, TeamTrainer) else None


class Rounds:
    """Computes the steps of members, in rounds: `start` some, then take those that have `finished`."""

    def __init__(self, pool: ThreadPoolExecutor | None):
        self.n_threads = get_num_threads()
        self._pool, self._n_running = pool, 0
        self._ended: SimpleQueue[tuple[list[Job], Workspaces, Future[list[list[float]]]]] = SimpleQueue()
        self._kept: list[Workspaces] = []  # of rounds that are over
        self._done: list[list[tuple[Member, list[float]]]] = []  # outside rounds

    @property
    def running(self) -> bool:
        """Whether there are results that have not been taken, or will be."""
        return bool(self._n_running or self._done)

    @property
    def free(self) -> bool:
        """Whether `start` begins rounds."""
        return self._n_running < QUEUED * self.n_threads

    def start(self, ready: Ready, *, wait: bool = False) -> None:
        """Begin rounds of members that are ready while a thread is free. Removes them from `ready`.

        With `wait`, because more members will be ready, those stay that wait for others of their team; and those that
        are too few for a round, unless a thread has nothing to do.
        """
        if not wait and sum(map(len, ready.values())) == 1:  # the only one may use all threads
            self._train_alone(ready.popitem()[1])
            return
        taken, flops = list[Any](), 0.0
        for unit in list(ready):
            if not self.free:
                break
            together, team = ready[unit], team_of(ready[unit][0])
            if wait and team is not None and len(together) < team.n_training:
                continue
            taken.append(unit)
            flops += sum(member.flops for member in together)
            if flops >= PART_OF_ROUND * sources.FLOPS_BETWEEN_LOOKS:
                self._begin([ready.pop(unit) for unit in taken])
                taken, flops = [], 0.0
        if taken and (not wait or self._n_running < self.n_threads):
            self._begin([ready.pop(unit) for unit in taken])

    def _begin(self, taken: list[list[Member]]) -> None:
        """Begin a round of those that do not train alone."""
        jobs, alone, kept = list[Job](), list[Member](), self._kept.pop() if self._kept else {}
        for together in taken:
            job = job_of(together, kept)
            if job is None:
                alone += together
            else:
                jobs.append(job)
        if jobs:
            run = prepared([job.row for job in jobs])
            self._n_running += 1
            if self._pool is None:
                result = Future[list[list[float]]]()
                result.set_result(run())
                self._ended.put((jobs, kept, result))
            else:
                self._pool.submit(run).add_done_callback(lambda result: self._ended.put((jobs, kept, result)))
        else:
            self._kept.append(kept)
        self._train_alone(alone)

    def _train_alone(self, members: list[Member]) -> None:
        self._done += [[(member, member.piece.train())] for member in members if member.piece is not None]

    def finished(self, *, wait: bool = False) -> list[list[tuple[Member, list[float]]]]:
        """Return the members that have been trained, those that did together in one list, with costs of their epochs.

        `wait` for some, if need be.
        """
        done, self._done = self._done, []
        while not self._ended.empty() or (wait and self._n_running and not done):
            jobs, kept, result = self._ended.get()
            self._n_running -= 1
            self._kept.append(kept)
            for job, costs in zip(jobs, result.result(), strict=True):
                done.append([*zip(job.members, job.costs(costs), strict=True)])
        return done


@contextmanager
def rounds() -> Iterator[Rounds]:
    """Yield what computes rounds. At the end of the block nothing is computed any more."""
    n_threads, before = get_num_threads(), sys.getswitchinterval()
    if n_threads == 1:
        yield Rounds(None)
        return
    pool = ThreadPoolExecutor(n_threads, "fastbp-rounds")
    sys.setswitchinterval(min(SWITCH, before))
    try:
        yield Rounds(pool)
    finally:
        sys.setswitchinterval(before)
        waits = True
        while waits:
            with suppress(KeyboardInterrupt):  # a round that goes on would write what is being undone
                pool.shutdown(wait=True, cancel_futures=True)
                waits = False

"""The training of a population on an executor: chunks of members go out, their states come back, in any order."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass
from typing import Any

from fastbp.network import Network
from fastbp.population import chunks
from fastbp.population.chunks import DATA, Chunk, Failed, Given, Trained
from fastbp.population.halving import Halving
from fastbp.population.parcels import Parcel
from fastbp.population.plans import Checked
from fastbp.population.shared import Shared
from fastbp.population.training import NetworkRace, in_whole_epochs, warn_of_diverged
from fastbp.progress import Members
from fastbp.training.callbacks import Run
from fastbp.training.plan import Asked, Plan

PER_WORKER = 4  # chunks, so that a worker that is done early gets another one
IF_UNKNOWN = 16  # chunks, if the executor does not say how many workers it has
MOST_SENT = 4  # times that a chunk is sent because its worker was lost


class Away:
    """A member that is trained elsewhere; here it has the state that came back last."""

    def __init__(self, index: int, net: Network, plan: Plan, options: dict[str, Any]):
        self.index, self.net, self.plan, self.options = index, net, plan, options
        self.history, self.ended = plan.history, False
        self.last = Trained(plan.training.copy(0), copy.deepcopy(plan.history), False, None)

    @property
    def epochs_done(self) -> int:
        """Those in the history."""
        return len(self.history)

    @property
    def diverged(self) -> bool:
        """Whether its numbers were not finite."""
        return self.last.diverged

    def take(self, trained: Trained) -> None:
        """Go to a state that has come back."""
        self.last = trained  # from here on it counts: `undo` writes it again
        self._write()
        self.ended = trained.paused is None

    def _write(self) -> None:
        self.plan.training.restore(self.last.state)
        vars(self.history).update(vars(self.last.history))

    def stop(self, why: str) -> None:
        """End the training where it is, or at its best epoch if that is to be restored."""
        state, history, paused = self.last.state, self.last.history, self.last.paused
        assert paused is not None
        history.stopped = why
        if paused.best_state is not None and paused.best_state.epochs_done > 0:
            state = paused.best_state
        self.take(Trained(state, history, False, None))
        run = Run(self.net, self.history, self.plan.epochs, tuple(self.plan.metrics), self.epochs_done, True)
        for callback in paused.callbacks:
            callback.on_train_end(run)

    def undo(self, *, interrupted: bool) -> None:
        """Go back to the state that came back last."""
        self._write()
        if not self.ended:
            self.history.interrupted = interrupted


@dataclass
class Task:
    """A chunk to be sent."""

    members: list[Away]
    content: bytes
    sent: int = 0


class Sending:
    """Members that an executor trains, and what they need there.

    Raises TypeError or ValueError, before anything is sent, for what is no executor, and for members and options that
    cannot be sent.
    """

    def __init__(
        self, executor: Any, nets: Sequence[Network], made: Checked, given: tuple[Any, Any], asked: Sequence[Asked],
        halving: Halving | None,
    ):  # fmt: skip
        _check(executor, made, asked, halving)
        self._executor: Executor = executor
        self._race = None if halving is None or made.judge is None else NetworkRace(halving, made.judge)
        self.members = [
            Away(i, net, plan, {name: value for name, value in vars(of_one).items() if name not in OTHERS})
            for i, (net, plan, of_one) in enumerate(zip(nets, made.plans, asked, strict=True))
        ]
        data = [{name: getattr(of_one, name) for name in DATA} for of_one in asked]
        try:
            self._parcel = Parcel(Given(Shared(*given), data), executor)
        except Exception as error:
            _explain({"X": given[0], "Y": given[1]}, "", pickle.dumps)
            for i, of_one in enumerate(data):
                _explain(of_one, f"member {i}: ", pickle.dumps)
            raise TypeError(f"X, Y or weights cannot be sent to other processes: {error}") from error
        self._first = self._tasks(self.members)
        self._waiting: dict[Future[Any], Task] = {}
        self._left: list[Task] = []  # to be trained here
        self._broken: BrokenExecutor | None = None
        self._warned = False

    def run(self, progress: Members) -> None:
        """Train all members to their ends. After an error they have the states that came back last."""
        tasks, members = self._first, self.members
        with self._parcel:
            try:
                while tasks:
                    for task in tasks:
                        self._send(task, self._parcel.source)
                    self._collect(progress)
                    members = [member for member in members if not member.ended]
                    stopped = self._race.stopped(members) if self._race is not None else []
                    for member in stopped:
                        progress.member(0, member.plan.epochs - member.epochs_done, len(members))
                    members = [member for member in members if not member.ended]
                    tasks = self._tasks(members)
            finally:
                for future in self._waiting:
                    future.cancel()

    def _tasks(self, members: Sequence[Away]) -> list[Task]:
        found = []
        for some in _cut(members, self._executor):
            chunk = Chunk(
                [member.index for member in some], [member.net for member in some],
                [member.plan.training for member in some], [member.options for member in some],
                [member.last.paused for member in some], None if self._race is None else self._race.every,
            )  # fmt: skip
            try:
                found.append(Task(some, chunks.dumps(chunk)))
            except Exception as error:
                for member in some:
                    _explain({"the network": member.net, **member.options}, f"member {member.index}: ", chunks.dumps)
                raise TypeError(f"members cannot be sent to other processes: {error}") from error
        return found

    def _send(self, task: Task, source: Any) -> None:
        if self._broken is None:
            task.sent += 1
            try:
                future = self._executor.submit(chunks.train, self._parcel.key, source, task.content, task.sent)
            except BrokenExecutor as error:
                self._broken = error
            else:
                self._waiting[future] = task
                return
        self._left.append(task)

    def _collect(self, progress: Members) -> None:
        """Take the states of members as they come back, until all have."""
        active = sum(len(task.members) for task in [*self._waiting.values(), *self._left])
        while self._waiting or self._left:
            for task, answer in self._answers():
                if answer is None:  # the worker could not open the data, so they go with the task
                    self._send(task, self._parcel.as_bytes())
                    continue
                trained = pickle.loads(answer)
                if isinstance(trained, Failed):
                    raise trained.error
                for member, state in zip(task.members, trained, strict=True):
                    before = member.epochs_done
                    member.take(state)
                    active -= 1
                    left_out = member.plan.epochs - member.epochs_done if member.ended else 0
                    progress.member(member.epochs_done - before, left_out, active)

    def _answers(self) -> Iterator[tuple[Task, bytes | None]]:
        """Wait for some tasks and yield their answers; send those again whose worker was lost."""
        if not self._waiting:
            self._warn_that_broken()
            task = self._left.pop()
            yield task, chunks.train(self._parcel.key, None, task.content, task.sent)
            return
        done = wait(self._waiting, return_when=FIRST_COMPLETED).done
        for future in [future for future in self._waiting if future in done]:
            task = self._waiting.pop(future)
            try:
                answer = future.result()
            except Exception as error:  # of the executor: `chunks.train` returns those of the training
                if task.sent >= MOST_SENT:
                    which = ", ".join(str(member.index) for member in task.members)
                    raise RuntimeError(f"member {which}: the executor failed {task.sent} times: {error!r}") from error
                self._send(task, self._parcel.source)
            else:
                yield task, answer

    def _warn_that_broken(self) -> None:
        if not self._warned:
            self._warned, n = True, sum(len(task.members) for task in self._left)
            words = f"the executor is broken ({self._broken}): this process trains the remaining {n} members itself"
            warnings.warn(words, RuntimeWarning, stacklevel=8)


def train(sending: Sending, progress: bool) -> None:
    """Train members on an executor. After an error or Ctrl-C each is in the state that came back last."""
    members = sending.members
    line = Members(progress, "members", len(members), sum(member.plan.epochs for member in members))
    with line, in_whole_epochs(members):
        sending.run(line)
    warn_of_diverged(members)


OTHERS = (*DATA, "optimizer")  # options that are sent otherwise


def _check(executor: Any, made: Checked, asked: Sequence[Asked], halving: Halving | None) -> None:
    if hasattr(executor, "get_executor"):
        raise TypeError(f"executor is {executor!r}; give executor.get_executor()")
    if isinstance(executor, type) or not callable(getattr(executor, "submit", None)):
        raise TypeError(
            f"executor is {executor!r}; it must be a concurrent.futures.Executor, such as a ProcessPoolExecutor()"
        )
    for i, (plan, of_member) in enumerate(zip(made.plans, asked, strict=True)):
        for name, value in vars(of_member).items():
            if isinstance(value, Iterator):
                raise ValueError(f"member {i}: {name} is an iterator, which cannot be sent to other processes")
        if halving is not None and plan.training.optimizer.full_batch:
            kind = type(plan.training.optimizer).__name__
            raise ValueError(
                f"member {i}: {kind} cannot go on in another process, as halving with an executor needs it: leave out "
                "one of them, or use another optimizer"
            )


def _explain(things: Mapping[str, Any], prefix: str, dumps: Any) -> None:
    """Raise TypeError for the first thing that cannot be pickled."""
    for name, thing in things.items():
        try:
            dumps(thing)
        except Exception as error:
            raise TypeError(
                f"{prefix}{name} cannot be sent to other processes: {error}. Define its functions and classes in a "
                "module, or install cloudpickle"
            ) from error


def _cut(members: Sequence[Away], executor: Any) -> Iterator[list[Away]]:
    """Return members in chunks: the bits do not depend on them."""
    n = min(len(members), PER_WORKER * _workers(executor) or IF_UNKNOWN)
    for i in range(n):
        yield list(members[i * len(members) // n : (i + 1) * len(members) // n])


def _workers(executor: Any) -> int:
    """Return the number of workers, 0 if it is not known."""
    ncores = getattr(getattr(executor, "_client", None), "ncores", None)
    n = sum(ncores().values()) if ncores is not None else getattr(executor, "_max_workers", 0)
    return n if isinstance(n, int) and n > 0 else 0

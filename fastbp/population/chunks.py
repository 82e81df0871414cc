"""A chunk of members, as another process trains them: what it gets, the function that it runs, what comes back."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice
from typing import Any

from fastbp.network import Network
from fastbp.population import parcels, plans
from fastbp.population import training as scheduler
from fastbp.population.members import Member, NetworkMember
from fastbp.population.rounds import rounds
from fastbp.population.shared import Shared
from fastbp.progress import Members
from fastbp.training.history import History
from fastbp.training.paused import Paused
from fastbp.training.plan import Asked
from fastbp.training.state import Snapshot, Training

try:  # it comes with Dask and loky, and pickles functions that are defined anywhere
    from cloudpickle import dumps as _dumps
except ImportError:
    _dumps = pickle.dumps

DATA = ("validation_data", "sample_weight", "samples", "shuffle")  # options that travel with X and Y


@dataclass
class Given:
    """X and Y and what of `DATA` each member was given: the same for all chunks, never changed."""

    shared: Shared
    of_members: list[dict[str, Any]]


@dataclass
class Chunk:
    """Members by their numbers, their networks and other options, and where they go on, up to a multiple of `every`."""

    members: list[int]
    nets: list[Network]
    trainings: list[Training]
    options: list[dict[str, Any]]
    paused: list[Paused | None]
    every: int | None


@dataclass
class Trained:
    """A member after a whole epoch: its state, and how it goes on if it has not ended."""

    state: Snapshot
    history: History
    diverged: bool
    paused: Paused | None


@dataclass
class Failed:
    """An error in another process."""

    error: Exception


def dumps(thing: Any) -> bytes:
    """Pickle members and options. Raises what the user's objects raise."""
    return bytes(_dumps(thing))


def train(key: str, source: Any, chunk: bytes, attempt: int) -> bytes | None:
    """Train a chunk. Return its `Trained`, or what `Failed`; or None if this process cannot open the data.

    This runs in a worker. `attempt` makes calls differ for Dask, which would give the results of equal calls again.
    """
    try:
        try:
            given = parcels.opened(key, source)
        except OSError:
            if isinstance(source, bytes):
                raise
            return None
        return dumps(_trained(given, pickle.loads(chunk)))
    except Exception as error:
        return dumps(Failed(_that_travels(error)))


def _trained(given: Given, chunk: Chunk) -> list[Trained]:
    asked = []
    for i, options, paused in zip(chunk.members, chunk.options, chunk.paused, strict=True):
        asked.append(of_member := Asked(**options, **given.of_members[i], optimizer=None))  # that of its training
        if paused is not None:
            of_member.schedules, of_member.callbacks = paused.schedules, paused.callbacks
            if not isinstance(of_member.shuffle, bool):
                of_member.shuffle = islice(of_member.shuffle, len(paused.history), None)
    for net, training in zip(chunk.nets, chunk.trainings, strict=True):
        net._training = training
    made = plans.checked(chunk.nets, given.shared, asked, None).plans
    members = []
    for i, net, plan, paused in zip(chunk.members, chunk.nets, made, chunk.paused, strict=True):
        net.history = plan.history
        members.append(NetworkMember(i, net, plan, paused))
    pause = None if chunk.every is None else Pause(chunk.every)
    with rounds() as compute:
        scheduler.Training(members, pause, Members(False, "members", len(members), 0)).run(compute)
    return [_result(member, pause) for member in members]


class Pause:
    """Ends the work here for all members that have not ended after `every` epochs; another process goes on."""

    def __init__(self, every: int):
        self.every = every
        self.trained: dict[Member, Trained] = {}

    def losers(self, paused: list[Member]) -> Collection[Member]:
        """Take the states of all: what their loops do at the end does not count."""
        for member in paused:
            if isinstance(member, NetworkMember):
                self.trained[member] = Trained(member.loop.last, member.history, False, member.loop.paused())
        return self.trained


def _result(member: NetworkMember, pause: Pause | None) -> Trained:
    if pause is not None and member in pause.trained:
        return pause.trained[member]
    if not member.diverged:
        member.loop.call("on_train_end")
    return Trained(member.loop.training.copy(member.epochs_done), member.history, member.diverged, None)


def _that_travels(error: Exception) -> Exception:
    """Return an error, or another one that says the same, that can be pickled."""
    error.add_note("(in another process)\n" + "".join(traceback.format_exception(error)).rstrip())
    try:
        pickle.loads(dumps(error))
    except Exception:
        said = RuntimeError(f"{type(error).__name__}: {error}")
        said.__notes__ = error.__notes__
        return said
    return error

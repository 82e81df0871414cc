"""The plans of all members, checked before anything is changed; the locks of their training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from fastbp.batches.sources import InMemory
from fastbp.formulations.lanes.team import Team
from fastbp.formulations.lanes.trainer import lanes_of, suits
from fastbp.formulations.tiles.formulation import Tiled
from fastbp.memory import require_memory
from fastbp.network import Network
from fastbp.population.halving import Halving, Judge, judge
from fastbp.population.shared import Shared
from fastbp.training import plan as of_network
from fastbp.training.plan import Asked, Plan


@dataclass
class Checked:
    """The plan of each member, who decides in a halving, and hints about X and Y."""

    plans: list[Plan]
    judge: Judge | None
    hints: list[str]


def checked(nets: Sequence[Network], shared: Shared, asked: Sequence[Asked], halving: Any) -> Checked:
    """Return the plans of all. Raises TypeError, ValueError or MemoryError, naming the member."""
    plans = []
    for i, (net, of_member) in enumerate(zip(nets, asked, strict=True)):
        with naming(i):
            of_member = Asked(**vars(of_member))
            samples = shared.samples(net._model, of_member)
            of_member.validation_data = shared.data_sets(net._model, of_member, samples)
            of_member.steps_per_epoch, of_member.progress = None, False
            plans.append(of_network.checked(net, samples, None, of_member))
    _form_teams(plans)
    what = f"besides the data, training {len(nets):,} networks at once"
    require_memory(what, sum(map(of_network.memory_needed, plans)), "train fewer of them at a time: pop[:100].fit(…)")
    return Checked(plans, _judge(halving, plans), shared.hints(net._model for net in nets))


def _form_teams(plans: list[Plan]) -> None:
    """Let small networks of equal sizes train together in the lanes of a register, as many as that has."""
    waiting: dict[Any, list[Plan]] = {}
    for plan in plans:
        model, source = plan.training.model, plan.source
        if type(plan.formulation) is not Tiled or not isinstance(source, InMemory) or source.weight is not None:
            continue
        if not suits(model, plan.training.optimizer, plan.options, plan.batch_size):
            continue
        alike = model.sizes, model.activations, model.cost, plan.batch_size, plan.samples_per_epoch
        of_team = waiting.setdefault((*alike, id(source.X), id(source.Y)), [])
        of_team.append(plan)
        if len(of_team) == lanes_of(model.dtype):
            team = Team(len(of_team))
            for one in of_team:
                one.formulation = team
            of_team.clear()


def _judge(halving: Any, plans: list[Plan]) -> Judge | None:
    if halving is None:
        return None
    if not isinstance(halving, Halving):
        raise TypeError(f"halving is {halving!r}; it must be a fastbp.Halving")
    return judge(halving.monitor, halving.mode, [plan.history for plan in plans], [plan.metrics for plan in plans])


@contextmanager
def locked(nets: Sequence[Network]) -> Iterator[None]:
    """Take the locks of training of all networks. Raises RuntimeError, and takes none, if one is taken."""
    with ExitStack() as locks:
        for i, net in enumerate(nets):
            with naming(i):
                net._begin_training()
            locks.callback(net._model.training.release)
        yield


@contextmanager
def naming(i: int) -> Iterator[None]:
    """Let errors name member i."""
    try:
        yield
    except (TypeError, ValueError, MemoryError, RuntimeError) as error:
        kind = next(k for k in (TypeError, ValueError, MemoryError, RuntimeError) if isinstance(error, k))
        raise kind(f"member {i}: {error}") from None

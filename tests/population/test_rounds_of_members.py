"""Rounds while Python works: on how many threads, which members, and in processes of any kind."""

import sys
import threading
from concurrent.futures import Future
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import needs_two_threads, run_python
from pieces_of_epochs import at_most
from population_samples import X, Y, networks

import fastbp
from fastbp.batches import sources
from fastbp.formulations.lanes.trainer import lanes_of
from fastbp.formulations.rounds import Row
from fastbp.population import rounds

WIDE = {"hidden": (60, 60)}  # too many weights for lanes
OPTIONS = {"epochs": 3, "batch_size": 8, "optimizer": fastbp.Adam(0.03)}
SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
import multiprocessing, numpy as np
import fastbp

rng = np.random.default_rng(0)
X, Y = rng.uniform(-1, 1, (23, 3)), rng.integers(0, 2, 23)

def trained(_=None):
    pop = fastbp.Population([fastbp.Network([3, n, 2], cost="cross_entropy", seed=n) for n in (3, 4, 5)])
    pop.fit(X, Y, epochs=2, batch_size=5, optimizer=fastbp.Adam(0.03), halving=fastbp.Halving(factor=2, every=1))
    return [net.parameters.tobytes().hex() for net in pop]
"""


@pytest.fixture
def seen(monkeypatch):
    """Note how many jobs each round has, and whether it is computed by Python's main thread."""
    noted, original = [], rounds.prepared

    def noting(rows):
        run = original(rows)

        def noting_run():
            noted.append((len(rows), threading.current_thread() is threading.main_thread()))
            return run()

        return noting_run

    monkeypatch.setattr(rounds, "prepared", noting)
    return noted


@needs_two_threads
def test_rounds_are_on_threads_of_their_own(seen):
    interval = sys.getswitchinterval()
    with fastbp.threads(2), at_most(0):
        fastbp.Population(networks(8, **WIDE)).fit(X, Y, **OPTIONS)
    assert 24 - 3 <= sum(n for n, _ in seen) <= 24  # the last one of an epoch may be alone, and train outside
    assert not any(main for _, main in seen)
    assert not any(thread.name.startswith("fastbp") for thread in threading.enumerate())
    assert sys.getswitchinterval() == interval


def test_one_thread_is_enough(seen):
    with fastbp.threads(1):
        fastbp.Population(networks(16)).fit(X, Y, **OPTIONS)
    assert seen and all(main for _, main in seen)


@needs_two_threads
def test_a_round_has_as_many_jobs_as_make_it_long_enough(seen, monkeypatch):
    """Where a thread has nothing to do, also fewer."""
    nets = networks(16, **WIDE)
    long_enough = 2.5 * nets[0]._model.flops_per_sample * len(X)
    monkeypatch.setattr(sources, "FLOPS_BETWEEN_LOOKS", long_enough / rounds.PART_OF_ROUND)
    with fastbp.threads(2), at_most(0):
        fastbp.Population(nets).fit(X, Y, **OPTIONS)
    assert max(n for n, _ in seen) == 3


class Ready:
    """A member that is ready for a step of so many operations."""

    row, piece = Row(0, 0, 0, (0,), 1, 0), SimpleNamespace(trainer=None, orders=[()])

    def __init__(self, flops):
        self.flops = flops


def by_unit(members):
    return {rounds.unit_of(member): [member] for member in members}


@pytest.mark.parametrize("wait, begins", [(True, [[3, 1], [5], [5], [5]]), (False, [[3, 1], [5], [5], [5]])])
def test_a_thread_has_one_round_and_one_that_is_next(wait, begins, monkeypatch):
    begun, pool = [], SimpleNamespace(submit=lambda run: Future())
    monkeypatch.setattr(rounds, "prepared", lambda rows: None)
    monkeypatch.setattr(sources, "FLOPS_BETWEEN_LOOKS", 4 / rounds.PART_OF_ROUND)
    with fastbp.threads(2):
        compute = rounds.Rounds(pool)
    compute.n_threads = 2
    original = compute._begin
    monkeypatch.setattr(compute, "_begin", lambda taken: (begun.append([m.flops for (m,) in taken]), original(taken)))
    ready = by_unit([Ready(flops) for flops in (3, 1, 5, 5, 5, 7, 2)])
    compute.start(ready, wait=wait)
    assert begun == begins
    assert [member.flops for (member,) in ready.values()] == [7, 2]
    assert compute.running and not compute.free


@pytest.mark.parametrize("n_running, begins", [(0, 1), (1, 1), (2, 0)])
def test_a_short_round_waits_for_more_members_unless_a_thread_is_idle(n_running, begins, monkeypatch):
    monkeypatch.setattr(rounds, "prepared", lambda rows: None)
    compute = rounds.Rounds(SimpleNamespace(submit=lambda run: Future()))
    compute.n_threads, compute._n_running = 2, n_running
    ready = by_unit([Ready(1), Ready(1)])
    compute.start(ready, wait=True)
    assert len(ready) == (0 if begins else 2)
    assert compute._n_running == n_running + begins


@needs_two_threads
def test_two_teams_are_two_rounds(seen):
    with fastbp.threads(2):
        fastbp.Population(networks(2 * lanes_of(np.dtype("float32")))).fit(X, Y, **OPTIONS)
    assert seen == [(1, False)] * 2


def test_members_of_numpy_and_the_last_one_are_in_no_round(seen):
    fastbp.Population(networks(3, formulation="vectorized")).fit(X, Y, **OPTIONS)
    fastbp.Population(networks(1)).fit(X, Y, **OPTIONS)
    assert seen == []


def test_without_compilation():
    expected = run_python(SCRIPT + "print(trained())", "")
    numbers = run_python(SCRIPT + "print(trained())", "", NUMBA_DISABLE_JIT="1")
    for ours, theirs in zip(eval(numbers), eval(expected), strict=True):
        assert np.frombuffer(bytes.fromhex(ours), "f4") == pytest.approx(
            np.frombuffer(bytes.fromhex(theirs), "f4"), 1e-5
        )


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="no fork on Windows")
def test_in_a_forked_process():
    """Whose parent has running threads."""
    forked = """
first = trained()
fastbp.compiler.threads.launched_layer()
with multiprocessing.get_context("fork").Pool(1) as pool:
    print(pool.map(trained, [0]) == [first])
"""
    assert run_python(SCRIPT + forked, "", PYTHONWARNINGS="ignore") == "True"

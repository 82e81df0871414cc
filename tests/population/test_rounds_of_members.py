"""Rounds while Python works: on how many threads, which members, and in processes of any kind."""

import threading

import numpy as np
import pytest
from conftest import needs_two_threads, run_python
from pieces_of_epochs import at_most
from population_samples import X, Y, networks

import fastbp
from fastbp.batches import sources
from fastbp.compiler.threads import get_num_threads
from fastbp.formulations.lanes.trainer import lanes_of
from fastbp.population import rounds

WIDE = {"hidden": (40,)}  # too wide for lanes
OPTIONS = {"epochs": 3, "batch_size": 8, "optimizer": fastbp.Adam(0.03)}
SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
import multiprocessing, numpy as np
import fastbp
from fastbp.population import rounds

rng = np.random.default_rng(0)
X, Y = rng.uniform(-1, 1, (23, 3)), rng.integers(0, 2, 23)

def trained(_=None):
    pop = fastbp.Population([fastbp.Network([3, n, 2], cost="cross_entropy", seed=n) for n in (3, 4, 5)])
    pop.fit(X, Y, epochs=2, batch_size=5, optimizer=fastbp.Adam(0.03), halving=fastbp.Halving(factor=2, every=1))
    return [net.parameters.tobytes().hex() for net in pop]
"""


@pytest.fixture
def seen(monkeypatch):
    """Let every round be worth all threads; note the members, the threads and the Python thread of each."""
    noted = []
    monkeypatch.setattr(rounds, "worth", lambda flops: get_num_threads())
    original = rounds.train_all

    def noting(rows, wanted, begun):
        noted.append((len(rows), wanted, threading.current_thread() is threading.main_thread()))
        return original(rows, wanted, begun)

    monkeypatch.setattr(rounds, "train_all", noting)
    return noted


@needs_two_threads
def test_rounds_of_half_the_members_on_a_thread_of_their_own(seen):
    with fastbp.threads(2), at_most(0):
        fastbp.Population(networks(8, **WIDE)).fit(X, Y, **OPTIONS)
    assert 24 - 3 <= sum(n for n, _, _ in seen) <= 24  # the last one of an epoch may be alone, and train outside
    assert all(2 <= n <= 4 and wanted == 2 and not main for n, wanted, main in seen)
    assert not any(thread.name.startswith("fastbp") for thread in threading.enumerate())


def test_one_thread_is_enough(seen):
    with fastbp.threads(1):
        fastbp.Population(networks(16)).fit(X, Y, **OPTIONS)
    assert seen and all(wanted == 1 and main for _, wanted, main in seen)


def test_a_round_takes_no_longer_than_ctrl_c_may_wait(seen, monkeypatch):
    """It would begin with the four that are ready, and takes as many as are no more than so many operations."""
    nets = networks(16, **WIDE)
    monkeypatch.setattr(sources, "FLOPS_BETWEEN_LOOKS", 3.5 * nets[0]._model.flops_per_sample * len(X))
    with fastbp.threads(1):
        fastbp.Population(nets).fit(X, Y, **OPTIONS)
    assert max(n for n, _, _ in seen) == 3


@needs_two_threads
def test_a_long_round_has_two_members_for_each_thread(seen, monkeypatch):
    monkeypatch.setattr(sources, "FLOPS_BETWEEN_LOOKS", 1)
    with fastbp.threads(2):
        fastbp.Population(networks(16, **WIDE)).fit(X, Y, **OPTIONS | {"batch_size": len(X)})
    assert max(n for n, _, _ in seen) == 4


@needs_two_threads
def test_two_teams_share_a_round(seen):
    """One of them is half of the members, and is ready first."""
    with fastbp.threads(2):
        fastbp.Population(networks(2 * lanes_of(np.dtype("float32")))).fit(X, Y, **OPTIONS)
    assert seen == [(2, 2, False)]


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
    """Whose parent has running threads: it trains on one."""
    forked = """
rounds.worth, before = (lambda flops: 2), rounds.worth
first = trained()
rounds.worth = before
with multiprocessing.get_context("fork").Pool(1) as pool:
    print(pool.map(trained, [0]) == [first])
"""
    assert run_python(SCRIPT + forked, "", PYTHONWARNINGS="ignore") == "True"

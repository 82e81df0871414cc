"""A member that diverges stops alone; Ctrl-C and errors leave every member at its last whole epoch."""

import copy
import gc
import os
import signal
import threading

import numpy as np
import pytest
from conftest import needs_two_threads
from pieces_of_epochs import at_most
from population_samples import HELD_OUT, X, Y, learned, n_threads, networks  # noqa: F401

import fastbp
from fastbp.population import members, rounds
from fastbp.population import training as of_population
from fastbp.training import steps

ADAM = fastbp.Adam(0.03)
OPTIONS = {"batch_size": 8, "optimizer": ADAM, "validation_data": HELD_OUT}


def after(epochs, nets):
    """What networks have learned after so many epochs, each alone."""
    alone = copy.deepcopy(nets)
    for net in alone:
        if epochs:
            net.fit(X, Y, epochs=epochs, **OPTIONS)
    return [learned(net) for net in alone] if epochs else None


@pytest.mark.parametrize("formulation", ["tiles", "loops", "vectorized"])
def test_a_member_that_diverges_stops_alone(formulation, n_threads):  # noqa: F811
    kind = {"cost": "quadratic", "output_activation": "identity", "activation": "relu", "formulation": formulation}
    nets, alone, Y = networks(4, **kind), networks(4, **kind), np.eye(3)[np.arange(len(X)) % 3]
    rates = [fastbp.SGD(rate) for rate in (0.01, 1e6, 0.02, 0.03)]
    with pytest.warns(RuntimeWarning, match=r"member 1 diverged: the cost or a weight was no longer finite") as caught:
        histories = fastbp.Population(nets).fit(X, Y, epochs=6, batch_size=8, optimizer=rates)
    assert [w.filename for w in caught] == [__file__]
    for i, net in enumerate(alone):
        if i != 1:
            net.fit(X, Y, epochs=6, batch_size=8, optimizer=rates[i])
        else:
            with pytest.raises(fastbp.DivergenceError) as error:
                net.fit(X, Y, epochs=6, batch_size=8, optimizer=rates[i])
            assert histories[1].stopped == str(error.value) and len(histories[1]) < 6
            net.history.stopped = str(error.value)
        assert learned(net) == learned(nets[i])
    assert np.isfinite(nets[1].parameters).all()


def test_many_that_diverge_are_counted():
    nets, Y = networks(12, cost="quadratic", output_activation="identity"), np.eye(3)[np.arange(len(X)) % 3]
    with pytest.warns(RuntimeWarning, match=r"12 members diverged \(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …\)"):
        histories = fastbp.Population(nets).fit(X, Y, epochs=9, batch_size=8, optimizer=fastbp.SGD(1e9))
    assert all(history.stopped for history in histories)


class Stop(Exception):
    """Raised by the tests."""


@pytest.mark.parametrize("error", [KeyboardInterrupt, Stop])
@pytest.mark.parametrize("n", [1, 2, 4])
@pytest.mark.parametrize("where, threads", [("go_on", 1), ("train", 1), ("go_on", 2),
                                            pytest.param("_begin", 2, marks=needs_two_threads),
                                            ("finished", 2), ("start", 2)])  # fmt: skip
def test_an_error_at_any_moment(where, threads, n, error, monkeypatch):
    """Each member is as after a whole number of epochs, and continues with the bits of an uninterrupted training."""
    owner = next(kind for kind in (members.NetworkMember, steps.Piece, rounds.Rounds) if hasattr(kind, where))
    original, calls, n = getattr(owner, where), 0, n if owner is rounds.Rounds else 3 * n

    def failing(*arguments, **options):
        nonlocal calls
        calls += 1
        result = original(*arguments, **options)
        if calls == n:
            raise error("on purpose")
        return result

    nets = networks(4, formulation="vectorized" if where == "train" else "tiles")
    known = {epochs: after(epochs, nets) for epochs in range(1, 4)}
    start, pop = [net.parameters.tobytes() for net in nets], fastbp.Population(nets)
    expected = pytest.raises(Stop) if error is Stop else pytest.warns(RuntimeWarning, match=r"was interrupted after")
    with monkeypatch.context() as patch, expected, fastbp.threads(threads), at_most(0):
        patch.setattr(owner, where, failing)
        pop.fit(X, Y, epochs=3, **OPTIONS)
    assert calls >= n
    assert not any(net._model.training.locked() for net in nets)
    for i, net in enumerate(nets):
        done = len(net.history)
        assert net.history.interrupted == (error is KeyboardInterrupt and done < 3)
        assert learned(net) == known[done][i] if done else net.parameters.tobytes() == start[i]
        if done < 3:
            net.fit(X, Y, epochs=3 - done, **OPTIONS)
        last = known[3][i]
        assert {k: v for k, v in learned(net).items() if k != "history"} == {k: last[k] for k in last if k != "history"}


@pytest.mark.usefixtures("hears_ctrl_c")
@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no SIGINT to the main thread on Windows")
def test_a_real_ctrl_c(n_threads):  # noqa: F811
    class Interrupts(fastbp.Callback):
        def on_epoch_end(self, run):
            if run.epoch % 20_000 == 3:  # again if need be
                threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT)).start()

    gc.collect()  # later it would call back weak references: Python loses a KeyboardInterrupt that is raised there
    nets, pop_options = networks(6), {"batch_size": 8, "optimizer": ADAM}
    alone = copy.deepcopy(nets)
    first = [Interrupts(), *[()] * 5]
    with pytest.warns(
        RuntimeWarning, match=r"interrupted after \d+ to \d+ epochs; every member has the weights"
    ) as caught:
        histories = fastbp.Population(nets).fit(X, Y, epochs=10**6, callbacks=first, **pop_options)
    assert [w.filename for w in caught] == [__file__]
    for net, other, history in zip(nets, alone, histories, strict=True):
        assert history.interrupted and len(history) > 0
        other.fit(X, Y, epochs=len(history), **pop_options)
        assert learned(net) == learned(other)


def test_on_train_end_is_called_for_all_that_did_not_diverge():
    class Ends(fastbp.Callback):
        def __init__(self):
            self.lengths = []

        def on_train_end(self, run):
            self.lengths.append(len(run.history))

    ends = Ends()
    fastbp.Population(networks(3)).fit(X, Y, epochs=[1, 2, 3], callbacks=ends)
    assert ends.lengths == [1, 2, 3]


def test_nothing_is_undone_twice_after_an_interrupted_undo(monkeypatch):
    """Ctrl-C again while members are taken back: all of them are taken back all the same."""
    nets = networks(4)
    before = [net.parameters.tobytes() for net in nets]
    original, calls = members.NetworkMember.undo, 0

    def undo(self, **options):
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        original(self, **options)

    def failing(*_):
        raise Stop

    monkeypatch.setattr(members.NetworkMember, "undo", undo)
    monkeypatch.setattr(of_population.Training, "run", failing)
    with pytest.raises(Stop):
        fastbp.Population(nets).fit(X, Y, epochs=1)
    assert calls == 6 and [net.parameters.tobytes() for net in nets] == before

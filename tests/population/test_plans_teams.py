"""Small members train together in the lanes of a register, each with the bits that it has alone."""

import numpy as np
import pytest

import fastbp
from fastbp.batches import sources
from fastbp.formulations.lanes.team import Team
from fastbp.formulations.lanes.trainer import lanes_of

LANES = lanes_of(np.dtype("float32"))
X = np.random.default_rng(0).standard_normal((75, 5)).astype(np.float32)
Y = np.sin(X[:, :2])


@pytest.fixture
def rows(monkeypatch):
    """Note how many members each row of a team has trained."""
    seen, original = [], Team.row
    monkeypatch.setattr(
        Team, "row", lambda self, trainers, *rest: (seen.append(len(trainers)), original(self, trainers, *rest))[1]
    )
    return seen


def networks(n, **options):
    return [fastbp.Network([5, 7, 2], activation="tanh", cost="quadratic", seed=s, **options) for s in range(n)]


@pytest.mark.parametrize("threads", [1, 2])
def test_members_of_a_team_have_the_bits_of_networks_trained_alone(threads, rows):
    """One member is left over; those that go on after a halving are other groups of the team."""
    n = LANES + 1
    options = [{"optimizer": fastbp.Adam(1e-3 * (i + 1)), "l2": 0.1 * (i % 2)} for i in range(n)]
    each = {name: [of_one[name] for of_one in options] for name in options[0]}
    pop = fastbp.Population(networks(n))
    with fastbp.threads(threads):
        histories = pop.fit(X, Y, epochs=5, batch_size=16, halving=fastbp.Halving(factor=2, every=2), **each)
    assert max(rows) == LANES and min(rows) < LANES
    for net, member, history, of_one in zip(networks(n), pop, histories, options, strict=True):
        alone = net.fit(X, Y, epochs=len(history), batch_size=16, **of_one)
        assert alone.cost == history.cost and np.array_equal(net.parameters, member.parameters)
        net.fit(X, Y, epochs=1, batch_size=16, **{**of_one, "optimizer": net.optimizer})
        member.fit(X, Y, epochs=1, batch_size=16, **{**of_one, "optimizer": member.optimizer})
        assert np.array_equal(net.parameters, member.parameters)


def test_rows_and_early_stopping_are_each_members_own(rows):
    n, rng = LANES, np.random.default_rng(1)
    of_each = [rng.integers(0, 75, 60) for _ in range(n)]
    stopping = fastbp.EarlyStopping("cost", patience=1, min_delta=0.02)
    pop = fastbp.Population(networks(n))
    histories = pop.fit(X, Y, epochs=6, optimizer="adam", samples=of_each, early_stopping=stopping)
    assert max(rows) == LANES and len({len(history) for history in histories}) > 1
    for net, member, history, chosen in zip(networks(n), pop, histories, of_each, strict=True):
        alone = net.fit(X[chosen], Y[chosen], epochs=6, optimizer="adam", early_stopping=stopping)
        assert alone.cost == history.cost and np.array_equal(net.parameters, member.parameters)


class Halves(fastbp.Callback):
    """Halves the weights after an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, run):
        if run.epoch == self.epoch:
            run.net.parameters[:] *= 0.5


def test_a_team_trains_on_weights_that_a_callback_changed(rows):
    """Which a team finds out, though it keeps those of its last round."""
    pop, callbacks = fastbp.Population(networks(LANES)), [Halves(1 + i % 3) for i in range(LANES)]
    pop.fit(X, Y, epochs=4, optimizer="adam", callbacks=callbacks)
    assert rows == [LANES] * 4
    for net, member, callback in zip(networks(LANES), pop, callbacks, strict=True):
        net.fit(X, Y, epochs=4, optimizer="adam", callbacks=[callback])
        assert np.array_equal(net.parameters, member.parameters)


def test_a_member_that_diverges_leaves_its_team(rows):
    n = LANES
    rates = [0.01] * (n - 1) + [1e20]
    pop = fastbp.Population(networks(n))
    with pytest.warns(RuntimeWarning, match=f"member {n - 1} diverged"):
        histories = pop.fit(X, Y, epochs=3, optimizer=[fastbp.SGD(rate) for rate in rates])
    assert [len(history) for history in histories] == [3] * (n - 1) + [0]
    net = networks(1)[0]
    net.fit(X, Y, epochs=3, optimizer=fastbp.SGD(0.01))
    assert np.array_equal(net.parameters, pop[0].parameters)


@pytest.mark.parametrize("where", ["row", "costs"])
@pytest.mark.parametrize("call", [1, 2, 3])
def test_ctrl_c_leaves_every_member_at_a_whole_epoch(where, call, monkeypatch):
    original, calls = Team.row, 0

    def interrupted(*arguments):
        nonlocal calls
        row, costs = original(*arguments)
        calls += 1

        def costs_of_interrupted():
            costs()
            raise KeyboardInterrupt

        if calls == call and where == "row":
            raise KeyboardInterrupt
        return row, costs_of_interrupted if calls == call else costs

    pop = fastbp.Population(networks(LANES))
    with monkeypatch.context() as patch, pytest.warns(RuntimeWarning, match="interrupted"):
        patch.setattr(sources, "SAMPLES_TOGETHER", 2 * len(X))
        patch.setattr(Team, "row", interrupted)
        pop.fit(X, Y, epochs=8, optimizer=fastbp.Adam(0.01))
    for net, member in zip(networks(LANES), pop, strict=True):
        done = len(member.history)
        assert done == 2 * (call - 1) == len(member.history.seconds)
        net.fit(X, Y, epochs=8, optimizer=fastbp.Adam(0.01))
        member.fit(X, Y, epochs=8 - done)
        assert np.array_equal(net.parameters, member.parameters)


@pytest.mark.parametrize(
    "options", [{"dropout": 0.5}, {"sample_weight": np.ones(75)}, {"batch_size": 1}, {"optimizer": fastbp.LBFGS()}]
)
def test_what_does_not_suit_lanes_trains_in_tiles(options, rows):
    fastbp.Population(networks(LANES)).fit(X, Y, **{"epochs": 1, "optimizer": fastbp.SGD(0.1), **options})
    assert rows == []


def test_members_that_differ_are_no_team(rows):
    nets = [*networks(LANES - 1), fastbp.Network([5, 8, 2], activation="tanh", cost="quadratic", seed=0)]
    fastbp.Population(nets).fit(X, Y, epochs=1)
    assert rows == []


@pytest.mark.parametrize("by_step", [False, True])
def test_members_of_a_team_follow_schedules_of_their_own(rows, by_step):
    """Of the rate and the decay; there is no dropout in lanes."""
    n, made = LANES, fastbp.ByStep if by_step else (lambda schedule: schedule)
    decays = [made(fastbp.StepDecay(1, factor=0.1 + 0.8 * i / n)) for i in range(n)]
    schedules = [{"weight_decay": decay, "learning_rate": made(fastbp.CosineDecay(4))} for decay in decays]
    pop, optimizers = fastbp.Population(networks(n)), [fastbp.AdamW(0.01, weight_decay=2.0) for _ in range(n)]
    pop.fit(X, Y, epochs=4, batch_size=16, optimizer=optimizers, schedule=schedules, progress=False)
    assert max(rows) == LANES
    for net, member, schedule in zip(networks(n), pop, schedules, strict=True):
        net.fit(X, Y, epochs=4, batch_size=16, optimizer=fastbp.AdamW(0.01, weight_decay=2.0), schedule=schedule)
        assert np.array_equal(net.parameters, member.parameters)
    plain = networks(1)[0]
    plain.fit(X, Y, epochs=4, batch_size=16, optimizer=fastbp.AdamW(0.01, weight_decay=2.0))
    assert not np.allclose(plain.parameters, pop[0].parameters, atol=1e-3)

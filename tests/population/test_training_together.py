"""Members whose short epochs are trained together: the same bits, pauses of a halving, divergences."""

import copy

import numpy as np
import pytest
from pieces_of_epochs import at_most, pieces  # noqa: F401
from population_samples import X, Y, check_as_alone, learned, n_threads, networks  # noqa: F401

import fastbp
from fastbp.formulations.lanes.trainer import lanes_of
from fastbp.population import members

LANES, ADAM = lanes_of(np.dtype("float32")), fastbp.Adam(0.03)
WIDE = {"hidden": (60, 60)}  # too many weights for lanes


@pytest.fixture
def stops(monkeypatch):
    """Note after how many epochs each member's pieces end."""
    seen, original = [], members.NetworkMember.go_on

    def noting(self, answer):
        before = self.piece
        original(self, answer)
        if before is not None:
            seen.append((self.index, self.epochs_done))

    monkeypatch.setattr(members.NetworkMember, "go_on", noting)
    return seen


@pytest.mark.parametrize("options", [{}, {"dropout": 0.3}, {"samples": np.arange(7, 40)}], ids=str)
@pytest.mark.parametrize("formulation", ["tiles", "loops", "vectorized"])
def test_the_bits_of_one_at_a_time(formulation, options, n_threads, pieces):  # noqa: F811
    nets = networks(5, formulation=formulation, **WIDE)
    one_by_one = copy.deepcopy(nets)
    check_as_alone(nets, fits=2, epochs=5, batch_size=8, optimizer=ADAM, **options)
    assert set(pieces) == {5}
    with at_most(0):
        for _ in range(2):
            fastbp.Population(one_by_one).fit(X, Y, epochs=5, batch_size=8, optimizer=ADAM, **options)
    assert [learned(net) for net in nets] == [learned(net) for net in one_by_one]


@pytest.mark.parametrize("epochs", [7, [7] * LANES + [5], [5, *[7] * LANES]], ids=lambda e: str(e)[:6])
def test_a_team_has_the_bits_of_networks_alone(epochs, n_threads, pieces):  # noqa: F811
    nets = networks(LANES + 1)
    alone = copy.deepcopy(nets)
    with at_most(3 * len(X)):
        histories = fastbp.Population(nets).fit(X, Y, epochs=epochs, batch_size=8, optimizer=ADAM)
    assert {1, 3} <= set(pieces) <= {1, 2, 3}
    for net, other, history in zip(nets, alone, histories, strict=True):
        with at_most(0):
            other.fit(X, Y, epochs=len(history), batch_size=8, optimizer=ADAM)
        assert learned(net) == learned(other)


@pytest.mark.parametrize("options", [{}, WIDE, {"formulation": "vectorized"}], ids=str)
def test_they_pause_for_a_halving(options, n_threads, stops):  # noqa: F811
    nets = networks(LANES, **options)
    histories = fastbp.Population(nets).fit(
        X, Y, epochs=11, batch_size=8, optimizer=ADAM, halving=fastbp.Halving(factor=4, every=4)
    )
    n_8 = -(-LANES // 4)
    n_11 = -(-n_8 // 4)
    assert sorted(map(len, histories)) == [4] * (LANES - n_8) + [8] * (n_8 - n_11) + [11] * n_11
    assert sorted(stops) == sorted((i, n) for i, h in enumerate(histories) for n in (4, 8, 11) if n <= len(h))
    cost = [history.cost[3] for history in histories]
    assert max(c for c, h in zip(cost, histories, strict=True) if len(h) > 4) <= min(
        c for c, h in zip(cost, histories, strict=True) if len(h) == 4
    )


@pytest.mark.parametrize("hidden", [(), (40,)], ids=["team", "tiles"])
def test_one_diverges_among_them(hidden, n_threads, pieces):  # noqa: F811
    """After some epochs; the others of its team go on."""
    made = {"cost": "quadratic", "output_activation": "identity", "hidden": hidden}
    nets, Y = networks(LANES, **made), np.eye(3)[np.arange(len(X)) % 3]
    rates = [fastbp.SGD(0.01)] * (LANES - 1) + [fastbp.SGD(3.0 if hidden else 60.0)]
    for net in nets:
        net.parameters[:] *= 1e3 if not hidden else 1.0
    alone = copy.deepcopy(nets)
    with pytest.warns(RuntimeWarning, match=f"member {LANES - 1} diverged"):
        histories = fastbp.Population(nets).fit(X, Y, epochs=12, batch_size=8, optimizer=rates)
    assert pieces[0] == 12
    for net, other, rate in zip(nets[-2:], alone[-2:], rates[-2:], strict=True):
        with at_most(0):
            if net is nets[-1]:
                with pytest.raises(fastbp.DivergenceError) as error:
                    other.fit(X, Y, epochs=12, batch_size=8, optimizer=rate)
                assert histories[-1].stopped == str(error.value) and 0 < len(histories[-1]) < 11
                other.history.stopped = str(error.value)
            else:
                other.fit(X, Y, epochs=12, batch_size=8, optimizer=rate)
        assert learned(net) == learned(other)

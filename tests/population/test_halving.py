"""After every few epochs only the best members go on; those have the bits of an uninterrupted training."""

import numpy as np
import pytest
from population_samples import HELD_OUT, X, Y, learned, n_threads, networks  # noqa: F401

import fastbp
from fastbp.population.halving import Judge

OPTIONS = {"batch_size": 8, "optimizer": fastbp.Adam(0.03), "validation_data": HELD_OUT}


@pytest.mark.parametrize("formulation", ["tiles", "vectorized"])
def test_survivors_are_not_disturbed(formulation, n_threads):  # noqa: F811
    nets, alone = networks(7, formulation=formulation), networks(7, formulation=formulation)
    halving = fastbp.Halving(factor=3, every=2)
    histories = fastbp.Population(nets).fit(X, Y, epochs=7, halving=halving, **OPTIONS)
    for net in alone:
        net.fit(X, Y, epochs=7, **OPTIONS)
    cost = np.array([net.history.validation_cost for net in alone])
    after_2 = np.argsort(cost[:, 1], kind="stable")[:3]  # ⌈7 / 3⌉
    last = after_2[np.argmin(cost[after_2, 3])]
    lengths = np.full(7, 2)
    lengths[after_2], lengths[last] = 4, 7
    assert [len(history) for history in histories] == lengths.tolist()
    for net, start, length in zip(nets, networks(7, formulation=formulation), lengths, strict=True):
        start.fit(X, Y, epochs=int(length), **OPTIONS)
        stopped = learned(net).pop("stopped")
        assert {**learned(net), "stopped": None} == learned(start)
        if length < 7:
            among = f"not among the best {3 if length == 2 else 1} of {7 if length == 2 else 3} members after {length}"
            assert stopped == f"halving: validation_cost is {net.history.validation_cost[-1]:.4g}, {among} epochs"
        else:
            assert stopped is None


def test_by_another_series_with_more_survivors():
    nets = networks(6)
    halving = fastbp.Halving(factor=2, every=1, monitor="accuracy", least=2)
    histories = fastbp.Population(nets).fit(X, Y, epochs=5, halving=halving, **OPTIONS)
    assert sorted(len(history) for history in histories) == [1, 1, 1, 2, 5, 5]
    first = [history.validation_accuracy[0] for history in histories]
    assert min(first[i] for i in range(6) if len(histories[i]) > 1) >= max(
        first[i] for i in range(6) if len(histories[i]) == 1
    )


def test_members_that_have_ended_take_no_part():
    """Two end on their own at the rung; of the other two, one goes on."""
    histories = fastbp.Population(networks(4)).fit(
        X, Y, epochs=[2, 2, 5, 5], halving=fastbp.Halving(factor=2, every=2), **OPTIONS
    )
    assert [history.stopped for history in histories[:2]] == [None, None]
    assert sorted(len(history) for history in histories) == [2, 2, 2, 5]


def test_a_member_that_stops_goes_back_to_its_best_epoch():
    stopping = fastbp.EarlyStopping(patience=None)
    nets = networks(4)
    histories = fastbp.Population(nets).fit(
        X, Y, epochs=9, halving=fastbp.Halving(factor=4, every=4), early_stopping=stopping, batch_size=2,
        optimizer=fastbp.Adam(0.2), validation_data=HELD_OUT,
    )  # fmt: skip
    early = [i for i, history in enumerate(histories) if history.best_epoch < len(history) == 4]
    assert early
    for i in early:
        cost = nets[i].evaluate(*HELD_OUT).cost
        assert cost == histories[i].validation_cost[histories[i].best_epoch - 1]


def test_full_batch_optimizers_are_halved_too():
    options = {"epochs": 6, "optimizer": fastbp.LBFGS()}
    histories = fastbp.Population(networks(4)).fit(X, Y, halving=fastbp.Halving(factor=2, every=2), **options)
    assert sorted(len(history) for history in histories) == [2, 2, 4, 6]
    (best,) = (i for i, history in enumerate(histories) if len(history) == 6)
    net = networks(4)[best]
    assert net.fit(X, Y, **options).cost == histories[best].cost


@pytest.mark.parametrize("greater, expected", [(False, [2, 0, 4, 3, 1]), (True, [3, 0, 4, 2, 1])])
def test_ties_by_number_and_nan_last(greater, expected):
    judge = Judge(("cost",) * 5, greater)
    assert judge.ranked(range(5), [0.5, float("nan"), 0.25, 0.75, 0.5]) == expected


@pytest.mark.parametrize(
    "given, kind, words",
    [
        ({"factor": 1}, ValueError, "factor is 1"), ({"factor": 2.5}, TypeError, "factor is 2.5"),
        ({"every": 0}, ValueError, "every is 0"), ({"least": 0}, ValueError, "least is 0"),
        ({"monitor": 3}, TypeError, "monitor is 3"), ({"mode": "up"}, ValueError, "mode is 'up'"),
    ],
)  # fmt: skip
def test_wrong_parameters(given, kind, words):
    with pytest.raises(kind, match=words):
        fastbp.Halving(**given)

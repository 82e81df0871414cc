"""Outputs, mean, spread, evaluations and order of members; how they are shown."""

import math

import numpy as np
import pytest
from population_samples import HELD_OUT, X, Y, network, networks

import fastbp


def test_outputs_of_all_members():
    nets = [network(0), network(1, (40, 9)), network(2, (), formulation="loops")]
    pop = fastbp.Population(nets)
    expected = np.array([net.predict(X) for net in nets])
    outputs = pop.predict(X)
    assert outputs.dtype == np.float32 and (outputs == expected).all()
    mean, std = pop.mean(X, return_std=True)
    exact = expected.astype(np.float64)
    assert (pop.mean(X) == mean).all() and mean.dtype == std.dtype == np.float32
    assert mean == pytest.approx(exact.mean(axis=0), rel=1e-6) and std == pytest.approx(exact.std(axis=0), rel=1e-5)


def test_too_many_outputs(monkeypatch):
    pop = fastbp.Population(networks(3))
    monkeypatch.setattr("fastbp.memory.physical_memory", lambda: 1000)
    with pytest.raises(MemoryError, match=r"the outputs of 3 members for 41 samples needs 1,476 bytes.* or use `mean`"):
        pop.predict(X)


def test_evaluations():
    nets = [network(0), network(1, (4,), cost="quadratic", output_activation="sigmoid"), network(2)]
    pop, weight = fastbp.Population(nets), np.linspace(0, 1, len(X))
    assert pop.evaluate(X, Y) == [net.evaluate(X, Y) for net in nets]
    assert pop.evaluate(X, Y, sample_weight=weight) == [net.evaluate(X, Y, sample_weight=weight) for net in nets]
    with pytest.raises(ValueError, match=r"member 0: Y\[0\] is 3"):
        pop.evaluate(X, np.full(len(X), 3))


def test_the_best_members():
    pop = fastbp.Population(networks(5))
    pop.fit(X, Y, epochs=4, optimizer=[fastbp.Adam(rate) for rate in (0.001, 0.3, 0.01, 0.1, 0.03)],
            validation_data=HELD_OUT)  # fmt: skip
    cost = [net.evaluate(*HELD_OUT).cost for net in pop]
    accuracy = [history.validation_accuracy[-1] for history in pop.history]
    assert pop.best(5) == np.argsort(cost).tolist() and pop.best() == [int(np.argmin(cost))]
    assert pop.best(1, "accuracy") == [int(np.argmax(accuracy))]
    assert pop.best(1, "accuracy", mode="min") == [int(np.argmin(accuracy))]
    assert pop.best(5, "training_cost") == np.argsort([history.cost[-1] for history in pop.history]).tolist()
    assert [net is pop[i] for net, i in zip(pop[pop.best(2)], pop.best(2), strict=True)] == [True, True]


def test_the_best_epoch_counts_and_nan_is_last():
    pop = fastbp.Population(networks(3))
    for net, costs, best in zip(pop, ([0.5, 0.1, 0.9], [], [0.2, 0.2]), (2, None, None), strict=True):
        net.history = fastbp.History(cost=costs, best_epoch=best)
    assert pop.best(3) == [0, 2, 1]
    pop[0].history.cost[1] = math.nan
    assert pop.best(3) == [2, 0, 1]


def test_wrong_questions():
    pop = fastbp.Population(networks(2))
    with pytest.raises(ValueError, match="member 0 has no history: train it first"):
        pop.best()
    pop.fit(X, Y, epochs=1)
    with pytest.raises(ValueError, match="k is 3; it must be at most 2"):
        pop.best(3)
    with pytest.raises(ValueError, match="member 0: monitor is 'accuracy'; there is no such series"):
        pop.best(1, "accuracy")
    with pytest.raises(TypeError, match="return_std is 1"):
        pop.mean(X, return_std=1)


def test_a_population_is_a_sequence_of_networks():
    nets = networks(4)
    pop = fastbp.Population(iter(nets))
    assert len(pop) == 4 and list(pop) == nets and pop[-1] is nets[3] and pop[np.int64(1)] is nets[1]
    assert list(pop[1:3]) == nets[1:3] and list(pop[np.array([2, 0])]) == [nets[2], nets[0]]
    assert repr(pop) == "Population(4 networks of [5, 7, 3]; float32)"

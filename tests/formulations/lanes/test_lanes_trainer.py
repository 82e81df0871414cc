"""The trainer of a group: networks that diverge, learning rates, epochs one after the other, and whom it suits."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import fastbp
from fastbp.formulations.lanes.trainer import MOST_WEIGHTS, LanesTrainer, lanes_of, suits
from fastbp.formulations.step_options import StepOptions

SIZES = [3, 5, 1]


def group(rates):
    """A trainer of networks with these rates, its networks and states; the samples are the same for all."""
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((20, 3)).astype("float32"), rng.standard_normal((20, 1)).astype("float32")
    choices = {"activation": "relu", "cost": "quadratic", "output_activation": "identity"}
    nets = [fastbp.Network(SIZES, seed=i, **choices) for i in range(len(rates))]
    optimizers = [fastbp.Momentum(rate) for rate in rates]
    states = [optimizer.new_state(nets[0].parameters.size, "float32") for optimizer in optimizers]
    models = [net._model for net in nets]
    return LanesTrainer(models, optimizers, states, X, Y, 4, [StepOptions() for _ in nets]), nets, states


def orders(n_nets, epoch=0):
    return np.array([np.random.default_rng(10 * epoch + i).permutation(20) for i in range(n_nets)])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of NumPy, where nothing is compiled
def test_a_network_that_diverges_stops_alone():
    trainer, nets, states = group([0.01, 1e18, 0.02])
    trainer.begin()
    costs = trainer.train(orders(3))
    trainer.end_epoch()
    assert np.isfinite(costs).tolist() == [True, False, True]
    assert [int(state.t[0]) for state in states] == [5, states[1].t[0], 5]
    assert 0 < states[1].t[0] < 5
    others, alone, _ = group([0.01, 0.5, 0.02])
    others.begin()
    others.train(orders(3))
    others.end_epoch()
    for i in (0, 2):
        assert_array_equal(nets[i].parameters, alone[i].parameters)


def test_epochs_go_on_from_states_and_take_new_rates():
    whole, nets, states = group([0.01, 0.02])
    parts, copies, others = group([0.01, 0.02])
    whole.begin()
    for epoch in range(2):
        for state, rate in zip(states, [0.01, 0.02], strict=True):
            state.rate[0] = rate / (1 + epoch)
        whole.train(orders(2, epoch))
    whole.end_epoch()
    for epoch in range(2):
        for state, rate in zip(others, [0.01, 0.02], strict=True):
            state.rate[0] = rate / (1 + epoch)
        parts.begin()
        parts.train(orders(2, epoch)[:, :12])
        parts.train(orders(2, epoch)[:, 12:])
        parts.end_epoch()
    for net, copy, state, other in zip(nets, copies, states, others, strict=True):
        assert_array_equal(net.parameters, copy.parameters)
        assert_array_equal(state.first, other.first)
        assert state.t[0] == other.t[0] == 10


def test_the_loop_runs_with_the_arguments_that_it_offers():
    trainer, nets, _ = group([0.01, 0.02])
    other, copies, _ = group([0.01, 0.02])
    trainer.begin()
    costs = [trainer.train(orders(2, epoch)) for epoch in range(2)]
    trainer.end_epoch()
    other.begin()
    other.take(np.array([orders(2), orders(2, 1)]))
    for arguments in other.arguments:
        assert other.loop(*arguments) == 0
    other.end_epoch()
    assert_array_equal(other.costs, costs)
    assert_array_equal(copies[1].parameters, nets[1].parameters)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_groups_that_take_turns_share_a_workspace():
    kept = {}
    trainer, nets, _ = group([0.01, 0.02])
    alone, copies, _ = group([0.01, 0.02])
    diverging, _, _ = group([1e18] * lanes_of(np.dtype("float32")))  # leaves NaN wherever it writes
    for each in (trainer, alone, diverging):
        each.begin()
    for epoch in range(2):
        for each in (trainer, diverging):
            each.work_in(kept)
            each.train(orders(len(each.costs[0]), epoch))
        alone.train(orders(2, epoch))
    for each in (trainer, alone):
        each.end_epoch()
    assert len(kept) == 1
    for net, copy in zip(nets, copies, strict=True):
        assert_array_equal(net.parameters, copy.parameters)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"batch_size": 256}, True),
        ({"batch_size": 1}, False),
        ({"batch_size": 257}, False),
        ({"sizes": [MOST_WEIGHTS, 1]}, True),
        ({"sizes": [MOST_WEIGHTS + 1, 1]}, False),
        ({"sizes": [4, MOST_WEIGHTS // 5, 1]}, True),
        ({"sizes": [4, MOST_WEIGHTS // 5 + 1, 1]}, False),
        ({"options": {"l2": 0.1, "l1": 0.1, "decay": 0.1, "clip_value": 1.0}}, True),
        ({"options": {"clip_norm": 1.0}}, False),
        ({"options": {"max_norm": 1.0}}, False),
        ({"options": {"dropout": (0.5, 0.5)}}, False),
        ({"options": {"per_batch": True}}, False),
        ({"options": {"sample_weight": np.ones(3)}}, False),
        ({"optimizer": fastbp.LBFGS()}, False),
        ({"optimizer": fastbp.SGD(0.1, layer_rates=[1, 2, 1])}, False),
        ({"optimizer": fastbp.SGD(0.1, layer_rates=[1, 1, 1])}, True),
    ],
    ids=str,
)
def test_whom_it_suits(changes, expected):
    net = fastbp.Network(changes.get("sizes", [4, 8, 8, 1]), cost="quadratic")
    options = replace(StepOptions(), **changes.get("options", {}))
    optimizer = changes.get("optimizer", fastbp.Adam())
    assert suits(net._model, optimizer, options, changes.get("batch_size", 32)) is expected


def test_a_group_has_a_lane_for_each_number_of_a_register():
    assert lanes_of(np.dtype("float32")) == 2 * lanes_of(np.dtype("float64"))

"""A round: rows of some networks, each trained by the loop that it names, on any thread."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import fastbp
from fastbp.formulations import FORMULATIONS, rounds
from fastbp.formulations.step_options import StepOptions

X = np.random.default_rng(0).uniform(-1, 1, (33, 6)).astype(np.float32)
Y = np.eye(2, dtype=np.float32)[np.arange(33) % 2]
CASES = [
    ("tiles", fastbp.Adam(), 8), ("tiles", fastbp.SGD(0.1), 1), ("loops", fastbp.Adam(), 8),
    ("loops", fastbp.SGD(0.1), 1), ("loops", fastbp.Adam(layer_rates=[1, 0.5]), 8),
    ("tiles", fastbp.Adam(layer_rates=[1, 0.5]), 8),
]  # fmt: skip


def trainers(formulation, optimizer, batch_size, n=5):
    """Trainers of n networks, which they keep alive."""
    made = []
    for seed in range(n):
        net = fastbp.Network([6, 5 + seed, 2], cost="cross_entropy", seed=seed)
        state = optimizer.new_state(net.parameters.size, net.dtype)
        trainer = FORMULATIONS[formulation].trainer(
            net._model, optimizer, state, X, Y, batch_size, StepOptions(steps=np.zeros(1, np.int64))
        )
        trainer.begin()
        made.append((trainer, net, state))
    return made


@pytest.mark.parametrize("formulation, optimizer, batch_size", CASES)
def test_a_round_does_what_each_trainer_does_alone(formulation, optimizer, batch_size):
    one, other = (trainers(formulation, optimizer, batch_size) for _ in range(2))
    for orders in ([np.arange(33)], [np.arange(20)[::-1], np.arange(13, 33), np.arange(5, 25)]):
        expected = [[trainer.train(order) for order in orders] for trainer, _, _ in one]
        rows = [trainer.row(orders) for trainer, _, _ in other]
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(rounds.prepared(rows)).result() == expected
    for (trainer, net, state), (trainer_2, net_2, state_2) in zip(one, other, strict=True):
        trainer.end_epoch()
        trainer_2.end_epoch()
        assert net.parameters.tobytes() == net_2.parameters.tobytes()
        assert state.first.tobytes() == state_2.first.tobytes() and state.t == state_2.t


@pytest.mark.parametrize("formulation", ["vectorized", "textbook"])
def test_formulations_in_numpy_join_no_round(formulation):
    assert trainers(formulation, fastbp.Adam(), 8)[0][0].row([np.arange(33)]) is None

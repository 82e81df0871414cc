"""A round: rows of many networks, each trained by the loop that it names, on the thread that takes it first."""

import numba
import numpy as np
import pytest
from conftest import needs_two_threads

import fastbp
from fastbp.compiler.options import njit
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
@pytest.mark.parametrize("n_threads", [1, pytest.param(2, marks=needs_two_threads)])
def test_a_round_does_what_each_trainer_does_alone(formulation, optimizer, batch_size, n_threads):
    one, other = (trainers(formulation, optimizer, batch_size) for _ in range(2))
    for orders in ([np.arange(33)], [np.arange(20)[::-1], np.arange(13, 33), np.arange(5, 25)]):
        begun = []
        expected = [[trainer.train(order) for order in orders] for trainer, _, _ in one]
        rows = [trainer.row(orders) for trainer, _, _ in other]
        assert rounds.train_all(rows, n_threads, lambda: begun.append(1)) == expected  # noqa: B023
        assert begun == [1]
    for (trainer, net, state), (trainer_2, net_2, state_2) in zip(one, other, strict=True):
        trainer.end_epoch()
        trainer_2.end_epoch()
        assert net.parameters.tobytes() == net_2.parameters.tobytes()
        assert state.first.tobytes() == state_2.first.tobytes() and state.t == state_2.t


@pytest.mark.parametrize("formulation", ["vectorized", "textbook"])
def test_formulations_in_numpy_join_no_round(formulation):
    assert trainers(formulation, fastbp.Adam(), 8)[0][0].row([np.arange(33)]) is None


@needs_two_threads
@pytest.mark.parametrize("n_threads", [1, 2])
def test_every_number_is_taken_once(n_threads):
    taken, counter = np.zeros(10_000, np.int64), np.zeros(1, np.int64)
    numba.set_num_threads(n_threads)
    try:
        take_all(n_threads, taken, counter)
    finally:
        numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
    assert (taken == 1).all() and counter[0] == 10_000 + n_threads


@njit(parallel=True, on_disk=False)
def take_all(n_threads, taken, counter):
    for _ in numba.prange(n_threads):
        i = rounds.take_next(counter)
        while i < taken.size:
            taken[i] += 1
            i = rounds.take_next(counter)

"""`fit` on several ranks: the same bits whatever their number, close to a fit alone; rank 0 speaks for all.

The ranks are threads (`ranks_in_threads.py`); `test_distributed_mpi.py` has processes of MPI.
"""

import copy

import numpy as np
import pytest
from conftest import relative_difference
from numpy.testing import assert_array_equal
from ranks_in_threads import on_ranks

import fastbp
from fastbp.progress import Progress

RNG = np.random.default_rng(0)
N = 101
X, Y, HELD_OUT = RNG.standard_normal((N, 4)), RNG.integers(0, 3, N), 21
WEIGHT = RNG.random(N)
CASES = {
    "SGD": {"optimizer": fastbp.SGD(0.5)},
    "Adam, l2, clip_norm": {"optimizer": fastbp.Adam(0.01), "l2": 0.5, "clip_norm": 0.1},
    "AdamW, l1, limits": {"optimizer": fastbp.AdamW(0.01), "l1": 0.1, "clip_value": 0.05, "max_norm": 1.0},
    "label_smoothing": {"optimizer": fastbp.SGD(0.5), "label_smoothing": 0.3},
    "layer_rates, class_weight": {"optimizer": fastbp.Momentum(0.1, layer_rates=[0, 1]), "class_weight": {1: 3.0}},
    "Rprop": {"optimizer": fastbp.Rprop(), "batch_size": None},
    "LBFGS, l2, weights": {"optimizer": fastbp.LBFGS(), "l2": 0.5, "sample_weight": WEIGHT},
    "ConjugateGradient": {"optimizer": fastbp.ConjugateGradient()},
    "weights of outputs": {
        "optimizer": fastbp.SGD(0.5), "sample_weight": np.stack([WEIGHT] * 3, 1), "batch_size": 24, "shuffle": False,
    },
    "LevenbergMarquardt, l2, weights": {
        "optimizer": fastbp.LevenbergMarquardt(), "l2": 0.1, "sample_weight": WEIGHT, "cost": "quadratic",
    },
}  # fmt: skip


def rows_of(communicator, array):
    if communicator is None:
        return array
    n, r, size = len(array), communicator.Get_rank(), communicator.Get_size()
    return array[r * n // size : (r + 1) * n // size]


def network(cost="cross_entropy", **choices):
    made = {"activation": "tanh", "output_activation": "sigmoid", "dtype": "float64", "seed": 3, **choices}
    return fastbp.Network([4, 9, 3], cost=cost, **made)


def fit(communicator, net=None, cost="cross_entropy", optimizer=None, sample_weight=None, **options):
    """Train on the rows of this rank; return the net."""
    net = network(cost) if net is None else net
    X_mine, Y_mine = rows_of(communicator, X), rows_of(communicator, Y)
    weight = None if sample_weight is None else rows_of(communicator, sample_weight)
    held_out = rows_of(communicator, X[:HELD_OUT]), rows_of(communicator, Y[:HELD_OUT])
    asked = {"epochs": 3, "batch_size": 16, "validation_data": held_out, **options}
    net.fit(X_mine, Y_mine, optimizer=optimizer, sample_weight=weight, communicator=communicator, **asked)
    return net


def told(net):
    """What must be the same on all ranks."""
    series = {name: list(values) for name, values in net.history.as_dict().items() if "second" not in name}
    return net.parameters.tobytes(), net._training.state.first.tobytes(), series, net.history.stopped


@pytest.mark.parametrize("case", CASES)
def test_the_same_bits_on_any_number_of_ranks(case):
    (net,) = on_ranks(1, lambda communicator: fit(communicator, **CASES[case]))
    before = network(CASES[case].get("cost", "cross_entropy"))
    assert not np.array_equal(net.parameters, before.parameters)
    for size in (2, 4, 8):
        for other in on_ranks(size, lambda communicator: fit(communicator, **CASES[case])):
            assert told(other) == told(net)
    assert told(fit(None, shards=8, **CASES[case])) == told(net)


def test_a_shard_for_each_rank_unless_told():
    job = {"batch_size": N, "optimizer": fastbp.SGD(0.5)}
    (few,), many = on_ranks(1, lambda c: fit(c, shards=16, **job)), on_ranks(16, lambda c: fit(c, **job))
    assert all(told(net) == told(few) for net in many)


def test_other_shards_are_other_bits_of_nearly_the_same_numbers():
    few, many = (
        on_ranks(2, lambda c, s=s: fit(c, batch_size=N, optimizer=fastbp.SGD(0.5), shards=s))[0] for s in (2, 64)
    )
    assert told(few) != told(many)
    assert relative_difference(few.parameters, many.parameters) < 1e-12


@pytest.mark.parametrize("case", CASES)
def test_steps_over_all_samples_are_those_of_a_fit_alone(case, formulation):
    options = {**CASES[case], "batch_size": N, "epochs": 3}
    cost = options.pop("cost", "cross_entropy")
    alone = network(cost, formulation=formulation)
    alone.fit(X, Y, validation_data=(X[:HELD_OUT], Y[:HELD_OUT]), **options)
    for net in on_ranks(2, lambda c: fit(c, network(cost, formulation=formulation), **options)):
        assert relative_difference(net.parameters, alone.parameters) < 1e-7
        assert net.history.cost == pytest.approx(alone.history.cost, rel=1e-9)
        assert net.history.validation_cost == pytest.approx(alone.history.validation_cost, rel=1e-7)
        assert net.history.validation_accuracy == pytest.approx(alone.history.validation_accuracy)
        assert net._rng.bit_generator.state == alone._rng.bit_generator.state  # no order is drawn


def test_a_mini_batch_has_as_many_rows_of_each_shard():
    """Plain descent on a linear net, by hand: the order of each shard is its own, and new in every epoch."""
    net = fastbp.Network([4, 1], cost="quadratic", dtype="float64", seed=3)
    rng, theta = copy.deepcopy(net._rng), net.parameters.copy()
    y, shards = X[:, 0], [np.arange(k * N // 4, (k + 1) * N // 4) for k in range(4)]
    for _ in range(2):
        drawn = int(rng.integers(2**63))
        orders = [np.random.default_rng([drawn, k]).permutation(len(shard)) for k, shard in enumerate(shards)]
        for start in range(0, 26, 5):
            rows = np.concatenate([s[order[start : start + 5]] for s, order in zip(shards, orders, strict=True)])
            error = X[rows] @ theta[:4] + theta[4] - y[rows]
            theta -= 0.1 * np.append(error @ X[rows], error.sum()) / len(rows)
    (found,) = on_ranks(
        1, lambda c: net.fit(X, y, epochs=2, batch_size=20, optimizer=fastbp.SGD(0.1), communicator=c, shards=4)
    )
    assert len(found) == 2
    assert relative_difference(net.parameters, theta) < 1e-12


def test_a_fit_continues_with_the_bits_of_one_fit(tmp_path):
    """Also from a file, and on another number of ranks."""
    whole = on_ranks(2, lambda c: fit(c, optimizer=fastbp.Adam(0.01), epochs=3))[0]
    first = on_ranks(4, lambda c: fit(c, optimizer=fastbp.Adam(0.01), epochs=2))[0]
    first.save(tmp_path / "net", training_state=True)
    again = on_ranks(2, lambda c: fit(c, fastbp.load(tmp_path / "net"), epochs=1))[0]
    assert_array_equal(again.parameters, whole.parameters)


def test_samples_in_files_have_the_bits_of_those_in_memory(tmp_path):
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")

    def of_file(c, optimizer):
        net = network()
        net.fit(rows_of(c, mapped), rows_of(c, Y), epochs=2, batch_size=16, optimizer=optimizer, communicator=c)
        return net

    for optimizer in (fastbp.SGD(0.5), fastbp.LBFGS()):
        in_memory = on_ranks(2, lambda c, o=optimizer: fit(c, optimizer=o, epochs=2))
        of_files = on_ranks(2, lambda c, o=optimizer: of_file(c, o))
        assert_array_equal(of_files[1].parameters, in_memory[0].parameters)


def test_more_shards_than_samples():
    """Shards without samples add nothing."""
    job = {"optimizer": fastbp.SGD(0.5), "shards": 256, "batch_size": 256}
    nets = [on_ranks(size, lambda c: fit(c, **job))[0] for size in (1, 4)]
    assert told(nets[0]) == told(nets[1])
    assert (
        relative_difference(nets[0].parameters, on_ranks(1, lambda c: fit(c, **job | {"shards": 1}))[0].parameters)
        < 1e-12
    )


def test_decisions_are_those_of_all(tmp_path):
    """Early stopping, a schedule that observes, a callback that stops on one rank."""
    stopping = fastbp.EarlyStopping("accuracy", patience=2)
    job = {"optimizer": fastbp.Adam(0.1), "epochs": 30, "early_stopping": stopping}
    nets = on_ranks(2, lambda c: fit(c, schedule=fastbp.ReduceOnPlateau(patience=1), **job))
    assert told(nets[0]) == told(nets[1])
    assert nets[0].history.stopped.startswith("early stopping")
    assert min(nets[0].history.learning_rate) < 0.1

    class StopOnRankOne(fastbp.Callback):
        def __init__(self, rank):
            self.rank = rank

        def on_epoch_end(self, run):
            run.stop = self.rank == 1 and run.epoch == 2

    nets = on_ranks(2, lambda c: fit(c, callbacks=StopOnRankOne(c.Get_rank())))
    assert [net.history.stopped for net in nets] == ["stopped by a callback"] * 2
    assert [len(net.history) for net in nets] == [2, 2]


def test_rank_0_alone_writes_files(tmp_path):
    def job(c):
        written = tmp_path / f"{c.Get_rank()}"
        written.mkdir()
        fit(c, callbacks=[fastbp.CSVLogger(written / "log.csv"), fastbp.Checkpoint(written / "net")])
        return sorted(path.name for path in written.iterdir())

    assert on_ranks(2, job) == [["log.csv", "net"], []]


def test_what_ends_one_rank_ends_all():
    """They raise the same error, and have the network of the last whole epoch."""

    class Fails(fastbp.Callback):
        def __init__(self, when, error):
            self.when, self.error = when, error

        def on_epoch_begin(self, run):
            if self.when == run.epoch:
                raise self.error

        def on_train_end(self, run):
            if self.when == "end":
                raise self.error

    def job(c, when, error):
        net = network()
        try:
            fit(c, net, callbacks=[Fails(when, error)] if c.Get_rank() == 2 else [])
        except Exception as raised:
            return type(raised), str(raised), len(net.history), net.parameters.tobytes()

    for when, epochs in ((1, 0), (3, 2), ("end", 3)):
        results = on_ranks(4, lambda c, when=when: job(c, when, OSError("disk full")))
        assert len(set(results)) == 1
        kind, words, done, _ = results[0]
        assert (kind, words, done) == (RuntimeError, "rank 2 ended the training of all: OSError: disk full", epochs)
    with pytest.warns(RuntimeWarning, match="interrupted after 2 of 3 epochs"):
        nets = on_ranks(4, lambda c: fit(c, callbacks=[Fails(3, KeyboardInterrupt())] if c.Get_rank() == 2 else []))
    assert all(net.history.interrupted and len(net.history) == 2 for net in nets)
    assert len({net.parameters.tobytes() for net in nets}) == 1


def test_rows_that_one_rank_cannot_read_end_all(tmp_path):
    """A file that another program damages while it is trained on."""
    np.save(tmp_path / "X.npy", X)

    class Damages(fastbp.Callback):
        def on_epoch_end(self, run):
            if run.epoch == 2:
                np.load(tmp_path / "X.npy", mmap_mode="r+")[70:] = np.nan

    def job(c):
        net, mapped = network(), np.load(tmp_path / "X.npy", mmap_mode="r")
        callbacks = [Damages()] if c.Get_rank() else []
        given = rows_of(c, mapped), rows_of(c, Y)
        try:
            net.fit(*given, epochs=5, batch_size=16, callbacks=callbacks, communicator=c)
        except ValueError as error:
            return str(error), len(net.history), net.parameters.tobytes()

    first, second = on_ranks(2, job)
    assert first == second
    assert first[0].startswith("rank 1 ended the training of all: ValueError: rows ") and "is nan" in first[0]
    assert first[1] == 2


def test_a_training_that_diverges_does_so_on_all_ranks():
    results = on_ranks(2, lambda c: fit(c, network(activation="relu"), optimizer=fastbp.SGD(1e300)))
    assert [type(error) for error in results] == [fastbp.DivergenceError] * 2
    assert "diverged in epoch 1" in str(results[0])


@pytest.mark.parametrize("in_epoch", [1, 3])  # the first, and the last
def test_parameters_that_a_callback_changes_on_one_rank_are_found(in_epoch):
    class Changes(fastbp.Callback):
        def on_epoch_end(self, run):
            run.net.parameters[0] += run.epoch == in_epoch

    results = on_ranks(2, lambda c: fit(c, callbacks=[Changes()] if c.Get_rank() else []))
    assert all(isinstance(error, ValueError) and "rank 1 has parameters" in str(error) for error in results)


def test_a_schedule_that_differs_is_found():
    results = on_ranks(2, lambda c: fit(c, schedule=lambda epoch, rate: 0.1 + 0.1 * epoch * c.Get_rank()))
    assert {str(error) for error in results} == {
        "rank 1 has learning rate of epoch 2 0.2, rank 0 has 0.1: all ranks need the same"
    }


def test_the_live_line_is_that_of_rank_0(monkeypatch):
    shown = []

    class Noted(Progress):
        def __init__(self, wanted, *rest):
            shown.append(wanted)
            super().__init__(False, *rest)

    monkeypatch.setattr("fastbp.training.loop.Progress", Noted)
    on_ranks(4, fit)
    assert sorted(shown) == [False, False, False, True]

"""Threads: the same bits on any number of them, and from several Python threads at once."""

import copy
import pickle
import sys
import threading
import time

import numba
import numpy as np
import pytest
from conftest import COMPILED, OPTIMIZERS, needs_two_threads
from loops_chosen import watch_loops

import fastbp
from fastbp.compiler import threads
from fastbp.compiler.variants import variant
from fastbp.formulations import loops
from fastbp.formulations.tiles import steps as tile_steps
from fastbp.formulations.tiles import tiled

FORWARD = {"loops": loops.forward_rows, "tiles": tile_steps.forward_blocks}


SIZES = [100, 50, 33, 5]  # more parameters than a block of an update, and no size divides evenly


def samples(n=45, n_in=100, n_out=5, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (n, n_in)), np.eye(n_out)[rng.integers(0, n_out, n)]


def network(formulation, dtype="float32", seed=3, sizes=SIZES, hidden="tanh"):
    return fastbp.Network(
        sizes, activation=hidden, cost="cross_entropy", dtype=dtype, seed=seed, formulation=formulation
    )


@pytest.fixture
def forms(monkeypatch):
    """Make every step large enough for a parallel region, and record which loops run in parallel."""
    for layer in threads.PARALLEL_FROM:
        monkeypatch.setitem(threads.PARALLEL_FROM, layer, 0)
    seen: list[tuple[str, bool]] = []

    def spy(loop, n_threads):
        seen.append((loop.__name__, n_threads > 1))
        assert variant(loop, n_threads).targetoptions.get("parallel", False) in (False, n_threads > 1)

    watch_loops(spy, monkeypatch.setattr)
    return seen


def results(formulation, dtype, optimizer="Adam"):
    net = network(formulation, dtype)
    X, Y = samples()
    gradient = net.gradient(X, Y).vector.tobytes()
    net.fit(X, Y, epochs=3, batch_size=16, optimizer=OPTIMIZERS[optimizer]())  # 16, 16 and 13
    return gradient, net.parameters.tobytes(), net.predict(X).tobytes(), net.history.cost, net.evaluate(X, Y)


@needs_two_threads
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_bits_for_one_and_two_threads(compiled, dtype, optimizer, forms):
    with fastbp.threads(1):
        serial = results(compiled, dtype, optimizer)
    assert {parallel for _, parallel in forms} == {False}
    forms.clear()
    with fastbp.threads(2):
        parallel_results = results(compiled, dtype, optimizer)
    assert {name for name, parallel in forms if parallel} >= {
        "gradient",
        "train_epoch",
        FORWARD[compiled].__name__,
    }
    assert all(parallel for _, parallel in forms)
    assert parallel_results == serial


@needs_two_threads
def test_the_parallel_loops_are_compiled_with_parallel_regions(compiled, forms):
    """Numba has found their pranges and made parallel regions of them."""
    results(compiled, "float64")
    assert FORWARD[compiled].targetoptions["parallel"] is True
    assert FORWARD[compiled].nopython_signatures  # called from Python; the others by compiled loops


@needs_two_threads
def test_a_parallel_loop_on_one_thread_has_the_same_bits_too(compiled, forms, monkeypatch):
    """fastbp obeys Numba's own limit too, and then uses the serial form."""
    two = results(compiled, "float64")
    forms.clear()
    granted = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        one = results(compiled, "float64")
    finally:
        numba.set_num_threads(granted)
    assert one == two
    assert {parallel for _, parallel in forms} == {False}


def test_small_steps_stay_serial(compiled, monkeypatch):
    seen = []
    watch_loops(lambda loop, n_threads: seen.append(n_threads > 1), monkeypatch.setattr)
    net = fastbp.Network([2, 3, 1], formulation=compiled)
    net.fit([[1, 2]], [1], epochs=1)
    net.predict([[1, 2]])
    assert seen and not any(seen)


@needs_two_threads
def test_large_steps_run_in_parallel(compiled, monkeypatch):
    seen = []
    watch_loops(lambda loop, n_threads: seen.append(n_threads > 1), monkeypatch.setattr)
    net = fastbp.Network([400, 300, 200], formulation=compiled, dtype="float32", seed=0)
    X, Y = samples(512, 400, 200)
    net.gradient(X, Y)  # 6 · 180,000 · 512 operations
    assert seen == [True]


def test_numbers_of_threads_of_numba_are_left_as_they_were(compiled, forms):
    before = numba.get_num_threads()
    with fastbp.threads(1):
        results(compiled, "float32")
    results(compiled, "float32")
    assert numba.get_num_threads() == before


def jobs():
    kinds = [
        ("float32", "tanh", [100, 20, 5]),
        ("float64", "sigmoid", [100, 33, 5]),
        ("float32", "relu", [100, 17, 9, 5]),
        ("float64", "tanh", [100, 5]),
    ]
    return [(f, kind, seed) for seed, (f, kind) in enumerate((f, kind) for f in COMPILED for kind in kinds)]


def train(formulation, kind, seed):
    dtype, hidden, sizes = kind
    net = network(formulation, dtype, seed, sizes, hidden)
    X, Y = samples(seed=seed)
    for _ in range(5):
        net.fit(X, Y, epochs=2, batch_size=16, optimizer=fastbp.Adam())
        net.gradient(X, Y)
        net.predict(X)
    return net.parameters.tobytes()


def test_several_python_threads_at_once_are_as_one_after_the_other(forms):
    """One thread gets the parallel region and the others run serially meanwhile, with the same bits."""
    expected = {job[2]: train(*job) for job in jobs()}
    got, errors = {}, []
    barrier = threading.Barrier(len(jobs()))

    def run(job):
        try:
            barrier.wait()
            got[job[2]] = train(*job)
        except BaseException as error:  # so that the error of a thread reaches the test
            errors.append(error)

    forms.clear()
    running = [threading.Thread(target=run, args=(job,)) for job in jobs()]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert not errors
    assert got == expected
    if numba.config.NUMBA_NUM_THREADS > 1:
        assert {parallel for _, parallel in forms} == {True, False}  # both have happened


def test_only_one_region_at_a_time(monkeypatch):
    for layer in threads.PARALLEL_FROM:
        monkeypatch.setitem(threads.PARALLEL_FROM, layer, 0)
    with threads.parallel_region(1e9) as outer, threads.parallel_region(1e9) as inner:
        assert outer == numba.config.NUMBA_NUM_THREADS
        assert inner == 1
    with threads.parallel_region(1e9) as again:  # the first region has ended
        assert again == outer


def test_a_region_that_ends_in_an_error_is_given_back(monkeypatch):
    for layer in threads.PARALLEL_FROM:
        monkeypatch.setitem(threads.PARALLEL_FROM, layer, 0)
    with pytest.raises(KeyboardInterrupt), threads.parallel_region(1e9):
        raise KeyboardInterrupt
    with threads.parallel_region(1e9) as n_threads:
        assert n_threads == numba.config.NUMBA_NUM_THREADS


# One network, several threads


def start_second_fit(net, whom):
    """Train `whom(net)` in another thread while `net` is being trained; return the errors."""
    errors = []

    class Second(fastbp.Callback):
        def on_epoch_end(self, run):
            def fit():
                try:
                    whom(net).fit(*samples(), epochs=1)
                except RuntimeError as error:
                    errors.append(str(error))

            thread = threading.Thread(target=fit)
            thread.start()
            thread.join()

    net.fit(*samples(), epochs=2, callbacks=[Second()])
    return errors


@pytest.mark.parametrize("whom", [lambda net: net, copy.copy], ids=["itself", "a copy that shares its weights"])
def test_a_network_in_training_is_not_trained_by_another_thread(whom):
    net, alone = network("tiles"), network("tiles")
    errors = start_second_fit(net, whom)
    alone.fit(*samples(), epochs=2)
    assert len(errors) == 2 and all("is being trained already" in error for error in errors)
    assert net.parameters.tobytes() == alone.parameters.tobytes() and net.history.cost == alone.history.cost
    net.fit(*samples(), epochs=1)  # when the other fit has ended
    with pytest.raises(ValueError):
        net.fit(*samples(), epochs=1, clip_norm=-1)
    net.fit(*samples(), epochs=1)  # and when it ended in an error


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_copy_of_a_network_in_training_can_be_trained(duplicate):
    assert start_second_fit(network("tiles"), duplicate) == []


def test_two_threads_that_prepare_one_net_share_what_they_prepare():
    """Functions for steps of one row are added later: with one copy each, a thread would call address 0."""
    barrier, found = threading.Barrier(8), []

    def prepare(model):
        barrier.wait()
        found.append(tiled.tiled_network(model))

    for _ in range(20):
        found.clear()
        model = network("tiles")._model
        running = [threading.Thread(target=prepare, args=(model,)) for _ in range(8)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        assert len(set(map(id, found))) == 1


def test_the_interpreter_runs_while_a_kernel_does(compiled):
    """While an epoch is one compiled call, another Python thread counts.

    Python itself does not switch threads here: the main thread must give up the interpreter lock.
    """
    net = network(compiled, sizes=[300, 300, 300])
    X, Y = samples(3000, 300, 300)
    net.gradient(X[:2], Y[:2])
    ticks, done = [], threading.Event()

    def count():
        while not done.is_set():
            ticks.append(1)
            time.sleep(0.001)

    checked, adam, order = net._samples(X, Y), fastbp.Adam(), np.arange(len(X))
    state = adam.new_state(net.parameters.size, net.dtype)
    trainer = net._formulation.trainer(net._model, adam, state, checked.X, checked.Y, 32)
    trainer.begin()
    with fastbp.threads(1):  # parallel regions run without the lock in any case
        trainer.train(order[:64])  # compiles
    thread, interval, most = threading.Thread(target=count), sys.getswitchinterval(), 0
    thread.start()
    sys.setswitchinterval(1000)
    try:
        for _ in range(30):  # on a busy machine the other thread may not get its turn
            with fastbp.threads(1):
                before = len(ticks)
                trainer.train(order)
                most = max(most, len(ticks) - before)
            if most > 3:
                break
    finally:
        sys.setswitchinterval(interval)
        done.set()
        thread.join()
    assert most > 3

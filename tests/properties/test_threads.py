"""Threads: the same bits on any number of them, from several Python threads at once, and in a forked child."""

import copy
import importlib.metadata
import multiprocessing
import os
import pickle
import sys
import threading
import time

import numba
import numpy as np
import pytest
from conftest import COMPILED, OPTIMIZERS, run_python

import fastbp
from fastbp.compiler import threads
from fastbp.formulations import loops
from fastbp.formulations.compiled import Compiled
from fastbp.formulations.tiles import steps as tile_steps
from fastbp.formulations.tiles import tiled

FORWARD = {"loops": loops.forward_rows, "tiles": tile_steps.forward_blocks}
needs_two_threads = pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="Numba has one thread only")


def installed(package):
    try:
        return bool(importlib.metadata.version(package))
    except importlib.metadata.PackageNotFoundError:
        return False


SIZES = [100, 50, 33, 5]  # more parameters than a block of an update, and nothing divides evenly


def samples(n=45, n_in=100, n_out=5, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (n, n_in)), np.eye(n_out)[rng.integers(0, n_out, n)]


def network(formulation, dtype="float32", seed=3, sizes=SIZES, hidden="tanh"):
    return fastbp.Network(
        sizes, activation=hidden, cost="cross_entropy", dtype=dtype, seed=seed, formulation=formulation
    )


@pytest.fixture
def forms(monkeypatch):
    """Make every step worth a parallel region, and note which loops are run in their parallel form."""
    for layer in threads.PARALLEL_FROM:
        monkeypatch.setitem(threads.PARALLEL_FROM, layer, 0)
    seen: list[tuple[str, bool]] = []
    original = Compiled._variant

    def spy(self, loop, n_threads):
        variant, parallel = original(self, loop, n_threads), n_threads > 1
        seen.append((loop.__name__, parallel))
        assert variant.targetoptions.get("parallel", False) in (False, parallel)
        return variant

    monkeypatch.setattr(Compiled, "_variant", spy)
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
    """Not only called so: Numba has found the pranges and made regions of them."""
    results(compiled, "float64")
    assert FORWARD[compiled].targetoptions["parallel"] is True
    assert FORWARD[compiled].nopython_signatures  # called from Python; the others by compiled loops


@needs_two_threads
def test_a_parallel_loop_on_one_thread_has_the_same_bits_too(compiled, forms, monkeypatch):
    """Numba's own limit is obeyed as well; the parallel form is then not worth it."""
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
    original = Compiled._variant
    monkeypatch.setattr(Compiled, "_variant", lambda self, loop, n: (seen.append(n > 1), original(self, loop, n))[1])
    net = fastbp.Network([2, 3, 1], formulation=compiled)
    net.fit([[1, 2]], [1], epochs=1)
    net.predict([[1, 2]])
    assert seen and not any(seen)


@needs_two_threads
def test_large_steps_do_not(compiled, monkeypatch):
    seen = []
    original = Compiled._variant
    monkeypatch.setattr(Compiled, "_variant", lambda self, loop, n: (seen.append(n > 1), original(self, loop, n))[1])
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
    """One gets the parallel region, the others run serially meanwhile: with the same bits, and without a crash."""
    expected = {job[2]: train(*job) for job in jobs()}
    got, errors = {}, []
    barrier = threading.Barrier(len(jobs()))

    def run(job):
        try:
            barrier.wait()
            got[job[2]] = train(*job)
        except BaseException as error:  # a thread's error must reach the test
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
        assert {parallel for _, parallel in forms} == {True, False}  # both happened


def test_only_one_region_at_a_time(monkeypatch):
    for layer in threads.PARALLEL_FROM:
        monkeypatch.setitem(threads.PARALLEL_FROM, layer, 0)
    with threads.parallel_region(1e9) as outer, threads.parallel_region(1e9) as inner:
        assert outer == numba.config.NUMBA_NUM_THREADS
        assert inner == 1
    with threads.parallel_region(1e9) as again:  # the first has given it back
        assert again == outer


def test_a_region_that_ends_in_an_error_is_given_back(monkeypatch):
    for layer in threads.PARALLEL_FROM:
        monkeypatch.setitem(threads.PARALLEL_FROM, layer, 0)
    with pytest.raises(KeyboardInterrupt), threads.parallel_region(1e9):
        raise KeyboardInterrupt
    with threads.parallel_region(1e9) as n_threads:
        assert n_threads == numba.config.NUMBA_NUM_THREADS


FORK = """
import multiprocessing, os, sys
import numpy as np
import fastbp
from fastbp.compiler import threads
from fastbp.formulations.compiled import Compiled

for layer in threads.PARALLEL_FROM:
    threads.PARALLEL_FROM[layer] = 0
seen = []
original = Compiled._variant
Compiled._variant = lambda self, loop, n_threads: (seen.append(n_threads > 1), original(self, loop, n_threads))[1]

def train(*_):
    seen.clear()
    rng = np.random.default_rng(0)
    X, Y = rng.uniform(-1, 1, (45, 100)), np.eye(5)[rng.integers(0, 5, 45)]
    net = fastbp.Network([100, 50, 5], activation="tanh", cost="cross_entropy", seed=3, formulation=sys.argv[1])
    net.fit(X, Y, epochs=3, batch_size=16)
    net.predict(X)
    return net.parameters.tobytes().hex() + net.gradient(X, Y).vector.tobytes().hex(), all(seen), any(seen)

expected, all_parallel, _ = train()
assert all_parallel, "the parent was to run in parallel"

r, w = os.pipe()
child = os.fork()
if child == 0:
    result, _, any_parallel = train()
    os.write(w, b"same" if (result, any_parallel) == (expected, False) else b"different")
    os._exit(0)
_, status = os.waitpid(child, 0)
print("fork", status, os.read(r, 100).decode())

with multiprocessing.get_context("fork").Pool(2) as pool:
    results = pool.map_async(train, range(4)).get(timeout=60)
print("pool", all(result == expected and not any_parallel for result, _, any_parallel in results))
after, all_parallel, _ = train()
print("parent", after == expected and all_parallel)
"""


@needs_two_threads
def test_a_forked_child_trains_with_the_same_bits(compiled):
    pytest.importorskip("multiprocessing").get_context("fork")
    assert run_python(FORK, compiled).splitlines() == ["fork 0 same", "pool True", "parent True"]


FORK_WHILE_COMPILING = """
import os, threading, time
import numba
import numpy as np
import fastbp

net = fastbp.Network([2, 3, 1], seed=0, formulation="loops")
compiling, stop = threading.Event(), threading.Event()

def compile_things():
    while not stop.is_set():
        compiling.set()
        numba.njit(lambda x: np.sort(x) + np.sin(x).sum())(np.zeros(3))

thread = threading.Thread(target=compile_things)
thread.start()
compiling.wait()
for _ in range(3):
    time.sleep(0.1)
    child = os.fork()
    if child == 0:
        net.predict(np.zeros((2, 2)))  # which has to be compiled, or to be read from the disk
        os._exit(0)
    stop_waiting = time.monotonic() + 60
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > stop_waiting:
            os.kill(child, 9)
            os._exit(1)
        time.sleep(0.01)
stop.set()
thread.join()
print("all ended")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_fork_while_another_thread_compiles():
    assert run_python(FORK_WHILE_COMPILING) == "all ended"


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "2", True, [1]])
def test_what_is_no_number_of_threads_is_refused(wrong):
    before = fastbp.get_num_threads()
    with pytest.raises(ValueError, match="must be a whole number of 1 or more, or None") as error:
        fastbp.set_num_threads(wrong)
    assert repr(wrong) in str(error.value)
    with pytest.raises(ValueError, match="the number of threads is"), fastbp.threads(wrong):
        pass
    assert fastbp.get_num_threads() == before


def test_limits():
    available = numba.config.NUMBA_NUM_THREADS
    assert fastbp.get_num_threads() == available
    with fastbp.threads(1):
        assert fastbp.get_num_threads() == 1
        with fastbp.threads(None):
            assert fastbp.get_num_threads() == available
        assert fastbp.get_num_threads() == 1
        with fastbp.threads(10_000):
            assert fastbp.get_num_threads() == available
    with pytest.raises(RuntimeError), fastbp.threads(1):
        raise RuntimeError
    assert fastbp.get_num_threads() == available


GRANTED = """
import concurrent.futures, multiprocessing, sys, threading
import fastbp

def granted(_=None):
    return fastbp.get_num_threads()

def told(n):
    fastbp.set_num_threads(n)
    return fastbp.get_num_threads()

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    with context.Pool(2) as pool:
        of_pool, told_so = pool.map(granted, range(4), 1), pool.map(told, [2, 2], 1)
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as executor:
        of_executor = list(executor.map(granted, range(4)))
    print(granted(), sorted({*of_pool, *of_executor}), told_so)
"""


@needs_two_threads
@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_a_worker_process_has_one_thread_unless_it_is_told_otherwise(method, tmp_path):
    (script := tmp_path / "granted.py").write_text(GRANTED)
    run = f"import subprocess, sys; subprocess.run([sys.executable, {str(script)!r}, {method!r}], check=True)"
    found = run_python(run, NUMBA_NUM_THREADS="", OMP_NUM_THREADS="")
    n = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert found == f"{n} [1] [2, 2]"


@needs_two_threads
@pytest.mark.parametrize(
    "variables, granted",
    [
        ({}, 2),
        ({"OMP_NUM_THREADS": "1"}, 1),  # as Dask and Ray tell their workers
        ({"OMP_NUM_THREADS": "2,1"}, 2),
        ({"OMP_NUM_THREADS": "64"}, 2),
        ({"OMP_NUM_THREADS": "many"}, 2),
        ({"OMP_NUM_THREADS": "0"}, 2),
        ({"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "2"}, 2),  # who names Numba means Numba
    ],
)
def test_a_process_takes_what_its_environment_grants(variables, granted, monkeypatch):
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 2)
    monkeypatch.setattr(threads, "_granted_by_environment", threads._granted_by(variables))
    assert fastbp.get_num_threads() == granted


@pytest.mark.parametrize("words, granted", [("max 100000", 64), ("250000 100000", 3), ("50000 100000", 1), ("?", 64)])
def test_a_container_has_the_threads_that_its_quota_pays_for(words, granted, monkeypatch, tmp_path):
    monkeypatch.setattr(threads, "_granted_by_environment", None)
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 64)
    monkeypatch.setattr(threads, "QUOTA", tmp_path / "cpu.max")
    threads._cores_of_quota.cache_clear()
    assert fastbp.get_num_threads() == 64  # no such file
    (tmp_path / "cpu.max").write_text(words + "\n")
    threads._cores_of_quota.cache_clear()
    assert fastbp.get_num_threads() == granted
    threads._cores_of_quota.cache_clear()


LAYER = (
    "from fastbp.compiler import threads; import os; print(threads.launched_layer(), os.environ.get('GOMP_SPINCOUNT'))"
)


@needs_two_threads
@pytest.mark.skipif(not installed("tbb"), reason="tbb has no wheel for this machine")
def test_threads_are_those_of_tbb_where_it_is_installed():
    assert run_python(LAYER, NUMBA_THREADING_LAYER="default") == "tbb None"


@needs_two_threads
@pytest.mark.skipif(sys.platform != "linux", reason="GNU OpenMP is Linux's")
@pytest.mark.parametrize("given, rounds", [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7")])
def test_workers_of_openmp_spin_briefly(given, rounds):
    """And nobody else's: the environment is as before."""
    variables = {"NUMBA_THREADING_LAYER": "omp", "OMP_DISPLAY_ENV": "verbose", **given}
    script = (
        f"import subprocess, sys; p = subprocess.run([sys.executable, '-c', {LAYER!r}], capture_output=True, text=True)"
    )
    out = run_python(f"{script}; print(p.stdout, p.stderr)", **variables)
    assert out.startswith(f"omp {given.get('GOMP_SPINCOUNT')}")
    assert f"GOMP_SPINCOUNT = '{rounds}'" in out


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_fork_waits_for_the_end_of_a_region(monkeypatch):
    for layer in threads.PARALLEL_FROM:
        monkeypatch.setitem(threads.PARALLEL_FROM, layer, 0)
    entered, ended = threading.Event(), []

    def be_inside():
        with threads.parallel_region(1e9):
            entered.set()
            time.sleep(0.2)
            ended.append(time.perf_counter())

    thread = threading.Thread(target=be_inside)
    thread.start()
    entered.wait()
    threads._before_fork()
    forked = time.perf_counter()
    threads._after_fork_in_parent()
    thread.join()
    assert forked >= ended[0]
    with threads.parallel_region(1e9) as n_threads:  # and gives it back
        assert n_threads == fastbp.get_num_threads()


def test_a_limit_holds_in_all_python_threads():
    seen = []
    with fastbp.threads(1):
        thread = threading.Thread(target=lambda: seen.append(fastbp.get_num_threads()))
        thread.start()
        thread.join()
    assert seen == [1]


# One net, several threads


def start_second_fit(net, whom):
    """Train a net in a callback of its own training, by way of `whom`."""
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
def test_a_net_that_is_being_trained_is_not_trained_by_another_thread(whom):
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
def test_a_copy_of_a_net_that_is_being_trained_can_be(duplicate):
    assert start_second_fit(network("tiles"), duplicate) == []


def test_two_threads_that_prepare_one_net_share_what_they_prepare():
    """Functions that only one-row steps need are added to it later: with one each, a thread would call address 0."""
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
    """While an epoch is one compiled call, another Python thread counts."""
    net = network(compiled, sizes=[300, 300, 300])
    X, Y = samples(3000, 300, 300)
    net.gradient(X[:2], Y[:2])
    ticks, done = [], threading.Event()

    def count():
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    checked, adam = net._samples(X, Y), fastbp.Adam()
    state = adam.new_state(net.parameters.size, net.dtype)
    trainer = net._formulation.trainer(net._model, adam, state, checked.X, checked.Y, 32)
    trainer.begin()
    thread = threading.Thread(target=count)
    thread.start()
    amid = 0
    for _ in range(30):  # on a busy machine the other thread may not get its turn
        start = time.perf_counter()
        with fastbp.threads(1):  # Numba's parallel regions do without the lock anyway
            trainer.train(np.arange(len(X)))
        quarter = (time.perf_counter() - start) / 4
        amid = max(amid, sum(start + quarter < tick < start + 3 * quarter for tick in ticks))
        ticks.clear()
        if amid > 3:
            break
    done.set()
    thread.join()
    assert amid > 3

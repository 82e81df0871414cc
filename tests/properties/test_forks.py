"""A forked child predicts and trains, whatever the threads of its parent are doing."""

import os
import threading
import time

import loops_chosen
import pytest
from conftest import needs_two_threads, run_python
from llvmlite.binding import ffi

import fastbp
from fastbp.compiler import threads

FORK = """
import multiprocessing, os, sys
import numpy as np
import fastbp
from fastbp.compiler import threads

sys.path.append(sys.argv[2])
from loops_chosen import watch_loops

for layer in threads.PARALLEL_FROM:
    threads.PARALLEL_FROM[layer] = 0
seen = []
watch_loops(lambda loop, n_threads: seen.append(n_threads > 1))

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
    assert run_python(FORK, compiled, os.path.dirname(loops_chosen.__file__)).splitlines() == [
        "fork 0 same",
        "pool True",
        "parent True",
    ]


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
        numba.njit(lambda x: np.sin(x).sum())(np.zeros(3))

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


FORK_WHILE_IMPORTING = """
import os, sys, threading, time
import fastbp

importing, module, use = threading.Event(), sys.argv[1], sys.argv[2]

class Slow:
    def find_spec(self, name, *_):
        if name == module:
            importing.set()
            time.sleep(0.3)

for name in [name for name in sys.modules if name.startswith(module)]:
    del sys.modules[name]
sys.meta_path.insert(0, Slow())
threading.Thread(target=exec, args=(use, {"fastbp": fastbp})).start()
importing.wait()
child = os.fork()
if child == 0:
    exec(use)
    os._exit(0)
stop_waiting = time.monotonic() + 30
while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < stop_waiting:
    time.sleep(0.01)
print(ended == (child, 0) or os.kill(child, 9))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.parametrize(
    ("module", "use"),
    [
        ("numpy.ma", "import numpy.ma"),
        ("fastbp.training.plan", "fastbp.training.plan"),
        ("fastbp.formulations.tiles.formulation", "fastbp.formulations.FORMULATIONS['tiles']"),
    ],
)
def test_a_fork_waits_until_no_thread_imports_what_comes_later(module, use):
    """Numba imports numpy.ma when it first sees an array. A child would wait for ever for a thread that it has not."""
    assert run_python(FORK_WHILE_IMPORTING, module, use) == "True"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_fork_waits_until_no_thread_is_inside_llvm():
    entered = threading.Event()

    def inside():
        with ffi.lib._lock:
            entered.set()
            time.sleep(0.2)

    thread = threading.Thread(target=inside)
    thread.start()
    entered.wait()
    child = os.fork()
    if child == 0:
        os._exit(0 if ffi.lib._lock._lock.acquire(timeout=5) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    thread.join()


@needs_two_threads
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_fork_waits_for_the_end_of_a_region(monkeypatch):
    for layer in threads.PARALLEL_FROM:
        monkeypatch.setitem(threads.PARALLEL_FROM, layer, 0)
    entered, order = threading.Event(), []

    def be_inside():
        with threads.parallel_region(1e9):
            entered.set()
            time.sleep(0.2)  # long enough for the fork to begin
            order.append("the region has ended")

    thread = threading.Thread(target=be_inside)
    thread.start()
    entered.wait()
    threads._before_fork()
    order.append("the fork goes on")
    threads._after_fork_in_parent()
    thread.join()
    assert order == ["the region has ended", "the fork goes on"]
    with threads.parallel_region(1e9) as n_threads:  # the region has ended
        assert n_threads == fastbp.get_num_threads()

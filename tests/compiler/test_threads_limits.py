"""How many threads a process uses: set by hand, by its environment, by its container; and the threading layer."""

import importlib.metadata
import multiprocessing
import os
import sys
import threading

import numba
import pytest
from conftest import needs_two_threads, run_python

import fastbp
from fastbp.compiler import threads


def installed(package):
    try:
        return bool(importlib.metadata.version(package))
    except importlib.metadata.PackageNotFoundError:
        return False


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "2", True, [1]])
def test_wrong_numbers_of_threads_are_refused(wrong):
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
        ({"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "2"}, 2),  # Numba's own variable wins
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
    """Other programs do not: the environment afterwards is as before."""
    variables = {"NUMBA_THREADING_LAYER": "omp", "OMP_DISPLAY_ENV": "verbose", **given}
    script = (
        f"import subprocess, sys; p = subprocess.run([sys.executable, '-c', {LAYER!r}], capture_output=True, text=True)"
    )
    out = run_python(f"{script}; print(p.stdout, p.stderr)", **variables)
    assert out.startswith(f"omp {given.get('GOMP_SPINCOUNT')}")
    assert f"GOMP_SPINCOUNT = '{rounds}'" in out


def test_a_limit_holds_in_all_python_threads():
    seen = []
    with fastbp.threads(1):
        thread = threading.Thread(target=lambda: seen.append(fastbp.get_num_threads()))
        thread.start()
        thread.join()
    assert seen == [1]

"""Decides whether a compiled call runs on several threads, and on how many.

Every parallel loop has a serial variant from the same source, with the same bits. It runs if the work is too small for
a parallel region, if only one thread is granted (`get_num_threads`), and if a region would crash the process: in a
child forked from a process with running threads (GNU OpenMP), or while another Python thread is inside a region
(Numba's workqueue layer).

Numba's threading layer decides what regions cost on a busy machine: between them, workers of GNU OpenMP spin and occupy
their cores; those of TBB sleep.
"""

import ctypes
import math
import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numba
from llvmlite.binding import ffi
from numba.core.compiler_lock import global_compiler_lock
from numba.np.ufunc import parallel as numba_threads

# Floating-point operations of a step from which two threads gain a tenth or more: TBB wakes a worker in about 10 µs,
# workqueue in 100 µs. benchmarks/shared_machine.py measures the gain.
PARALLEL_FROM = {"omp": 8e6, "tbb": 8e6, "workqueue": 3e7}
TBB_LIBRARIES = {"linux": "libtbb.so.12", "win32": "tbb12.dll", "darwin": "libtbb.12.dylib"}  # those that Numba opens
# Rounds that a worker of GNU OpenMP spins before it sleeps: some microseconds, as between two regions of a step. By
# default it spins for milliseconds.
SPIN_ROUNDS = "1000"
QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of a container: microseconds of processor time in a period, and the period
LONGEST_REGION = 1.0  # seconds that a fork waits for the end of a region, which takes at most a tenth of that

_region = threading.Lock()
_limit: int | None = None
_forked_with_threads = False


def _before_fork() -> None:
    global _region_is_mine
    import_module("numpy.ma")
    global_compiler_lock.acquire()
    ffi.lib._lock.__enter__()
    _region_is_mine = _region.acquire(timeout=LONGEST_REGION)


def _after_fork_in_parent() -> None:
    if _region_is_mine:
        _region.release()
    ffi.lib._lock.__exit__()
    global_compiler_lock.release()


def _after_fork_in_child() -> None:
    global _region, _forked_with_threads
    ffi.lib._lock.__exit__()
    global_compiler_lock.release()
    _region = threading.Lock()
    _forked_with_threads = _forked_with_threads or numba_threads._is_initialized


_region_is_mine = False
if hasattr(os, "register_at_fork"):
    # A fork waits until no thread compiles, imports a part of fastbp (`imported`), or is inside LLVM, as when machine
    # code is thrown away, because in the child nobody would release the locks of Numba, Python and llvmlite; and until
    # none is inside a region, because TBB must stop its workers before a fork. And until no thread imports numpy.ma,
    # which Numba does outside its lock, when it first sees an array.
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)


def imported(module: str) -> Any:
    """Import a module that comes later than fastbp itself. No fork comes in between: a child could not import it."""
    with global_compiler_lock:
        return import_module(module)


def parallel_region(flops: float) -> AbstractContextManager[int]:
    """Yield the number of threads that may run now, 1 for the serial variant; other Python threads get 1 meanwhile."""
    return region(worth(flops))


def region(wanted: int) -> AbstractContextManager[int]:
    """Yield the number of threads that may run now of those wanted, which `worth` has found in any Python thread."""
    return _SERIAL if wanted == 1 else _parallel_region(wanted)


_SERIAL = nullcontext(1)


@contextmanager
def _parallel_region(wanted: int) -> Iterator[int]:
    if not _region.acquire(blocking=False):
        yield 1
        return
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(min(wanted, before))
        yield min(wanted, before)
    finally:
        numba.set_num_threads(before)
        _region.release()


def worth(flops: float) -> int:
    """Return the number of threads for a step of so many floating-point operations: 1, or all that are granted."""
    if flops < min(PARALLEL_FROM.values()) or _forked_with_threads:
        return 1
    granted = get_num_threads()
    if granted == 1 or flops < PARALLEL_FROM[launched_layer()]:
        return 1
    return int(min(granted, numba.get_num_threads()))


def launched_layer() -> str:
    """Start Numba's threads, if they are not running, and return the name of their layer: TBB if it is installed."""
    if not numba_threads._is_initialized:
        if numba.config.THREADING_LAYER in ("default", "tbb", "safe", "threadsafe", "forksafe"):
            _load_tbb()
        with _spinning_briefly():
            numba_threads._launch_threads()
    return str(numba.threading_layer())


def _load_tbb() -> None:
    """Load TBB from where pip installs it, which is not in the search path; then Numba finds it by name."""
    from importlib.metadata import PackageNotFoundError, files  # takes longer to import than the rest of this module

    with suppress(PackageNotFoundError, OSError):  # Numba then takes another layer
        for file in files("tbb") or []:
            if file.name == TBB_LIBRARIES.get(sys.platform):
                ctypes.CDLL(os.path.realpath(str(file.locate())), mode=ctypes.RTLD_GLOBAL)


@contextmanager
def _spinning_briefly() -> Iterator[None]:
    """Make GNU OpenMP, which reads the environment when it is loaded, spin for `SPIN_ROUNDS`."""
    if "GOMP_SPINCOUNT" in os.environ or "OMP_WAIT_POLICY" in os.environ:  # the user has chosen
        yield
        return
    os.environ["GOMP_SPINCOUNT"] = SPIN_ROUNDS
    try:
        yield
    finally:
        del os.environ["GOMP_SPINCOUNT"]


def max_threads() -> int:
    """Return the number of threads that Numba has, whatever the limit."""
    return int(numba.config.NUMBA_NUM_THREADS)


def get_num_threads() -> int:
    """Return how many threads fastbp may use: the limit set by `set_num_threads`, or those granted to this process.

    NUMBA_NUM_THREADS or else OMP_NUM_THREADS grants them; joblib, Dask and Ray set these for their workers. Without
    them, a worker of multiprocessing or concurrent.futures has one thread, any other process as many as it has cores,
    or as the quota of its container allows. A thread of joblib or Dask has its share of them.

    >>> import fastbp
    >>> with fastbp.threads(1):
    ...     fastbp.get_num_threads()
    1
    """
    return min(_limit or _granted_to_this_process(), _granted_to_this_thread(), max_threads())


def _granted_to_this_process() -> int:
    if _granted_by_environment:
        return _granted_by_environment
    return 1 if multiprocessing.parent_process() is not None else min(max_threads(), _cores_of_quota())


def _granted_by(environment: Mapping[str, str]) -> int | None:
    """Return how many threads the variable of Numba, or else that of OpenMP, grants; None if neither is set."""
    if environment.get("NUMBA_NUM_THREADS"):
        return max_threads()  # Numba has read it
    words = environment.get("OMP_NUM_THREADS", "").partition(",")[0].strip()  # the rest is for nested regions
    return int(words) if words.isdecimal() and int(words) > 0 else None


# Read once, at the start: Dask later changes the environment of a process whose workers it starts.
_granted_by_environment = _granted_by(os.environ)


@cache
def _cores_of_quota() -> int:
    with suppress(OSError, ValueError):
        quota, period = QUOTA.read_text().split()  # "max 100000" means no quota
        return max(1, math.ceil(int(quota) / int(period)))
    return max_threads()


def _granted_to_this_thread() -> int:
    if "joblib" in sys.modules:
        backend, _ = sys.modules["joblib"].parallel.get_active_backend()
        # Loky's workers are processes, with NUMBA_NUM_THREADS set.
        if (backend.nesting_level or 0) > 0 and not multiprocessing.current_process().name.startswith("Loky"):
            return 1
    if "distributed" in sys.modules:
        with suppress(ValueError):  # this thread belongs to no worker
            return max(1, max_threads() // int(sys.modules["distributed"].get_worker().state.nthreads))
    return max_threads()


def set_num_threads(n: int | None) -> None:
    """Let fastbp use at most `n` threads, in all Python threads; None restores what the process was granted.

    The results have the same bits for every number. Raises ValueError unless n is a whole number of 1 or more, or None.

    >>> import fastbp
    >>> fastbp.set_num_threads(1)
    >>> fastbp.get_num_threads()
    1
    >>> fastbp.set_num_threads(None)
    """
    global _limit
    if n is not None and (isinstance(n, bool) or not isinstance(n, int) or n < 1):
        raise ValueError(f"the number of threads is {n!r}; it must be a whole number of 1 or more, or None")
    _limit = n


@contextmanager
def threads(n: int | None) -> Iterator[None]:
    """Let fastbp use at most `n` threads inside a ``with`` block.

    >>> import fastbp
    >>> with fastbp.threads(1):
    ...     fastbp.get_num_threads()
    1
    """
    before = _limit
    set_num_threads(n)
    try:
        yield
    finally:
        set_num_threads(before)

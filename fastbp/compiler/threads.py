"""The one place where it is decided whether a compiled call runs on several threads, and on how many.

Every loop with a parallel variant has a serial one from the same source, with the same bits, which runs where
the work is too small to pay for a parallel region, where nobody granted a second thread (`get_num_threads`), and
where a region would end the process: in a child that was forked from a process with running threads (GNU OpenMP), or
while another Python thread is inside a region (Numba's workqueue layer).

The layer under Numba's regions decides what they cost on a busy machine. A worker of GNU OpenMP spins until the next
region begins, and takes the core from whoever would use it; one of TBB sleeps, and who is ready takes its share.
"""

import ctypes
import math
import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import numba
from numba.core.compiler_lock import global_compiler_lock
from numba.np.ufunc import parallel as numba_threads

# Floating-point operations of a step from which two threads gain a tenth or more: to wake a worker takes TBB some
# 10 µs, and workqueue 100 µs. benchmarks/shared_machine.py shows the gain.
PARALLEL_FROM = {"omp": 8e6, "tbb": 8e6, "workqueue": 3e7}
TBB_LIBRARIES = {"linux": "libtbb.so.12", "win32": "tbb12.dll", "darwin": "libtbb.12.dylib"}  # those that Numba opens
# Rounds in which a worker of GNU OpenMP spins before it sleeps: some microseconds, the time between two regions of a
# step. Without a word it spins for milliseconds.
SPIN_ROUNDS = "1000"
QUOTA = Path("/sys/fs/cgroup/cpu.max")  # microseconds of processor time a container has in a period, and the period
LONGEST_REGION = 1.0  # seconds that a fork waits for the end of a region; they take a tenth

_region = threading.Lock()
_limit: int | None = None
_forked_with_threads = False


def _before_fork() -> None:
    global _region_is_mine
    global_compiler_lock.acquire()
    _region_is_mine = _region.acquire(timeout=LONGEST_REGION)


def _after_fork_in_parent() -> None:
    if _region_is_mine:
        _region.release()
    global_compiler_lock.release()


def _after_fork_in_child() -> None:
    global _region, _forked_with_threads
    global_compiler_lock.release()
    _region = threading.Lock()
    _forked_with_threads = _forked_with_threads or numba_threads._is_initialized


_region_is_mine = False
if hasattr(os, "register_at_fork"):
    # A fork waits until no thread compiles, since the child has no such thread, which would hold Numba's lock for
    # ever; and until none is inside a region, since TBB has to send its workers home before a fork.
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)


@contextmanager
def parallel_region(flops: float) -> Iterator[int]:
    """Say how many threads may run now, 1 for the serial form, and keep other Python threads out while more do."""
    wanted = worth(flops)
    if wanted == 1 or not _region.acquire(blocking=False):
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
    """Return how many threads a step of so many floating-point operations is worth: 1, or all that are granted."""
    if flops < min(PARALLEL_FROM.values()) or _forked_with_threads:
        return 1
    granted = get_num_threads()
    if granted == 1 or flops < PARALLEL_FROM[launched_layer()]:
        return 1
    return int(min(granted, numba.get_num_threads()))


def launched_layer() -> str:
    """Start Numba's threads, if nobody has, and return the name of their layer: TBB's where it is installed.

    pip puts TBB where no loader looks: once the library is loaded, Numba finds it by its name.
    """
    if not numba_threads._is_initialized:
        if numba.config.THREADING_LAYER in ("default", "tbb", "safe", "threadsafe", "forksafe"):
            _load_tbb()
        with _spinning_briefly():
            numba_threads._launch_threads()
    return str(numba.threading_layer())


def _load_tbb() -> None:
    from importlib.metadata import PackageNotFoundError, files  # takes longer to import than the rest of this module

    with suppress(PackageNotFoundError, OSError):  # Numba then takes another layer
        for file in files("tbb") or []:
            if file.name == TBB_LIBRARIES.get(sys.platform):
                ctypes.CDLL(os.path.realpath(str(file.locate())), mode=ctypes.RTLD_GLOBAL)


@contextmanager
def _spinning_briefly() -> Iterator[None]:
    """Have GNU OpenMP, which looks at the environment when it is loaded, spin no longer than `SPIN_ROUNDS`."""
    if "GOMP_SPINCOUNT" in os.environ or "OMP_WAIT_POLICY" in os.environ:  # the user has chosen
        yield
        return
    os.environ["GOMP_SPINCOUNT"] = SPIN_ROUNDS
    try:
        yield
    finally:
        del os.environ["GOMP_SPINCOUNT"]


def max_threads() -> int:
    """Return how many threads there are at most, whatever the limit."""
    return int(numba.config.NUMBA_NUM_THREADS)


def get_num_threads() -> int:
    """Return how many threads fastbp may use: the limit set here, or what this process was granted.

    That is what NUMBA_NUM_THREADS or else OMP_NUM_THREADS says, which joblib, Dask and Ray set for their workers; one
    thread in a worker of multiprocessing or concurrent.futures, which others work beside; else as many as there are
    cores, of a container those that its quota pays for. A thread that works for joblib or Dask has its share of them.

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
    """Return how many threads two variables grant, Numba's own before OpenMP's; None if they say nothing."""
    if environment.get("NUMBA_NUM_THREADS"):
        return max_threads()  # Numba has read it
    words = environment.get("OMP_NUM_THREADS", "").partition(",")[0].strip()  # the rest is for nested regions
    return int(words) if words.isdecimal() and int(words) > 0 else None


# As it was at the start: Dask writes into the environment of a process whose workers it starts.
_granted_by_environment = _granted_by(os.environ)


@cache
def _cores_of_quota() -> int:
    with suppress(OSError, ValueError):
        quota, period = QUOTA.read_text().split()  # "max 100000" where there is none
        return max(1, math.ceil(int(quota) / int(period)))
    return max_threads()


def _granted_to_this_thread() -> int:
    if "joblib" in sys.modules:
        backend, _ = sys.modules["joblib"].parallel.get_active_backend()
        # Loky's workers are processes, and are told in NUMBA_NUM_THREADS how many threads they have.
        if (backend.nesting_level or 0) > 0 and not multiprocessing.current_process().name.startswith("Loky"):
            return 1
    if "distributed" in sys.modules:
        with suppress(ValueError):  # this thread is no worker's
            return max(1, max_threads() // int(sys.modules["distributed"].get_worker().state.nthreads))
    return max_threads()


def set_num_threads(n: int | None) -> None:
    """Let fastbp use at most `n` threads, in all Python threads; None goes back to what the process was granted.

    The results have the same bits whatever the number. Raises ValueError unless n is 1 or more.

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

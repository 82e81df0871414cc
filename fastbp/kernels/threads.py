"""The one place where it is decided whether a compiled call runs on several threads.

Every loop with a parallel form has a serial twin from the same source, with the same bits. The serial one runs where
the work is too small to pay for a parallel region, and where a region would end the process: in a child that was
forked from a process with running threads (GNU OpenMP), or while another Python thread is inside a region (Numba's
workqueue layer).
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numba
from numba.core.compiler_lock import global_compiler_lock
from numba.np.ufunc import parallel as numba_threads

# Floating-point operations of a step from which two threads win: a region costs 1-5 µs, or 100 µs with workqueue.
PARALLEL_FROM = {"omp": 3e6, "tbb": 3e6, "workqueue": 3e7}

_region = threading.Lock()
_limit: int | None = None
_here = threading.local()  # .limit: that of this Python thread
_forked_with_threads = False


def _after_fork_in_child() -> None:
    global _region, _forked_with_threads
    global_compiler_lock.release()
    _region = threading.Lock()
    _forked_with_threads = _forked_with_threads or numba_threads._is_initialized


if hasattr(os, "register_at_fork"):
    # A fork waits until no thread compiles: the child has no such thread, which would hold Numba's lock for ever.
    os.register_at_fork(
        before=global_compiler_lock.acquire,
        after_in_parent=global_compiler_lock.release,
        after_in_child=_after_fork_in_child,
    )


@contextmanager
def parallel_region(flops: float) -> Iterator[int]:
    """Say how many threads may run now, 1 for the serial form, and keep other Python threads out while more do."""
    if not worth_it(flops) or not _region.acquire(blocking=False):
        yield 1
        return
    granted = numba.get_num_threads()
    try:
        n_threads = min(granted, _limit or granted, _limit_here() or granted)
        numba.set_num_threads(n_threads)
        yield n_threads
    finally:
        numba.set_num_threads(granted)
        _region.release()


def worth_it(flops: float) -> bool:
    """Whether a step of so many floating-point operations is better shared between threads."""
    if flops < min(PARALLEL_FROM.values()) or _limit == 1 or _limit_here() == 1 or _forked_with_threads:
        return False
    return numba.get_num_threads() > 1 and flops >= PARALLEL_FROM[numba.threading_layer()]


def get_num_threads() -> int:
    """Return how many threads fastbp may use: the limit set here, or Numba's.

    >>> import fastbp
    >>> with fastbp.threads(1):
    ...     fastbp.get_num_threads()
    1
    """
    return min(_limit or numba.config.NUMBA_NUM_THREADS, numba.config.NUMBA_NUM_THREADS)


def max_threads() -> int:
    """Return how many threads there are at most, whatever the limit."""
    return int(numba.config.NUMBA_NUM_THREADS)


def set_num_threads(n: int | None) -> None:
    """Let fastbp use at most `n` threads, in all Python threads; None takes the limit away.

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


@contextmanager
def threads_here(n: int | None) -> Iterator[None]:
    """Let fastbp use at most `n` threads where the Python thread that runs a ``with`` block calls it; None: as before.

    Other Python threads have limits of their own, other than with `threads`.
    """
    before = _limit_here()
    _here.limit = before if n is None else n
    try:
        yield
    finally:
        _here.limit = before


def _limit_here() -> int | None:
    return getattr(_here, "limit", None)

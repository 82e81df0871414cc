"""How many threads there are for a `fit`: all that fastbp may use, but inside a joblib worker those it was granted."""

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager

import joblib

from fastbp.kernels.threads import threads_here


@contextmanager
def granted_threads() -> Iterator[None]:
    """Let fastbp use, in this Python thread, no more threads than joblib grants.

    Loky's workers are new processes, which are told in NUMBA_NUM_THREADS how many they have, and Numba obeys. A worker
    that is a thread, or a fork of a process that had all cores, has its own core and no other.
    """
    backend, _ = joblib.parallel.get_active_backend()
    in_worker = (backend.nesting_level or 0) > 0
    told = multiprocessing.current_process().name.startswith("Loky")
    with threads_here(1 if in_worker and not told else None):
        yield

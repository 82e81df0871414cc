"""The memory of this machine, and an error for work that needs more; a pause of Python's garbage collection."""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_collection(*, stays: bool = False) -> Iterator[None]:
    """Let Python collect no garbage in this block, if it collects any.

    With `stays`, what the block makes goes to the oldest generation. A first collection of all of it, right after the
    block, would find nothing.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            if stays and gc.get_freeze_count() == 0:  # else what the user has frozen would no longer be
                gc.freeze()
                gc.unfreeze()
            gc.enable()


def physical_memory() -> int:
    """Return the memory of this machine in bytes; the most an array can have where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return sys.maxsize


def require_memory(what: str, needed_bytes: int, instead: str, error: type[Exception] = MemoryError) -> None:
    """Raise MemoryError, or another `error`, if this machine has less memory than `what` needs.

    >>> require_memory("an array of 10^24 numbers", 8 * 10**24, "use a smaller one")
    Traceback (most recent call last):
        ...
    MemoryError: an array of 10^24 numbers needs 8,000,000,000,000,000,000,000,000 bytes, and this machine has ...
    """
    present = physical_memory()
    if needed_bytes > present:
        raise error(f"{what} needs {needed_bytes:,} bytes, and this machine has {present:,}: {instead}")

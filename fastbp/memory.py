"""How much memory this machine has, and the refusal of what would need more."""

import os
import sys


def physical_memory() -> int:
    """Bytes of memory of this machine; as many as an array can have where that cannot be asked."""
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

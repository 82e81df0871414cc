"""Words that a user gives, such as the names of the outputs."""

from typing import Any

from fastbp import validation


def words(what: str, given: Any, n: int, of: str) -> list[str]:
    """Return n words. Raises TypeError for anything but a list, ValueError for another number of words."""
    listed = list(given) if isinstance(given, str) else validation.entries(what, given, f"a list of {n} words")
    if len(listed) != n:
        raise ValueError(f"there are {len(listed)} {what} for {n} {of}")
    return [str(word) for word in listed]

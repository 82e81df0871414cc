"""The arguments of `Population.fit`: one for all members, or a list with one for each."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from fastbp.training.plan import Asked


def of_members(options: Mapping[str, Any], n: int) -> list[Asked]:
    """Return the arguments of `Network.fit` for each of n members: a list has one for each, anything else is for all.

    Raises ValueError for a list of another length, and for an iterator that several members would share.
    """
    for name, value in options.items():
        if isinstance(value, list) and len(value) != n:
            raise ValueError(
                f"{name} is a list of {len(value)}, but there are {n} members: a list has one value for each member; a "
                "value for all members that consists of several is a tuple or an array"
            )
        if isinstance(value, Iterator) and n > 1:
            raise ValueError(f"{name} is an iterator, which {n} members cannot share: give a list with one for each")
    own = {name: value for name, value in options.items() if isinstance(value, list) or name == "schedule"}
    return [Asked(**{**options, **{name: _own(name, value, i) for name, value in own.items()}}) for i in range(n)]


def _own(name: str, value: Any, i: int) -> Any:
    """Return the value of member i. A schedule that observes costs remembers them, so each has its own."""
    if isinstance(value, list):
        return value[i]
    if name == "schedule" and isinstance(value, Mapping):
        return {of: _own(name, schedule, i) for of, schedule in value.items()}
    return copy.deepcopy(value) if name == "schedule" and hasattr(value, "observe") else value

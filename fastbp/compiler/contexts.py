"""Numba's contexts with other methods: what our own functions are compiled with. Numba's own stay as they are."""

import copy
from collections.abc import Callable
from functools import cache
from typing import Any


def with_methods(context: Any, class_of: Callable[[Any], Any]) -> Any:
    """Return a copy of a context, of the class that `class_of` derives from the context's own class."""
    made = copy.copy(context)
    made.__class__ = _derived(class_of, type(context))
    return made


@cache
def _derived(class_of: Callable[[Any], Any], base: Any) -> Any:
    return class_of(base)

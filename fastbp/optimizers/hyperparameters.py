"""The allowed ranges of the hyperparameters of optimizers and schedules."""

import sys
from collections.abc import Callable
from dataclasses import fields
from typing import Any, NamedTuple

import numpy as np


class Range(NamedTuple):
    """The allowed values of a hyperparameter, as a test and in words."""

    holds: Callable[[float], bool]
    in_words: str
    whole: bool = False


LARGEST = sys.float_info.max
POSITIVE = Range(lambda x: 0 < x <= LARGEST, "a finite number greater than 0")
NOT_NEGATIVE = Range(lambda x: 0 <= x <= LARGEST, "a finite number of at least 0")
SHARE = Range(lambda x: 0 <= x < 1, "at least 0 and less than 1")
BETWEEN = Range(lambda x: 0 < x < 1, "greater than 0 and less than 1")
AT_MOST_1 = Range(lambda x: 0 < x <= 1, "greater than 0 and at most 1")
ABOVE_1 = Range(lambda x: 1 < x <= LARGEST, "a finite number greater than 1")
COUNT = Range(lambda n: 1 <= n <= sys.maxsize, "a whole number of at least 1", whole=True)
COUNT_OR_0 = Range(lambda n: 0 <= n <= sys.maxsize, "a whole number of at least 0", whole=True)

RANGES = {
    "learning_rate": POSITIVE, "momentum": SHARE, "beta_1": SHARE, "beta_2": SHARE, "alpha": SHARE,
    "epsilon": POSITIVE, "weight_decay": NOT_NEGATIVE, "rate_decay": NOT_NEGATIVE,
    "decrease": BETWEEN, "increase": ABOVE_1, "smallest_step": NOT_NEGATIVE, "largest_step": POSITIVE,
    "damping": POSITIVE, "largest_damping": POSITIVE,
    "memory": COUNT, "gradient_tolerance": NOT_NEGATIVE, "cost_tolerance": NOT_NEGATIVE,
    "factor": AT_MOST_1, "every": COUNT, "power": NOT_NEGATIVE, "epochs": COUNT, "warm_up": COUNT_OR_0,
    "start_share": AT_MOST_1, "final_rate": NOT_NEGATIVE, "smallest_rate": NOT_NEGATIVE, "patience": COUNT_OR_0,
    "cooldown": COUNT_OR_0, "cycles": COUNT, "threshold": SHARE, "rise": BETWEEN,
    "start_divisor": POSITIVE, "final_divisor": POSITIVE,
}  # fmt: skip


def check(owner: Any) -> None:
    """Raise TypeError for a field of a dataclass of the wrong type, ValueError for one that is out of range."""
    name = type(owner).__name__
    for field in fields(owner):
        if not field.init or field.name in ("layer_rates", "regularization"):  # which are checked where they are used
            continue
        value = getattr(owner, field.name)
        if field.type in (bool, "bool"):
            if not isinstance(value, bool | np.bool_):
                raise TypeError(f"{name}: {field.name} is {value!r}; it must be True or False")
            continue
        number(f"{name}: {field.name}", value, RANGES[field.name])


def number(what: str, value: Any, allowed: Range) -> float:
    """Return `value`. Raises TypeError if it is not a number, or not a whole one, ValueError if it is out of range."""
    if not _is_number(value, allowed.whole):
        raise TypeError(f"{what} is {value!r}; it must be {'a whole number' if allowed.whole else 'a number'}")
    # As Python's number: compared with a float32, LARGEST would become infinite.
    if not allowed.holds(value.item() if isinstance(value, np.generic) else value):
        raise ValueError(f"{what} is {value}; it must be {allowed.in_words}")
    return float(value)


def _is_number(value: Any, whole: bool) -> bool:
    kinds = int | np.integer if whole else int | float | np.integer | np.floating
    return isinstance(value, kinds) and not isinstance(value, bool)

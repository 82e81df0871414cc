"""What follows a schedule: the learning rate, AdamW's decay and dropout, each with the value it has without one.

A schedule multiplies or replaces that value. It is called before each epoch; a `ByStep` before each step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from fastbp import validation
from fastbp.formulations.step_options import StepOptions
from fastbp.optimizers import Optimizer

Schedules: TypeAlias = Mapping[str, Callable[[float, float], float]]

NAMES = "learning_rate", "weight_decay", "dropout"


def checked(given: Any, optimizer: Optimizer, options: StepOptions) -> Schedules:
    """Return the schedules by what they are of. Raises TypeError or ValueError for anything else.

    Where there is no decay or no dropout, nothing was made that a schedule could change.
    """
    if given is None:
        return {}
    found = dict(given) if isinstance(given, Mapping) else {"learning_rate": given}
    for name, schedule in found.items():
        if name not in NAMES:
            raise ValueError(f"schedule has {name!r}; its keys can be {', '.join(map(repr, NAMES))}")
        if not callable(schedule):
            what = "schedule" if not isinstance(given, Mapping) else f"schedule[{name!r}]"
            value = "base learning rate" if name == "learning_rate" else name.replace("_", " ")
            raise TypeError(f"{what} is {schedule!r}; it must be a function of the epoch and the {value}")
    if "weight_decay" in found and not options.decay[0] > 0:
        raise ValueError(
            f"schedule has 'weight_decay', but {type(optimizer).__name__} has none, or 0: give the largest one, as in "
            "AdamW(weight_decay=0.02)"
        )
    if "dropout" in found and not any(options.dropout):
        raise ValueError("schedule has 'dropout', but dropout is 0 or left out: give the largest one, such as 0.2")
    return found


def is_by_step(schedule: Any) -> bool:
    """Whether this is a `ByStep`: by an attribute, so that importing fastbp imports no schedules."""
    return getattr(schedule, "asked_before_every_step", False) is True


class Scheduled:
    """The present values: η in the state of the optimizer, κ and p in the options of a step.

    Outside a training the options have the values without a schedule, so that a trainer can be kept.
    """

    def __init__(self, schedules: Schedules, optimizer: Optimizer, options: StepOptions):
        self._schedules, self._optimizer, self._options = schedules, optimizer, options
        self._decay, self._dropout = options.decay.copy(), options.dropout.copy()
        self.by_step = any(is_by_step(schedule) for schedule in schedules.values())

    def begin_epoch(self, epoch: int, rate: Any) -> None:
        """Set all values for an epoch, counted from 0. Writes: rate, and what is in the options."""
        rate[0] = self._optimizer.learning_rate
        self._set(epoch, float(epoch), self._schedules, rate)

    def begin_step(self, time: float, rate: Any) -> None:
        """Set what follows steps; `time` is 2.5 in the middle of the third epoch. Writes: as `begin_epoch`."""
        some = {name: schedule for name, schedule in self._schedules.items() if is_by_step(schedule)}
        self._set(int(time), time, some, rate)

    def end(self) -> None:
        """Go back to the values without a schedule. Writes: what is in the options."""
        self._options.decay[:], self._options.dropout[:] = self._decay, self._dropout

    def observe(self, cost: float) -> None:
        """Tell the schedules that want to know the cost of an epoch."""
        for schedule in self._schedules.values():
            if (observe := getattr(schedule, "observe", None)) is not None:
                observe(cost)

    def _set(self, epoch: int, time: float, schedules: Schedules, rate: Any) -> None:
        for name, schedule in schedules.items():
            when = time if is_by_step(schedule) else epoch
            what = f"the {name.replace('_', ' ')} that schedule gives for epoch {epoch + 1}"
            if name == "learning_rate":
                rate[0] = validation.number(what, schedule(when, self._optimizer.learning_rate), 0.0)
            elif name == "weight_decay":
                decay = schedule(when, float(self._decay[0]))
                self._options.decay[0] = validation.number(what, decay, 0.0)
            else:
                for l in np.flatnonzero(self._dropout).tolist():
                    p = schedule(when, float(self._dropout[l]))
                    self._options.dropout[l] = validation.number(what, p, 0.0, below=1.0)

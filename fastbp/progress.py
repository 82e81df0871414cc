"""A live line about what is running, drawn by tqdm on a terminal and nowhere else."""

import os
import sys
from functools import cache
from typing import Any, Self, TextIO

STARTING = "starting"


class LiveLine:
    """tqdm's line, or nothing if it is not `wanted` or there is no terminal. As a context manager it closes itself.

    `layout` is tqdm's `bar_format`, which a narrow terminal cuts at the end; `options` are tqdm's.
    """

    def __init__(self, wanted: bool, layout: str, words: str, total: float | None, **options: Any):
        self._bar: Any = None
        stream = sys.stderr  # None in a program without a console
        if wanted and stream is not None and stream.isatty():
            size = _size(stream)
            self._bar = _bar()(total=total, desc=words, bar_format=layout, file=stream, **size, **options)

    def advance(self, n: float) -> None:
        """Add n to what is done."""
        if self._bar is not None:
            self._bar.update(n)

    def tell(self, words: str, *, now: bool = True) -> None:
        """Write what is running, `now` or with the next `advance`."""
        if self._bar is not None:
            self._bar.set_description_str(words, refresh=now)

    def close(self) -> None:
        """End the line."""
        if self._bar is not None:
            self._bar.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


@cache
def _bar() -> Any:
    """Return the class of bars. tqdm is imported only when it is needed, because that takes long."""
    from tqdm import tqdm

    class Bar(tqdm):  # type: ignore[misc, unused-ignore]
        monitor_interval = 0  # no monitor thread: a fork would not copy it

    return Bar


def _size(stream: TextIO) -> dict[str, int]:
    """Return tqdm's options for the size of a terminal; 79 by 24 if the terminal does not know its size."""
    try:
        known = os.get_terminal_size(stream.fileno()).columns > 0
    except (OSError, ValueError, AttributeError):
        known = False
    return {"dynamic_ncols": True} if known else {"ncols": 79, "nrows": 24}


class Progress(LiveLine):
    """The line of a training: the running epoch, the result of the last one, the time that is left.

    `samples` is the number of samples of an epoch, None if it is not known. The clock starts after the first step,
    which may compile.
    """

    def __init__(self, wanted: bool, epochs: int, samples: int | None):
        super().__init__(wanted, "{desc}", STARTING, None, leave=False)
        self._epochs, self._done = epochs, 0
        self._total = None if samples is None else epochs * samples

    def advance(self, n: float) -> None:
        """Add n samples to what is done."""
        if self._bar is None or self._bar.leave:
            super().advance(n)
            return
        self._bar.close()
        layout = "{desc}  {remaining} left  {rate_fmt} {bar}"
        options: dict[str, Any] = {"initial": n, "unit": " samples", "unit_scale": True}
        super().__init__(True, layout, f"epoch 1/{self._epochs}", self._total, **options)

    def epochs_done(self, n: int, description: str) -> None:
        """Write the result of the last of n epochs that were trained together."""
        self._done += n
        self.tell(f"epoch {min(self._done + 1, self._epochs)}/{self._epochs}  {description}", now=False)


class Members(LiveLine):
    """The line of many trainings: how many are in progress, their epochs, the time that is left.

    `what` is the plural of what is trained.
    """

    def __init__(self, wanted: bool, what: str, members: int, epochs: int):
        layout = "{desc}  {n_fmt}/{total_fmt} epochs  {remaining} left {bar}"
        super().__init__(wanted, layout, STARTING, epochs, leave=False)
        self._what, self._members = what, members

    def member(self, epochs: int, left_out: int, active: int) -> None:
        """Add epochs that a member has done, and leave out those it will not do; so many members are in training."""
        if self._bar is not None:
            self._bar.total -= left_out
            self.tell(f"{active} of {self._members} {self._what} in training", now=False)
            self.advance(epochs)


class Steps(LiveLine):
    """The line of n steps: which one is running, and the time that is left, by weights with this total."""

    def __init__(self, wanted: bool, what: str, n: int, total: float):
        super().__init__(wanted, "{desc}  {remaining} left", what, total, smoothing=0, leave=False)
        self._what, self._n, self._step, self._within = what, n, 0, 0.0

    def begin(self, description: str) -> None:
        """Begin the next step."""
        self._step += 1
        self._within = 0.0
        self.tell(f"{self._what} {self._step}/{self._n}  {description}")

    def within(self, weight: float, description: str) -> None:
        """Report how much of the weight of the running step is done."""
        self.tell(f"{self._what} {self._step}/{self._n}  {description}", now=False)
        self.advance(weight - self._within)
        self._within = weight

    def done(self, weight: float = 1) -> None:
        """End the step, which has this weight."""
        self.advance(weight - self._within)

"""A line about what is running, drawn by tqdm: on a terminal and nowhere else."""

import os
import sys
from functools import cache
from typing import Any, Self, TextIO

STARTING = "starting (the first run on a machine compiles for some seconds)"


class LiveLine:
    """tqdm's line, or nothing where it is not `wanted` or nobody would see it. As a context it ends with the block.

    `layout` is tqdm's `bar_format`, of which the last things are cut off on a narrow terminal; `options` are tqdm's.
    """

    def __init__(self, wanted: bool, layout: str, words: str, total: float | None, **options: Any):
        self._bar: Any = None
        stream = sys.stderr  # a program without a console has none
        if wanted and stream is not None and stream.isatty():
            size = _size(stream)
            self._bar = _bar()(total=total, desc=words, bar_format=layout, file=stream, **size, **options)

    def advance(self, n: float) -> None:
        """So much more is done."""
        if self._bar is not None:
            self._bar.update(n)

    def tell(self, words: str, *, now: bool = True) -> None:
        """Write what is running, `now` or when something is done."""
        if self._bar is not None:
            self._bar.set_description_str(words, refresh=now)

    def close(self) -> None:
        """End it."""
        if self._bar is not None:
            self._bar.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


@cache
def _bar() -> Any:
    """Return the class of bars. Importing tqdm takes longer than most of what nobody looks at."""
    from tqdm import tqdm

    class Bar(tqdm):  # type: ignore[misc, unused-ignore]
        monitor_interval = 0  # no thread beside it, which a fork would not copy

    return Bar


def _size(stream: TextIO) -> dict[str, int]:
    """Return what tqdm shall think of a terminal; of one that does not know its size it would think it has none."""
    try:
        known = os.get_terminal_size(stream.fileno()).columns > 0
    except (OSError, ValueError, AttributeError):
        known = False
    return {"dynamic_ncols": True} if known else {"ncols": 79, "nrows": 24}


class Progress(LiveLine):
    """Where a training stands: the epoch that runs, what the last one achieved, how long the rest will take.

    `samples` is how many there are in an epoch; nobody knows that of chunks, and then it is None. The first step may
    compile, so the clock starts after it.
    """

    def __init__(self, wanted: bool, epochs: int, samples: int | None):
        super().__init__(wanted, "{desc}", STARTING, None, leave=False)
        self._epochs, self._done = epochs, 0
        self._total = None if samples is None else epochs * samples

    def advance(self, n: float) -> None:
        """So many more samples of this epoch are done."""
        if self._bar is None or self._bar.leave:
            super().advance(n)
            return
        self._bar.close()
        layout = "{desc}  {remaining} left  {rate_fmt} {bar}"
        options: dict[str, Any] = {"initial": n, "unit": " samples", "unit_scale": True}
        super().__init__(True, layout, f"epoch 1/{self._epochs}", self._total, **options)

    def epoch_done(self, description: str) -> None:
        """An epoch is done; what it achieved, in words."""
        self._done += 1
        self.tell(f"epoch {min(self._done + 1, self._epochs)}/{self._epochs}  {description}", now=False)


class Steps(LiveLine):
    """Which of n steps is running, and how long the rest will take; their weights have this total."""

    def __init__(self, wanted: bool, what: str, n: int, total: float):
        super().__init__(wanted, "{desc}  {remaining} left", what, total, smoothing=0, leave=False)
        self._what, self._n, self._step, self._within = what, n, 0, 0.0

    def begin(self, description: str) -> None:
        """Write what the next step is about."""
        self._step += 1
        self._within = 0.0
        self.tell(f"{self._what} {self._step}/{self._n}  {description}")

    def within(self, weight: float, description: str) -> None:
        """So much of the weight of the step that runs is done."""
        self.tell(f"{self._what} {self._step}/{self._n}  {description}", now=False)
        self.advance(weight - self._within)
        self._within = weight

    def done(self, weight: float = 1) -> None:
        """The step is done, and it was so much of the total."""
        self.advance(weight - self._within)

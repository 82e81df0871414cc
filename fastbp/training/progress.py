"""A line about the epoch that is running, on a terminal and nowhere else."""

import math
import os
import sys
import time
from typing import Any, Protocol, Self, TextIO

STARTING = "starting (the first run on a machine compiles for some seconds)"
COLUMNS = 80  # of a terminal that does not say


class Progress(Protocol):
    """What training tells about itself."""

    def advance(self, samples: int) -> None:
        """So many more samples of this epoch are done."""

    def epoch_done(self, description: str) -> None:
        """An epoch is done; what it achieved, in words."""

    def close(self) -> None:
        """Training is over, however it ended."""


class Silence:
    """Tells nothing."""

    def advance(self, samples: int) -> None:
        """Nothing."""

    def epoch_done(self, description: str) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


CTRL_C = "^C"


class Rewritten:
    """A line of a terminal that is written over and over."""

    def __init__(self, stream: TextIO):
        self._stream, self._width = stream, 0

    def write(self, line: str) -> None:
        """Write over what is there."""
        # A line that wraps could not be written over; nor could one that wraps because of the ^C that a terminal adds.
        line = line[: max(0, self._columns() - len(CTRL_C))]
        self._stream.write("\r" + line.ljust(self._width))
        self._width = len(line)
        self._stream.flush()

    def close(self, line: str) -> None:
        """Leave this line standing; nothing, if it is empty."""
        self._stream.write("\r" + " " * self._columns())  # also over ^C
        self._width = 0
        self.write(line)
        self._stream.write("\n" if line else "\r")
        self._stream.flush()

    def _columns(self) -> int:
        return (_columns(self._stream) or COLUMNS) - 1


SECONDS_BETWEEN = 0.1  # of a line and the next


class Steps:
    """Such a line about steps of different weight: which one is running, how long the rest will take."""

    def __init__(self, what: str, n: int, total: float, stream: TextIO | None):
        self._what, self._n, self._clock = what, n, Clock(total)
        self._line = Rewritten(stream) if stream else None
        self._step, self._seen, self._last = 0, 0.0, -math.inf

    def begin(self, description: str) -> None:
        """Write what the next step is about."""
        self._step += 1
        self._write(description)

    def within(self, weight: float, description: str) -> None:
        """Write how far the step is that runs, unless the line was written a moment ago; `weight` of it is done."""
        now = time.perf_counter()
        if now - self._last >= SECONDS_BETWEEN:
            self._clock.tick(now, self._seen + weight)
            self._write(description)

    def _write(self, description: str) -> None:
        self._last = time.perf_counter()
        left = self._clock.left_and_speed()[:-1]
        if self._line:
            self._line.write("  ".join([f"{self._what} {self._step}/{self._n}", *left, description]))

    def done(self, weight: float = 1) -> None:
        """So much of the total is done."""
        self._seen += weight
        self._clock.tick(time.perf_counter(), self._seen)

    def __enter__(self) -> Self:
        self._clock.tick(time.perf_counter(), 0)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._line:
            self._line.close("")


class Line:
    """One line, written over and over: where training stands, what the last epoch achieved, how long it will take."""

    def __init__(self, epochs: int, samples: int | None, stream: TextIO):
        self._epochs, self._line = epochs, Rewritten(stream)
        self._epoch, self._seen, self._description = 0, 0, ""
        self._clock = Clock(None if samples is None else epochs * samples)
        self._last = -math.inf
        self._line.write(STARTING)

    def advance(self, samples: int) -> None:
        """Write the line, unless it was written a moment ago."""
        self._seen += samples
        now = time.perf_counter()
        self._clock.tick(now, self._seen)
        if now - self._last >= SECONDS_BETWEEN:
            self._last = now
            self._line.write(self._words())

    def epoch_done(self, description: str) -> None:
        """Write what the epoch achieved."""
        self._epoch += 1
        self._description = description
        self.advance(0)

    def close(self) -> None:
        """Leave the last line standing; nothing, if there was not a single step."""
        self._line.close(self._words() if self._seen else "")

    def _words(self) -> str:
        # The last things are the first to be cut off on a narrow terminal.
        running = min(self._epoch + 1, self._epochs)
        parts = [f"epoch {running}/{self._epochs}", self._description, *self._clock.left_and_speed()]
        return "  ".join(part for part in parts if part)


class Clock:
    """How fast samples are used, and how long the rest will take, not counting the first call, which may compile.

    Of chunks nobody knows how many samples there will be: then the total is None.
    """

    def __init__(self, total: float | None):
        self._total = total
        self._start: tuple[float, float] | None = None
        self._now: tuple[float, float] = (0.0, 0)

    def tick(self, now: float, seen: float) -> None:
        """So many samples have been used by now, in seconds."""
        self._now = now, seen
        self._start = self._start or self._now

    def left_and_speed(self) -> list[str]:
        """Return the time left and the speed, in words, as far as they are known.

        >>> clock = Clock(100)
        >>> clock.tick(50.0, 10)
        >>> clock.tick(52.0, 60)
        >>> clock.left_and_speed()
        ['1.6 s left', '25 samples/s']
        """
        if self._start is None:
            return []
        seconds, samples = self._now[0] - self._start[0], self._now[1] - self._start[1]
        if seconds <= 0 or samples <= 0:
            return []
        rate = samples / seconds
        left = 0.0 if self._total is None else (self._total - self._now[1]) / rate
        return [*([f"{duration(left)} left"] if left else []), f"{rate:,.0f} samples/s"]


class Bar:
    """The progress bar of tqdm, which begins with the first step, so that compiling does not count as its speed."""

    # What comes last is cut off on a narrow terminal.
    FORMAT = "{desc}  {remaining} left  {rate_fmt} {bar}"

    def __init__(self, tqdm: Any, epochs: int, samples: int | None, stream: TextIO):
        self._tqdm, self._stream = tqdm, stream
        self._bar: Any = None
        self._epoch, self._epochs = 0, epochs
        self._total = None if samples is None else epochs * samples
        stream.write("\r" + STARTING)
        stream.flush()

    def advance(self, samples: int) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.update(samples)
            return
        self._stream.write("\r" + " " * len(STARTING) + "\r")
        self._bar = self._tqdm(
            total=self._total, initial=samples, unit=" samples", unit_scale=True, file=self._stream,
            dynamic_ncols=True, bar_format=self.FORMAT, desc=f"epoch 1/{self._epochs}",
        )  # fmt: skip

    def epoch_done(self, description: str) -> None:
        """Write what the epoch achieved beside the bar."""
        self._epoch += 1
        running = min(self._epoch + 1, self._epochs)
        if self._bar is not None:
            self._bar.set_description_str(f"epoch {running}/{self._epochs}  {description}", refresh=False)

    def close(self) -> None:
        """Leave the bar standing; nothing, if there was not a single step."""
        if self._bar is not None:
            self._bar.close()
            return
        self._stream.write("\r" + " " * len(STARTING) + "\r")
        self._stream.flush()


def _columns(stream: TextIO) -> int:
    """Return the width of a terminal; 0 if it is not known."""
    try:
        return os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError, AttributeError):
        return 0


def duration(seconds: float) -> str:
    """Return a duration for people.

    >>> duration(0.25), duration(75), duration(4000)
    ('0.2 s', '1:15', '1:06:40')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def new_progress(wanted: bool, epochs: int, samples: int | None) -> Progress:
    """Return a bar if tqdm is there, else a line; silence where it is not wanted or nobody would see it."""
    stream = sys.stderr
    if not wanted or stream is None or not stream.isatty():
        return Silence()
    try:
        from tqdm import tqdm
    except ImportError:
        return Line(epochs, samples, stream)
    if not _columns(stream):  # there tqdm would show nothing
        return Line(epochs, samples, stream)
    return Bar(tqdm, epochs, samples, stream)


def new_steps(wanted: bool, what: str, n: int, total: float) -> Steps:
    """Return a line about n steps, whose weights have this total; silent where nobody would see it."""
    stream = sys.stderr
    return Steps(what, n, total, stream if wanted and stream is not None and stream.isatty() else None)

"""A line about the epoch that is running, on a terminal and nowhere else."""

import sys
import time
from typing import Any, Protocol, TextIO


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


class Line:
    """One line, written over and over: where training stands, what the last epoch achieved, how long it will take."""

    SECONDS_BETWEEN = 0.1

    def __init__(self, epochs: int, samples: int, stream: TextIO):
        self._epochs, self._samples, self._stream = epochs, samples, stream
        self._epoch, self._seen, self._description = 0, 0, ""
        self._start = time.perf_counter()
        self._last = self._start - self.SECONDS_BETWEEN
        self._width = 0

    def advance(self, samples: int) -> None:
        """Write the line, unless it was written a moment ago."""
        self._seen += samples
        now = time.perf_counter()
        if now - self._last >= self.SECONDS_BETWEEN:
            self._last = now
            self._write()

    def epoch_done(self, description: str) -> None:
        """Write what the epoch achieved."""
        self._epoch += 1
        self._description = description
        self.advance(0)

    def close(self) -> None:
        """Leave the last line standing."""
        self._write()
        self._stream.write("\n")
        self._stream.flush()

    def _write(self) -> None:
        elapsed = time.perf_counter() - self._start
        share = self._seen / (self._epochs * self._samples)
        left = duration(elapsed / share - elapsed) if share else "?"
        rate = self._seen / elapsed if elapsed else 0.0
        line = f"epoch {self._epoch}/{self._epochs}  {self._description}  {rate:,.0f} samples/s  {left} left"
        self._stream.write("\r" + line.ljust(self._width))
        self._width = len(line)
        self._stream.flush()


class Bar:
    """The progress bar of tqdm."""

    def __init__(self, tqdm: Any, epochs: int, samples: int, stream: TextIO):
        self._bar = tqdm(total=epochs * samples, unit=" samples", unit_scale=True, file=stream, dynamic_ncols=True)
        self._epoch, self._epochs = 0, epochs

    def advance(self, samples: int) -> None:
        """Move the bar."""
        self._bar.update(samples)

    def epoch_done(self, description: str) -> None:
        """Write what the epoch achieved before the bar."""
        self._epoch += 1
        self._bar.set_description_str(f"epoch {self._epoch}/{self._epochs}  {description}", refresh=False)

    def close(self) -> None:
        """Leave the bar standing."""
        self._bar.close()


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


def new_progress(wanted: bool, epochs: int, samples: int) -> Progress:
    """Return a bar if tqdm is there, else a line; silence where it is not wanted or nobody would see it."""
    stream = sys.stderr
    if not wanted or stream is None or not stream.isatty():
        return Silence()
    try:
        from tqdm import tqdm
    except ImportError:
        return Line(epochs, samples, stream)
    return Bar(tqdm, epochs, samples, stream)

"""The types of the options of the command line, and the check that a file can be written."""

import argparse
import math
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

EXIT_INTERRUPTED = 130


def _between(kind: Callable[[str], Any], low: float, high: float, in_words: str) -> Callable[[str], Any]:
    """Return a type of numbers between two bounds, both excluded."""

    def number(text: str) -> Any:
        try:
            if low < (value := kind(text)) < high:
                return value
        except ValueError:
            pass
        raise argparse.ArgumentTypeError(f"{text!r} is not {in_words}")

    return number


def whole(minimum: int) -> Callable[[str], int]:
    """Return a type of whole numbers from `minimum` on.

    >>> whole(1)("12")
    12
    """
    return _between(int, minimum - 1, math.inf, f"a whole number of {minimum} or more")


positive = _between(float, 0, math.inf, "a number greater than 0")
share = _between(float, 0, 1, "a number between 0 and 1, such as 0.2")


def sizes(text: str) -> list[int]:
    """Return sizes of layers; [] for "none".

    >>> sizes("64,32"), sizes("none")
    ([64, 32], [])
    """
    if text.strip().lower() == "none":
        return []
    try:
        return [whole(1)(size) for size in text.split(",")]
    except argparse.ArgumentTypeError:
        message = f"{text!r} is not a list of layer sizes; give whole numbers such as 64,32, or none"
        raise argparse.ArgumentTypeError(message) from None


def several(kind: Callable[[str], object]) -> Callable[[str], list[object]]:
    """Return a type of lists of another type, separated by commas.

    >>> several(whole(1))("8,16")
    [8, 16]
    """
    return lambda text: [kind(part.strip()) for part in text.split(",")]


def listed(text: str) -> list[str]:
    """Return names separated by commas.

    >>> listed("a, b")
    ['a', 'b']
    """
    return [name.strip() for name in text.split(",")]


def check_writable(path: str, others: Sequence[str]) -> None:
    """Raise ValueError if a file cannot be written there, or would overwrite one of the others."""
    target = Path(path).absolute()
    if target.is_dir():
        raise ValueError(f"cannot write {path}: it is a folder; give the name of a file")
    if not target.parent.is_dir():
        raise ValueError(f"cannot write {path}: there is no folder {target.parent}; create it, or name another")
    for other in others:
        if os.path.realpath(target) == os.path.realpath(other):
            raise ValueError(f"cannot write {path}: that is another file of this command; give another name")
    try:
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise ValueError(f"cannot write {path}: {error.strerror}; name a folder that you may write to") from None


def finish(interrupted: bool, written: Sequence[str], quiet: bool, done: str) -> int:
    """Print which files a command wrote, and whether it was interrupted; return its exit status."""
    if written and not quiet:
        print("".join(f"\nwrote {path}" for path in written))
    if interrupted:
        print(f"fastbp: interrupted; what was {done} by then was kept", file=sys.stderr)
    return EXIT_INTERRUPTED if interrupted else 0

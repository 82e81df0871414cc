"""What the command line takes: the types of its options, and files that can be written."""

import argparse
import math
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path


def whole(minimum: int) -> Callable[[str], int]:
    """Return a type of whole numbers from `minimum` on.

    >>> whole(1)("12")
    12
    """

    def whole_number(text: str) -> int:
        try:
            if (number := int(text)) >= minimum:
                return number
        except ValueError:
            pass
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of {minimum} or more")

    return whole_number


def _number(text: str, low: float, high: float, in_words: str) -> float:
    try:
        if low < (number := float(text)) < high:
            return number
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is not {in_words}")


def positive(text: str) -> float:
    """A number greater than 0."""
    return _number(text, 0, math.inf, "a number greater than 0")


def share(text: str) -> float:
    """A number between 0 and 1."""
    return _number(text, 0, 1, "a number between 0 and 1, such as 0.2")


def sizes(text: str) -> list[int]:
    """Sizes of layers, or none.

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

    def values(text: str) -> list[object]:
        return [kind(part.strip()) for part in text.split(",")]

    return values


def check_writable(path: str, others: Sequence[str]) -> None:
    """Raise ValueError if a file cannot be written here, or would take the place of one of the others."""
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

"""The names of files that users give, checked in one place for every layer."""

import os
from pathlib import Path
from typing import Any


def checked(path: Any, what: str = "path") -> Path:
    """Return a path. Raises TypeError for what is none, ValueError for one that no file can have.

    >>> checked("net.safetensors").name
    'net.safetensors'
    """
    if not isinstance(path, str | os.PathLike) or isinstance(given := os.fspath(path), bytes):
        advice = "; os.fsdecode makes one of bytes" if isinstance(path, bytes | os.PathLike) else ""
        raise TypeError(f"{what} is {path!r}; it must be a str or a pathlib.Path{advice}")
    if not given or "\0" in given:
        raise ValueError(f"{what} is {given!r}; it must name a file, without the character NUL")
    return Path(given)


def expanded(path: Any, what: str = "path") -> Path:
    """Return a path, ``~`` being the user's home. Raises as `checked` does, and ValueError where no home is known."""
    try:
        return checked(path, what).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{what} is {path!r}, which begins in a home folder that is not known: {error}") from None

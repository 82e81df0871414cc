"""Checked file names, the user's cache folder, and atomic writing of files."""

import contextlib
import errno
import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO


def checked_path(path: Any, what: str = "path") -> Path:
    """Return a path. Raises TypeError unless it is a str or path, ValueError for a name that no file can have.

    >>> checked_path("net.safetensors").name
    'net.safetensors'
    """
    if not isinstance(path, str | os.PathLike) or isinstance(given := os.fspath(path), bytes):
        advice = "; os.fsdecode makes one of bytes" if isinstance(path, bytes | os.PathLike) else ""
        raise TypeError(f"{what} is {path!r}; it must be a str or a pathlib.Path{advice}")
    if not given or "\0" in given:
        raise ValueError(f"{what} is {given!r}; it must be the name of a file, without the character NUL")
    return Path(given)


def expanded_path(path: Any, what: str = "path") -> Path:
    """Return a path with ``~`` expanded. Raises as `checked_path`, and ValueError if there is no home folder."""
    try:
        return checked_path(path, what).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{what} is {path!r}, but the home folder is not known: {error}") from None


def user_cache() -> Path:
    """Return fastbp's folder in the user's cache, which may not exist yet. Raises RuntimeError if there is no home."""
    if sys.platform == "win32":
        base, default = os.environ.get("LOCALAPPDATA", ""), ("AppData", "Local")
    elif sys.platform == "darwin":
        base, default = "", ("Library", "Caches")
    else:
        base, default = os.environ.get("XDG_CACHE_HOME", ""), (".cache",)
    # The XDG base directory specification requires that relative paths are ignored.
    return (Path(base) if os.path.isabs(base) else Path.home().joinpath(*default)) / "fastbp"


@contextlib.contextmanager
def written_whole(path: str | os.PathLike[str], *, survives_power_cut: bool = True) -> Iterator[BinaryIO]:
    """Open a temporary file in the same folder, and rename it at the end of the block. A link stays a link.

    The target of a link is replaced. After an exception, a full disk or a killed process there is the old file or the
    new one. A killed process may leave the temporary file, ``.name.`` and eight digits, which nothing reads. To survive
    a power cut, the file is flushed to the disk first, which takes some milliseconds.
    """
    target = Path(os.path.realpath(path))
    # Not tempfile, whose files only their owner can read.
    unfinished = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
    try:
        with unfinished.open("xb") as file:
            yield file
            file.flush()
            if survives_power_cut:
                os.fsync(file.fileno())
        os.replace(unfinished, target)
    finally:
        unfinished.unlink(missing_ok=True)
    if survives_power_cut:
        _flush_folder(target.parent)


def write(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file by `written_whole`. Raises as `checked_path`, and OSError if it cannot be written."""
    with written_whole(checked_path(path)) as file:
        file.write(content)


def _flush_folder(folder: Path) -> None:
    """Flush the names of a folder to the disk, so that the new file is there after a power cut.

    Windows and some file systems cannot: there a power cut may bring the complete old file back.
    """
    if os.name == "nt":
        return
    with contextlib.suppress(PermissionError):  # of a folder that can be written but not read
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):
                raise
        finally:
            os.close(descriptor)

"""The names of files that users give, where fastbp may keep its own, and how all are written: whole or not at all."""

import contextlib
import errno
import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO


def checked_path(path: Any, what: str = "path") -> Path:
    """Return a path. Raises TypeError for what is none, ValueError for one that no file can have.

    >>> checked_path("net.safetensors").name
    'net.safetensors'
    """
    if not isinstance(path, str | os.PathLike) or isinstance(given := os.fspath(path), bytes):
        advice = "; os.fsdecode makes one of bytes" if isinstance(path, bytes | os.PathLike) else ""
        raise TypeError(f"{what} is {path!r}; it must be a str or a pathlib.Path{advice}")
    if not given or "\0" in given:
        raise ValueError(f"{what} is {given!r}; it must name a file, without the character NUL")
    return Path(given)


def expanded_path(path: Any, what: str = "path") -> Path:
    """Return a path, ``~`` being the user's home. Raises as `checked_path`, and ValueError where no home is known."""
    try:
        return checked_path(path, what).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{what} is {path!r}, which begins in a home folder that is not known: {error}") from None


def user_cache() -> Path:
    """Return the folder of this user's caches that is fastbp's, which need not be there yet.

    Raises RuntimeError for a user without a home.
    """
    if sys.platform == "win32":
        base, default = os.environ.get("LOCALAPPDATA", ""), ("AppData", "Local")
    elif sys.platform == "darwin":
        base, default = "", ("Library", "Caches")
    else:
        base, default = os.environ.get("XDG_CACHE_HOME", ""), (".cache",)
    # The XDG base directory specification has relative paths ignored.
    return (Path(base) if os.path.isabs(base) else Path.home().joinpath(*default)) / "fastbp"


@contextlib.contextmanager
def written_whole(path: str | os.PathLike[str], *, survives_power_cut: bool = True) -> Iterator[BinaryIO]:
    """Open a file beside its place, and at the end of the block move it there; a link stays, its target is replaced.

    Whatever happens meanwhile, an exception, a full disk or an end by force, there is the old file or the new one. An
    end by force may leave the unfinished one beside it, ``.name.`` and eight digits, which nothing reads. What must
    also survive a power cut is flushed to the disk first, which takes some milliseconds.
    """
    target = Path(os.path.realpath(path))
    # Not tempfile: its files can be read by their owner only.
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
    """Write a file as `written_whole` does. Raises as `checked_path` does, and OSError where it cannot be written."""
    with written_whole(checked_path(path)) as file:
        file.write(content)


def _flush_folder(folder: Path) -> None:
    """Bring to the disk which file has which name, so that the new one is there after a power cut too.

    Windows cannot, and some file systems will not: there the old file may come back, whole.
    """
    if os.name == "nt":
        return
    with contextlib.suppress(PermissionError):  # a folder may be written and not read
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):
                raise
        finally:
            os.close(descriptor)

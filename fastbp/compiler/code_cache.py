"""Machine code on disk: where it lies, what names it, and what happens where it cannot be written.

Who compiles says only that a function has a `MachineCodeCache`; nothing else looks at the files.
"""

import hashlib
import os
import pickle
import shutil
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np
from numba.core import caching, serialize
from numba.core.compiler import CompileResult
from numba.core.runtime import rtsys

from fastbp.disk import user_cache, written_whole

# Numba's settings that change what is compiled, by their names in `numba.core.config`. Numba's own cache does not look
# at most of them (issue 10821). All others change what is told, counted or kept, or where code runs.
SETTINGS = (
    *("CPU_NAME", "CPU_FEATURES", "ENABLE_AVX"),  # for which machine
    *("OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE"),  # what LLVM does with it: other instructions, and other bits
    *("LLVM_REFPRUNE_PASS", "LLVM_REFPRUNE_FLAGS"),  # which reference counts are taken out
    "USING_SVML",  # whose sin and cos a user's function gets; DISABLE_INTEL_SVML is a part of it
    "BOUNDSCHECK",  # whether indices are checked
    *("DEBUGINFO_DEFAULT", "EXTEND_VARIABLE_LIFETIMES"),  # what a debugger finds; with it, indices are checked too
    *("DEBUG_JIT", "DEBUG_NRT", "DEBUG_ARRAY_OPT_RUNTIME"),  # what compiled code prints when it runs
    "PARFOR_MAX_TUPLE_SIZE",  # how a parallel loop is given its tuples
)
COMPILED = ("compiler", "functions", "formulations")  # folders of which all may be compiled
FOLDERS_KEPT = 8  # up to 80 MB each
USERS_FILES_KEPT = 500  # of some 50 kB: a user's function has one for each value of what it refers to


class MachineCodeCache(caching._Cache):
    """Compiled functions on disk, one file each, named by a digest of all that decides their content.

    Numba's own cache looks at one source file only, so it keeps stale code when an imported kernel changes (numba
    issue 8396), and two processes that fill it at once can confuse its numbered files (4807). Here the names of folder
    and file hold the digest of all of fastbp's sources, the signature, the target and the settings, a file is written
    whole or not at all, and a cache that cannot be read is the same as none.
    """

    def __init__(self, function: Callable[..., Any]):
        self._function = function

    def _file(self, signature: Any, codegen: Any) -> str:
        names = self._function.__qualname__, self._function.__module__
        digest = hashlib.sha256(repr((names, str(signature), codegen.magic_tuple(), settings())).encode()).hexdigest()
        return f"{self._function.__name__}-{digest[:24]}.machinecode"

    def load_overload(self, sig: Any, target_context: Any) -> CompileResult | None:
        """Return the compiled function of this signature, or None if there is none that can be read."""
        content = _read(self._file(sig, target_context.codegen()))
        if content is None:
            return None
        # Machine code needs Numba's runtime. Numba would load all it needs to compile as well, for 0.3 s: its own
        # call of `refresh` before it compiles anything does that when it must.
        rtsys.initialize(target_context)
        try:
            return CompileResult._rebuild(target_context, *pickle.loads(content))
        except Exception:  # whatever a damaged file makes pickle or LLVM say, compiling anew is right
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a compiled function; warn, once a process, where the folder cannot be written."""
        if data.library.has_dynamic_globals:
            return
        folder = cache_folder()
        if folder is None:
            _warn_that_nothing_is_kept("")
            return
        path = folder / self._file(sig, data.codegen)
        content = serialize.dumps(data._reduce())
        try:
            with written_whole(path, survives_power_cut=False) as file:
                file.write(content)
        except OSError as error:
            _warn_that_nothing_is_kept(f" ({error.strerror or error})")
            return
        if path.name.startswith("users_"):
            _remove_oldest(folder, "users_*.machinecode", USERS_FILES_KEPT)

    @property
    def cache_path(self) -> str:
        """Return the folder, as Numba's statistics want it."""
        return str(cache_folder())

    def enable(self) -> None:
        """Do nothing: this cache has no other state."""

    def disable(self) -> None:
        """Do nothing: this cache has no other state."""

    def flush(self) -> None:
        """Do nothing: files of other digests are never read."""


def settings() -> tuple[str, ...]:
    """Return what Numba's settings that change machine code are at this moment."""
    return tuple(str(getattr(numba.core.config, name, None)) for name in SETTINGS)


def _read(file: str) -> bytes | None:
    for folder in _folders():
        try:
            return (folder / file).read_bytes()
        except OSError:
            continue
    return None


_has_warned = False


def _warn_that_nothing_is_kept(why: str) -> None:
    """Say so once. A user who makes warnings errors gets this one when all else is done, and goes on at will."""
    global _has_warned
    if _has_warned:
        return
    _has_warned = True
    tried = " and ".join(str(folder) for folder in _candidate_folders()) or "a folder in your home, but you have none"
    warnings.warn(
        f"fastbp cannot keep the machine code it has compiled: it cannot write in {tried}{why}. Every new Python "
        "compiles it again, which takes seconds, up to half a minute. Set the environment variable FASTBP_CACHE to a "
        "folder that can be written",
        RuntimeWarning,
        stacklevel=2,
    )


@cache
def _folders() -> tuple[Path, ...]:
    """Where machine code may lie. It is read from a folder that cannot be written as well: one installed for all."""
    versions = numba.__version__, llvmlite.__version__, np.__version__, *sys.version_info[:3]
    digest = hashlib.sha256(repr((source_digest(), versions)).encode()).hexdigest()[:16]
    return tuple(parent / f"machinecode-{digest}" for parent in _candidate_folders())


@cache
def cache_folder() -> Path | None:
    """Where machine code is kept: ``$FASTBP_CACHE``, else beside the sources of a checkout, else the user's cache.

    None if none of them can be written. Beside an installed package it is never: pip, which knows nothing of it, would
    leave a folder ``fastbp`` behind, which Python then imports as an empty package.

    The folder's name holds a digest of the sources and of the versions that compile them, so a change of any of
    them starts afresh.
    """
    for folder in _folders():
        try:
            if not folder.is_dir():
                folder.mkdir(parents=True, exist_ok=True)
                _remove_oldest(folder.parent, "machinecode-*", FOLDERS_KEPT)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    return None


def _remove_oldest(parent: Path, names: str, kept: int) -> None:
    """Remove what is oldest, files or folders: of earlier sources and versions, but some that others may still use.

    A process that uses what goes away here compiles it again, as if it had never been there.
    """
    with suppress(OSError):  # another process does the same at this moment
        found = sorted(parent.glob(names), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in found[kept:]:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


def _candidate_folders() -> list[Path]:
    if os.environ.get("FASTBP_CACHE"):
        return [Path(os.environ["FASTBP_CACHE"])]
    package = Path(__file__).resolve().parent.parent
    beside = [package / "__pycache__"] if _is_checkout(package.parent) else []
    try:
        return [*beside, user_cache()]
    except RuntimeError:  # a user without a home
        return beside


def _is_checkout(folder: Path) -> bool:
    """Whether a folder is one that fastbp is developed in, and not where packages are installed."""
    try:
        return 'name = "fastbp"' in (folder / "pyproject.toml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False


@cache
def source_digest() -> str:
    """Digest of every source file that can end up in machine code: whole folders, and elsewhere what compiles."""
    package = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        place, source = path.relative_to(package), path.read_bytes()
        if place.parts[0] in COMPILED or b"compiler.options import" in source or place.name == "updates.py":
            digest.update(place.as_posix().encode() + source)
    return digest.hexdigest()

"""Machine code on disk: its folder, the names of its files, and what happens if they cannot be written."""

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
from llvmlite import binding
from numba.core import caching, serialize
from numba.core.compiler import CompileResult

from fastbp.compiler.levels import in_level, level
from fastbp.disk import user_cache, written_whole

# The settings in `numba.core.config` that change machine code, besides those of the level (`levels.py`). Numba's own
# cache ignores most of them (issue 10821).
SETTINGS = (
    *("OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE"),  # LLVM's optimizations: other instructions, and other bits
    *("LLVM_REFPRUNE_PASS", "LLVM_REFPRUNE_FLAGS"),  # which reference counts are removed
    "USING_SVML",  # the library of sin and cos in a user's function; DISABLE_INTEL_SVML is a part of it
    "BOUNDSCHECK",  # whether indices are checked
    *("DEBUGINFO_DEFAULT", "EXTEND_VARIABLE_LIFETIMES"),  # for debuggers; also checks indices
    *("DEBUG_JIT", "DEBUG_NRT", "DEBUG_ARRAY_OPT_RUNTIME"),  # what compiled code prints when it runs
    "PARFOR_MAX_TUPLE_SIZE",  # how tuples are passed to a parallel loop
)
COMPILED = ("compiler", "functions", "formulations")  # folders of which every file may be compiled
FOLDERS_KEPT = 8  # up to 80 MB each
DIGEST = 32  # bytes at the beginning of a file, the SHA-256 of the rest
USERS_FILES_KEPT = 500  # of about 50 kB; a user's function has a file for each value of the variables it refers to


class MachineCodeCache(caching._Cache):
    """Compiled functions on disk, one file each, named by a digest of everything that decides their content.

    Numba's own cache checks one source file only, so it keeps stale code when an imported kernel changes (numba issue
    8396), and two processes that fill it at once can mix up its numbered files (4807). Here the names of folder and
    file hold a digest of all of fastbp's sources, the signature, the target and the settings. A file is written whole
    or not at all; one that cannot be read is ignored.
    """

    def __init__(self, function: Callable[..., Any], before_compiling: Callable[[], None] = lambda: None):
        self._function, self._before_compiling = function, before_compiling

    def has(self, signature: Any) -> bool:
        """Whether there is a file of this signature."""
        name = self._file(signature)
        return any((folder / name).exists() for folder in (*_folders(), _shipped()))

    def _file(self, signature: Any) -> str:
        names = self._function.__qualname__, self._function.__module__
        target = binding.get_default_triple(), level()
        digest = hashlib.sha256(repr((names, str(signature), target, settings())).encode()).hexdigest()
        return f"{self._function.__name__}-{digest[:24]}.machinecode"

    def load_overload(self, sig: Any, target_context: Any) -> CompileResult | None:
        """Return the compiled function of this signature, or None if no file of it can be read."""
        content = _read(self._file(sig))
        if content is None:
            self._before_compiling()
            content = _read(self._file(sig))
        if content is None:
            return None
        try:
            return CompileResult._rebuild(in_level(target_context), *pickle.loads(content))
        except Exception:  # of pickle or LLVM, for a damaged file: compile the function again
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Write a compiled function to disk. Warn once a process if no folder can be written."""
        if data.library.has_dynamic_globals:
            return
        folder = cache_folder()
        if folder is None:
            _warn_that_nothing_is_kept("")
            return
        path = folder / self._file(sig)
        content = serialize.dumps(data._reduce())
        try:
            with written_whole(path, survives_power_cut=False) as file:
                file.write(hashlib.sha256(content).digest() + content)
        except OSError as error:
            _warn_that_nothing_is_kept(f" ({error.strerror or error})")
            return
        if path.name.startswith("users_"):
            _remove_oldest(folder, "users_*.machinecode", USERS_FILES_KEPT)

    @property
    def cache_path(self) -> str:
        """Return the folder, for Numba's statistics."""
        return str(cache_folder())

    def enable(self) -> None:
        """Do nothing, as `disable` and `flush`: this cache has no state, and stale files are never read."""

    disable = flush = enable


def settings() -> tuple[str, ...]:
    """Return the level, and the present values of `SETTINGS`."""
    return level().name, *(str(getattr(numba.core.config, name, None)) for name in SETTINGS)


def _read(name: str) -> bytes | None:
    """Return what was written under this name, if it is whole, and by somebody who may run code here."""
    for folder in (*_folders(), _shipped()):
        with suppress(OSError), open(folder / name, "rb") as file:
            digest, content = file.read(DIGEST), file.read()
            if os.fstat(file.fileno()).st_uid in _trusted() and hashlib.sha256(content).digest() == digest:
                return content
    return None


@cache
def _trusted() -> frozenset[int]:
    """Return whose machine code is loaded: this user's, root's, and that of whoever installed fastbp."""
    this_user = os.geteuid() if hasattr(os, "geteuid") else 0
    return frozenset({this_user, 0, Path(__file__).stat().st_uid})


_has_warned = False


def _warn_that_nothing_is_kept(why: str) -> None:
    """Warn once. Everything else is done by then, in case the user turns warnings into errors."""
    global _has_warned
    if _has_warned:
        return
    _has_warned = True
    tried = " and ".join(map(str, _candidate_folders())) or "a home folder, because you have none"
    warnings.warn(
        f"fastbp cannot keep the machine code it has compiled: it cannot write in {tried}{why}. Every new Python "
        "process compiles it again, for up to half a minute. Set the environment variable FASTBP_CACHE to a folder "
        "that can be written",
        RuntimeWarning,
        stacklevel=2,
    )


def folder_name() -> str:
    """Return the name of a folder of machine code: a digest of the sources and of the versions that compile them."""
    versions = numba.__version__, llvmlite.__version__, np.__version__.partition(".")[0], sys.implementation.cache_tag
    return f"machinecode-{hashlib.sha256(repr((source_digest(), versions)).encode()).hexdigest()[:16]}"


@cache
def _folders() -> tuple[Path, ...]:
    """Return the folders to read from. Some cannot be written: an administrator may have filled one for all users."""
    return tuple(parent / folder_name() for parent in _candidate_folders())


@cache
def _shipped() -> Path:
    """Return the folder in which a wheel brings machine code, if it does."""
    return Path(__file__).parent / folder_name()


@cache
def cache_folder() -> Path | None:
    """Return the folder to write to: in ``$FASTBP_CACHE``, else in a checkout, else in the user's cache; or None.

    It is never beside an installed package: pip, when it removes the package, would leave a folder ``fastbp`` behind,
    which Python imports as an empty package.
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
    """Remove the oldest files or folders. A process that still needs one compiles its functions again."""
    with suppress(OSError):  # another process may do the same at this moment
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
    """Whether fastbp is developed in this folder, not installed."""
    try:
        return 'name = "fastbp"' in (folder / "pyproject.toml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False


@cache
def source_digest() -> str:
    """Return a digest of all source files that are compiled: those of `COMPILED`, and others that import `options`."""
    package = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        place, source = path.relative_to(package), path.read_bytes()
        if place.parts[0] in COMPILED or b"compiler.options import" in source or place.name == "updates.py":
            digest.update(place.as_posix().encode() + source)
    return digest.hexdigest()

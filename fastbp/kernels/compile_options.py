"""How every loop of fastbp is compiled: one set of options, one cache on disk, one way to bind names anew.

``njit`` here is Numba's with the options below. Nothing is compiled when it decorates; the first call does that.
"""

import hashlib
import os
import pickle
import shutil
import sys
import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any

import numba
from numba.core import caching, serialize
from numba.core.ccallback import CFunc
from numba.core.compiler import CompilerBase, CompileResult, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.lowering import Lower
from numba.core.runtime import rtsys
from numba.core.typed_passes import NativeLowering

# Sums may be reordered into vector lanes and contracted to FMA. NaN and infinity keep their meaning: no nnan, no
# ninf, so a diverging cost is seen. nogil lets other Python threads run while a kernel does.
OPTIONS: dict[str, Any] = {
    "fastmath": {"nsz", "arcp", "contract", "afn", "reassoc"},
    "error_model": "numpy",
    "nogil": True,
}
# For loops that allocate nothing and only pass views on: without Numba's reference counting, which costs them up to
# half of their time. What they are given must outlive the call.
LEAN: dict[str, Any] = {"_nrt": False}
# And for those of them that only compiled code calls: without what Python and C would call them by, half the work.
INNER: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "forceinline": True, **LEAN}
# Copied into its caller before anything is compiled: half the time to compile many tiles of the same loop.
INLINE: dict[str, Any] = {"inline": "always", **LEAN}
# For what works element by element and has no sum to reorder. Where LLVM may choose, as between the two products of
# β m + γ g for its FMA, it chooses differently when it optimises a function again inside its caller, and the bits of a
# process that compiled would not be those of one that found the machine code on disk. fastmath is named although
# False is the default: a function that does not name it inherits its caller's.
STRICT: dict[str, Any] = {"fastmath": False}


class WideLower(Lower):
    """Lets LLVM use the whole width of the vector registers: on Intel it stops at half, for the clock's sake."""

    def setup_function(self, fndesc: Any) -> None:
        super().setup_function(fndesc)
        set.add(self.function.attributes, '"prefer-vector-width"="512"')  # llvmlite's own `add` knows no such pair


@register_pass(mutates_CFG=True, analysis_only=False)
class WideLowering(NativeLowering):
    """Numba's last pass, with `WideLower`."""

    _name = "fastbp_wide_lowering"

    @property
    def lowering_class(self) -> type[Lower]:
        return WideLower


class WideCompiler(CompilerBase):
    """Numba's compiler, with `WideLowering`. Loops over memory run 1.1 to 1.4 times faster where there is AVX-512."""

    def define_pipelines(self) -> list[Any]:
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.passes = [(WideLowering if step is NativeLowering else step, why) for step, why in passes.passes]
        passes.finalize()
        return [passes]


def njit(
    function: Callable[..., Any] | None = None, *, parallel: bool = False, on_disk: bool = True, **options: Any
) -> Any:
    """Compile `function` with fastbp's options when it is first called; keep the machine code on disk.

    `options` is one of the named sets above.

    With ``NUMBA_DISABLE_JIT=1`` the function itself comes back, so that it runs, slowly, as ordinary Python.
    """
    if function is None:
        return lambda f: njit(f, parallel=parallel, on_disk=on_disk, **options)
    form = {"parallel": True} if parallel else {"pipeline_class": WideCompiler}
    dispatcher = numba.njit(**form, **{**OPTIONS, **options})(function)
    if on_disk and dispatcher is not function:
        dispatcher._cache = MachineCodeCache(function)
    return dispatcher


def compile_callback(function: Callable[..., Any], signature: Any, *, on_disk: bool) -> int:
    """Compile `function` at once as a C callback and return its address. The machine code lives as long as Python."""
    sig = (signature.args, signature.return_type)
    callback = CFunc(function, sig, locals={}, options={**OPTIONS, **STRICT}, pipeline_class=WideCompiler)
    if on_disk:
        callback._cache = MachineCodeCache(function)
    callback.compile()
    _callbacks_kept_alive.append(callback)
    return int(callback.address)


_callbacks_kept_alive: list[CFunc] = []


def rebind(function: Any, name: str, /, **names: Any) -> FunctionType:
    """The source of `function` under another name, with some of the global names it uses bound to other things.

    This is how one source serves several purposes: a loop over an array for every activation, the serial and the
    parallel form of a training loop. The new name keeps their machine code apart on disk.
    """
    source = getattr(function, "py_func", function)
    twin = FunctionType(source.__code__, {**source.__globals__, **names}, name, source.__defaults__)
    twin.__qualname__, twin.__doc__, twin.__module__ = name, source.__doc__, source.__module__
    return twin


class MachineCodeCache(caching._Cache):
    """Compiled functions on disk, one file each, named by a digest of all that decides their content.

    Numba's own cache looks at one source file only, so it keeps stale code when an imported kernel changes (numba
    issue 8396), and two processes that fill it at once can confuse its numbered files (4807). Here the name holds
    the digest of all of fastbp's sources, the signature and the target, a file is written whole or not at all, and
    a cache that cannot be read or written is the same as none.
    """

    def __init__(self, function: Callable[..., Any]):
        self._function = function

    def _path(self, signature: Any, codegen: Any) -> Path | None:
        folder = cache_folder()
        if folder is None:
            return None
        parts = (self._function.__qualname__, self._function.__module__, str(signature), codegen.magic_tuple())
        digest = hashlib.sha256(repr(parts).encode()).hexdigest()[:24]
        return folder / f"{self._function.__name__}-{digest}.machinecode"

    def load_overload(self, sig: Any, target_context: Any) -> CompileResult | None:
        """Return the compiled function of this signature, or None if there is none that can be read."""
        path = self._path(sig, target_context.codegen())
        if path is None or not path.exists():
            return None
        # Machine code needs Numba's runtime. Numba would load all it needs to compile as well, for 0.3 s: its own
        # call of `refresh` before it compiles anything does that when it must.
        rtsys.initialize(target_context)
        try:
            return CompileResult._rebuild(target_context, *pickle.loads(path.read_bytes()))
        except Exception:  # whatever a damaged file makes pickle or LLVM say, compiling anew is right
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a compiled function; do nothing where the folder cannot be written."""
        path = self._path(sig, data.codegen)
        if path is None or data.library.has_dynamic_globals:
            return
        content = serialize.dumps(data._reduce())
        unfinished = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
        try:
            unfinished.write_bytes(content)
            os.replace(unfinished, path)
        except OSError:
            unfinished.unlink(missing_ok=True)

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


FOLDERS_KEPT = 8  # up to 80 MB each


@cache
def cache_folder() -> Path | None:
    """Where machine code is kept: ``$FASTBP_CACHE``, else beside the sources of a checkout, else the user's cache.

    None if none of them can be written. Beside an installed package it is never: pip, which knows nothing of it, would
    leave a folder ``fastbp`` behind, which Python then imports as an empty package.

    The folder's name holds a digest of the sources and of the versions that compile them, so a change of any of
    them starts afresh.
    """
    settings = numba.core.config.CPU_NAME, numba.core.config.CPU_FEATURES, numba.core.config.BOUNDSCHECK
    versions = (numba.__version__, *settings, *sys.version_info[:3])
    digest = hashlib.sha256(repr((source_digest(), versions)).encode()).hexdigest()[:16]
    for parent in _candidate_folders():
        folder = parent / f"machinecode-{digest}"
        try:
            if not folder.is_dir():
                folder.mkdir(parents=True, exist_ok=True)
                _remove_oldest(parent)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    return None


def _remove_oldest(parent: Path) -> None:
    """Remove the folders of earlier sources and versions but for some that other installations may still use.

    A process that uses a folder which goes away here compiles what it needs, as if there had been none.
    """
    with suppress(OSError):  # another process does the same at this moment
        folders = sorted(parent.glob("machinecode-*"), key=lambda folder: folder.stat().st_mtime, reverse=True)
        for folder in folders[FOLDERS_KEPT:]:
            shutil.rmtree(folder, ignore_errors=True)


def _candidate_folders() -> list[Path]:
    if "FASTBP_CACHE" in os.environ:
        return [Path(os.environ["FASTBP_CACHE"])]
    package = Path(__file__).resolve().parent.parent
    beside = [package / "__pycache__"] if _is_checkout(package.parent) else []
    try:
        user = Path(os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".cache")
    except RuntimeError:  # a user without a home
        return beside
    return [*beside, user / "fastbp"]


def _is_checkout(folder: Path) -> bool:
    """Whether a folder is one that fastbp is developed in, and not where packages are installed."""
    try:
        return 'name = "fastbp"' in (folder / "pyproject.toml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False


@cache
def source_digest() -> str:
    """Digest of every source file that can end up in machine code.

    Of `derivatives` those that compile: the others there make words and tables, and nothing compiled imports them.
    """
    package = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for folder in ("kernels", "formulations", "derivatives"):
        for path in sorted((package / folder).glob("*.py")):
            source = path.read_bytes()
            if folder != "derivatives" or b"njit" in source:
                digest.update(path.name.encode() + source)
    return digest.hexdigest()

"""How every loop of fastbp is compiled: one set of options, one way to bind names anew.

``njit`` here is Numba's with the options below. Nothing is compiled when it decorates; the first call does that.
"""

from collections.abc import Callable
from functools import cache
from types import FunctionType
from typing import Any

import numba
from numba.core.ccallback import CFunc
from numba.core.compiler import Compiler, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.lowering import Lower
from numba.core.typed_passes import InlineOverloads, NativeLowering, NopythonRewrites
from numba.core.untyped_passes import InlineClosureLikes, LiteralUnroll, WithLifting

from fastbp.compiler import together
from fastbp.compiler.by_value import ByValue, by_value
from fastbp.compiler.code_cache import MachineCodeCache
from fastbp.compiler.few_instructions import in_few_instructions
from fastbp.compiler.known_types import with_memory
from fastbp.compiler.levels import in_level
from fastbp.compiler.libraries import Part, Whole
from fastbp.memory import no_collection

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
# For functions that only compiled code calls: nothing by which Python or C would call them, see `libraries.py`.
PART: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
# For loops that are both, inlined wherever they are called.
INNER: dict[str, Any] = {"forceinline": True, **PART, **LEAN}
# Copied into its caller before anything is compiled: half the time to compile many tiles of the same loop.
INLINE: dict[str, Any] = {"inline": "always", **LEAN}
# For what works element by element and has no sum to reorder. Where LLVM may choose, as between the two products of
# β m + γ g for its FMA, it chooses differently when it optimises a function again inside its caller, and the bits of a
# process that compiled would not be those of one that found the machine code on disk. fastmath is named although
# False is the default: a function that does not name it inherits its caller's.
STRICT: dict[str, Any] = {"fastmath": False}


class WideLower(Lower):
    """Lets LLVM use the whole width of the vector registers: on Intel it stops at half, for the clock's sake."""

    def __init__(self, context: Any, library: Any, fndesc: Any, *rest: Any, **named: Any):
        if library.by_value:
            fndesc.__class__ = ByValue
        super().__init__(context, library, fndesc, *rest, **named)

    def setup_function(self, fndesc: Any) -> None:
        super().setup_function(fndesc)
        set.add(self.function.attributes, '"prefer-vector-width"="512"')  # llvmlite's own `add` knows no such pair

    # Without reference counting, a variable needs no 0 where it begins and where it ends, and what it had is not read.

    def alloca_lltype(self, name: str, lltype: Any, datamodel: Any = None) -> Any:
        if self._counts():
            return super().alloca_lltype(name, lltype, datamodel)
        with self.builder.goto_entry_block():
            return self.builder.alloca(lltype, name=name)

    def storevar(self, value: Any, name: str, argidx: int | None = None) -> None:
        if self._counts() or name in self._singly_assigned_vars:
            super().storevar(value, name, argidx)
        else:
            self.builder.store(value, self.getvar(name))

    def delvar(self, name: str) -> None:
        if self._counts():
            super().delvar(name)
        elif name not in self._blk_local_varmap:
            self._singly_assigned_vars.discard(name)

    def _counts(self) -> bool:
        return self.context.enable_nrt or self._disable_sroa_like_opt


@register_pass(mutates_CFG=True, analysis_only=False)
class WideLowering(NativeLowering):
    """Numba's last pass, with `WideLower` and the libraries of `libraries.py`."""

    _name = "fastbp_wide_lowering"

    def run_pass(self, state: Any) -> bool:
        kind = Part if state.flags.no_cfunc_wrapper else Whole
        state.library = kind(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        raises = not state.flags.no_cpython_wrapper or state.targetctx.enable_boundscheck
        state.library.by_value = is_ours(state.func_id.func) and not raises
        return bool(super().run_pass(state))

    @property
    def lowering_class(self) -> type[Lower]:
        return WideLower


class LevelCompiler(Compiler):
    """Numba's compiler, for the level of this processor."""

    def __init__(self, typing_context: Any, target_context: Any, *rest: Any):
        super().__init__(typing_context, by_value(in_level(target_context)), *rest)

    def compile_extra(self, func: Any) -> Any:
        """Compile. Python would spend a sixth of that time on collections, for the many objects that come and go."""
        with no_collection():
            return super().compile_extra(func)


# Passes for what our loops do not have and a user's functions may: closures, `with`, loops over tuples, operations on
# whole arrays, overloaded functions to be copied.
NOT_OURS = InlineClosureLikes, WithLifting, LiteralUnroll, NopythonRewrites, InlineOverloads


_known = cache(with_memory)


def is_ours(function: Any) -> bool:
    """Whether a function is neither a user's nor made around one."""
    return str(function.__module__).startswith("fastbp.") and not function.__name__.startswith("users_")


class WideCompiler(LevelCompiler):
    """The same with `WideLowering`. Loops over memory run 1.1 to 1.4 times faster where there is AVX-512."""

    def define_pipelines(self) -> list[Any]:
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.passes = [(WideLowering if step is NativeLowering else step, why) for step, why in passes.passes]
        if is_ours(self.state.func_id.func):
            passes.passes = [(step, why) for step, why in passes.passes if step not in NOT_OURS]
            self.state.targetctx = in_few_instructions(self.state.targetctx)
            self.state.typingctx = _known(self.state.typingctx)
        passes.finalize()
        return [passes]


def njit(
    function: Callable[..., Any] | None = None,
    *,
    parallel: bool = False,
    calls: tuple[Any, ...] = (),
    on_disk: bool = True,
    **options: Any,
) -> Any:
    """Compile `function` with fastbp's options when it is first called; keep machine code, if there is any, on disk.

    `options` is one of the named sets above; `calls` are the parallel loops that `function` calls: `variants.py`.

    With ``NUMBA_DISABLE_JIT=1`` the function itself comes back, so that it runs, slowly, as ordinary Python.
    """
    if function is None:
        return lambda f: njit(f, parallel=parallel, calls=calls, on_disk=on_disk, **options)
    compiler = LevelCompiler if parallel else WideCompiler
    dispatcher = numba.njit(parallel=parallel, pipeline_class=compiler, **{**OPTIONS, **options})(function)
    if on_disk and dispatcher is not function and not options.get("no_cfunc_wrapper"):
        dispatcher._cache = MachineCodeCache(function, together.before_compiling)
    dispatcher.calls = calls
    return dispatcher


def compile_callback(function: Callable[..., Any], signature: Any, *, on_disk: bool) -> int:
    """Compile `function` at once as a C callback and return its address. The machine code lives as long as Python.

    In a dry run (`together.py`), note it if it is missing on the disk, and return 0.
    """
    sig = (signature.args, signature.return_type)
    options = {**OPTIONS, **STRICT, **(LEAN if is_ours(function) else {})}
    callback = CFunc(function, sig, locals={}, options=options, pipeline_class=WideCompiler)
    kept = MachineCodeCache(function, together.before_compiling)
    if together.is_dry():
        if on_disk and not kept.has(callback._sig):
            together.note(function.__name__)
        return 0
    if on_disk:
        callback._cache = kept
    callback.compile()
    _callbacks_kept_alive.append(callback)
    return int(callback.address)


_callbacks_kept_alive: list[CFunc] = []


def rebind(function: Any, name: str, /, **names: Any) -> FunctionType:
    """The source of `function` under another name, with some of the global names it uses bound to other things.

    This is how one source serves several purposes: a loop over an array for every activation, the serial and the
    parallel variant of a training loop. The new name keeps their machine code apart on disk.
    """
    source = getattr(function, "py_func", function)
    bound = FunctionType(
        source.__code__, {**source.__globals__, **names}, name, source.__defaults__, source.__closure__
    )
    bound.__qualname__, bound.__doc__, bound.__module__ = name, source.__doc__, source.__module__
    return bound

"""Levels of processors: loops are compiled for all processors of a level, not for the one at hand.

So machine code that one machine has compiled serves every machine of its level, in an image or in a wheel too. It is as
fast as code for the very processor, and has the same bits.
"""

from functools import cache
from typing import Any, NamedTuple

from llvmlite import binding
from numba.core import config
from numba.core.codegen import JITCPUCodegen, get_host_cpu_features
from numba.core.compiler_lock import global_compiler_lock
from numba.core.runtime import rtsys
from numba.core.runtime.nrtdynmod import compile_nrt_functions

# The instructions that each level needs besides those of the level before.
X86_64 = {
    "x86-64": (),
    "x86-64-v2": ("cx16", "popcnt", "sahf", "sse3", "ssse3", "sse4.1", "sse4.2"),
    "x86-64-v3": ("avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe"),
    "x86-64-v4": ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"),
}
# x86-64-v4 for processors that do its instructions of 64 bytes in two halves: tiles of 32 bytes are as fast there, and
# have less padding. It may be chosen on others by NUMBA_CPU_NAME, by the name of such a processor.
HALVES, IN_HALVES = "x86-64-v4-256", ("znver4",)
# LLVM would not use the whole width of the vector registers: some Intel processors then lower their clock.
WHOLE_WIDTH = "-prefer-256-bit"
# To prefetch a line that is to be written. Older processors of these levels take it for an instruction without effect.
PREFETCHW = "+prfchw"


class Level(NamedTuple):
    """What to compile for: LLVM's name of a processor, and what it has more or less than that one's."""

    name: str
    cpu: str
    features: str
    vector_bytes: int  # of a register of a tile
    n_registers: int  # that hold vectors


@cache
def level() -> Level:
    """Return the highest level whose instructions this processor has, or of the one that Numba is told to compile for.

    NUMBA_CPU_NAME may be the name of a lower level, NUMBA_CPU_FEATURES lists instructions, and NUMBA_ENABLE_AVX=0 takes
    some away.
    """
    machine = binding.get_default_triple().partition("-")[0]
    if machine in ("x86_64", "amd64"):
        return x86_64(present(), config.CPU_NAME, binding.get_host_cpu_name())
    if machine in ("aarch64", "arm64"):
        return Level("aarch64", "generic", "", 16, 32)
    return Level("host", config.CPU_NAME or binding.get_host_cpu_name(), _features(), 16, 16)


def x86_64(instructions: set[str], most: str | None = None, processor: str = "") -> Level:
    """Return the highest level that needs no other instructions, and is no higher than the one called `most`."""
    found = "x86-64"
    for name, needed in X86_64.items():
        if not instructions.issuperset(needed):
            break
        found = name
        if name == most:
            break
    vector_bytes, n_registers = {"x86-64-v4": (64, 32), "x86-64-v3": (32, 16)}.get(found, (16, 16))
    features = {64: f"{WHOLE_WIDTH},{PREFETCHW}", 32: PREFETCHW}.get(vector_bytes, "")
    if vector_bytes == 64 and most != found and not {most, processor}.isdisjoint(IN_HALVES):
        return Level(HALVES, found, features, 32, n_registers)
    return Level(found, found, features, vector_bytes, n_registers)


def names() -> dict[str, str]:
    """Return the levels whose machine code this processor can run, and the NUMBA_CPU_NAME that chooses each, if any."""
    if level().cpu not in X86_64:
        return {level().name: ""}
    here = list(X86_64)[: list(X86_64).index(level().cpu) + 1]
    return {name: name for name in here} | ({HALVES: IN_HALVES[0]} if "x86-64-v4" in here else {})


def present() -> set[str]:
    """Return the instructions that this processor has, or those that Numba is told to use."""
    return {name[1:] for name in _features().split(",") if name.startswith("+")}


def _features() -> str:
    return str(get_host_cpu_features() if config.CPU_FEATURES is None else config.CPU_FEATURES)


class LevelCodegen(JITCPUCodegen):
    """Numba's code generator for the level. Numba's own, for other functions of the process, stays as it is."""

    def _get_host_cpu_name(self) -> str:
        return level().cpu

    def _get_host_cpu_features(self) -> str:
        return level().features


@cache
def in_level(context: Any) -> Any:
    """Return Numba's context with a code generator of the level."""
    if isinstance(context.codegen(), LevelCodegen):
        return context
    with global_compiler_lock:
        own = context.subtarget(_internal_codegen=LevelCodegen("fastbp"))
        # Machine code from the disk refers to Numba's runtime by name. More than that takes 0.3 s to load; Numba loads
        # it when it compiles.
        rtsys.initialize(context)
        compile_nrt_functions(own)
    return own

"""Levels: the highest that a processor has all instructions of, or that Numba is told to compile for."""

import pytest
from conftest import run_python

from fastbp.compiler import levels
from fastbp.compiler.levels import HALVES, IN_HALVES, X86_64, Level, x86_64

ALL = set().union(*X86_64.values())
REGISTERS = {"x86-64": (16, 16), "x86-64-v2": (16, 16), "x86-64-v3": (32, 16), "x86-64-v4": (64, 32)}


@pytest.mark.parametrize("name", X86_64)
def test_a_processor_has_a_level_if_it_has_all_instructions_up_to_it(name):
    names = list(X86_64)
    needed = set().union(*(X86_64[lower] for lower in names[: names.index(name) + 1]))
    found = x86_64(needed | {"others"})
    assert found.name == found.cpu == name
    assert (found.vector_bytes, found.n_registers) == REGISTERS[name]
    for missing in X86_64[name]:
        assert x86_64(ALL - {missing}).name == names[names.index(name) - 1]
    assert x86_64(ALL, name).name == name


@pytest.mark.parametrize(
    ("setting", "value", "name"),
    [
        ("CPU_NAME", "x86-64-v2", "x86-64-v2"),
        ("CPU_NAME", "no level", "x86-64-v4"),
        ("CPU_FEATURES", "", "x86-64"),
        ("CPU_FEATURES", "+avx512f,-fma,+cx16,+popcnt,+sahf,+sse3,+ssse3,+sse4.1,+sse4.2", "x86-64-v2"),
    ],
)
def test_numba_may_be_told_what_to_compile_for(setting, value, name, monkeypatch):
    every = ",".join(f"+{name}" for name in ALL)
    monkeypatch.setattr(levels, "get_host_cpu_features", lambda: every)
    monkeypatch.setattr(levels.binding, "get_default_triple", lambda: "x86_64-unknown-linux-gnu")
    monkeypatch.setattr(levels.binding, "get_host_cpu_name", lambda: "a cpu")
    monkeypatch.setattr(levels.config, setting, value)
    assert levels.level.__wrapped__().name == name


@pytest.mark.parametrize("name", IN_HALVES)
def test_processors_that_work_in_halves_have_tiles_of_half_the_width(name, monkeypatch):
    """Unless Numba is told to compile for a level; and others have them if Numba is told the name of such a one."""
    expected = Level(HALVES, "x86-64-v4", x86_64(ALL).features, 32, 32)
    assert x86_64(ALL, None, name) == x86_64(ALL, "another cpu", name) == x86_64(ALL, name, "another cpu") == expected
    assert x86_64(ALL, "x86-64-v4", name).name == "x86-64-v4"
    assert x86_64(ALL, "x86-64-v3", name).name == "x86-64-v3"
    assert x86_64(ALL - {"avx512f"}, None, name).name == "x86-64-v3"
    monkeypatch.setattr(levels, "level", lambda: expected)
    assert levels.names() == {level: level for level in X86_64} | {HALVES: IN_HALVES[0]}


@pytest.mark.parametrize("name", X86_64)
def test_a_processor_runs_the_machine_code_of_its_level_and_of_those_below_it(name, monkeypatch):
    monkeypatch.setattr(levels, "level", lambda: x86_64(ALL, name))
    names = [*list(X86_64)[: list(X86_64).index(name) + 1], *([HALVES] if name == "x86-64-v4" else [])]
    assert list(levels.names()) == names


@pytest.mark.parametrize(
    ("triple", "expected"),
    [
        ("aarch64-unknown-linux-gnu", Level("aarch64", "generic", "", 16, 32)),
        ("arm64-apple-darwin23.0", Level("aarch64", "generic", "", 16, 32)),
        ("riscv64-unknown-linux-gnu", Level("host", "a cpu", "+v", 16, 16)),
    ],
)
def test_other_machines(triple, expected, monkeypatch):
    monkeypatch.setattr(levels.binding, "get_default_triple", lambda: triple)
    monkeypatch.setattr(levels.config, "CPU_NAME", "a cpu")
    monkeypatch.setattr(levels.config, "CPU_FEATURES", "+v")
    assert levels.level.__wrapped__() == expected


def test_other_functions_of_the_process_are_compiled_as_without_fastbp():
    script = """
import numba
@numba.njit
def twice(x):
    return 2 * x
twice(1)
import fastbp
fastbp.Network([2, 2], seed=0).predict([[1, 2]])
twice(1.0)
from numba.core.codegen import JITCPUCodegen
print({type(each.library.codegen) is JITCPUCodegen for each in twice.overloads.values()})
"""
    assert run_python(script) == "{True}"

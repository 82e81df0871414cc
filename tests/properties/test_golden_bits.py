"""Short trainings give the recorded bits. CONTRIBUTING says which bits are promised, and how to record anew."""

import json
import os
import subprocess
import sys
from pathlib import Path

import golden
import pytest
from conftest import PACKAGE

RECORDED = json.loads(golden.FILE.read_text())


def skip_if(reason):
    if reason:
        pytest.skip(reason)


@pytest.mark.parametrize(("formulation", "dtype"), golden.LOOPS)
def test_bits_are_those_recorded(formulation, dtype):
    skip_if(golden.why_not())
    if formulation == "loops" and not golden.compared(formulation, dtype):
        pytest.skip(f"the sums of loops are not recorded for {golden.WIDTH} and {golden.LLVM}")
    others = golden.differing(formulation, dtype)
    assert not others, "other bits than recorded: " + "; ".join(others)


@pytest.mark.slow
@pytest.mark.parametrize("target", golden.TARGETS)
def test_bits_are_those_recorded_on_other_targets(target):
    skip_if(golden.why_not() or golden.why_not(target))
    command = [sys.executable, golden.__file__, "--check", "--target", target]
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


NARROW = """
from fastbp.compiler import levels, together

narrow = levels.level()._replace(vector_bytes=16, n_registers=32)
levels.level, together.cores = lambda: narrow, lambda: 1

import golden

for dtype in "float32", "float64":
    found = golden.differing("tiles", dtype)
    assert golden.VECTOR_BYTES == 16 and golden.compared("tiles", dtype) and not found, (dtype, found)
"""


@pytest.mark.slow
def test_bits_are_those_recorded_in_registers_of_16_bytes(tmp_path):
    """As aarch64 has them, 32 of them, here with this machine's instructions."""
    skip_if(golden.why_not())
    path = os.pathsep.join([str(PACKAGE.parent), str(Path(__file__).parents[1])])
    environment = {**os.environ, "PYTHONPATH": path, "FASTBP_CACHE": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", NARROW], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_case_is_recorded_and_no_other():
    names = [name for name, _ in golden.cases()]
    assert list(RECORDED) == names
    assert len(set(names)) == len(names)
    for name, of in RECORDED.items():
        for formulation, dtype in golden.LOOPS:
            n = sum(where.startswith(f"{formulation} {dtype}") for where in of)
            # A digest of `loops` may be missing for a width whose processors have not recorded it yet.
            assert n == 1 or (n == 2 and formulation == "loops"), (name, formulation, n)


@pytest.mark.parametrize(("setting", "word"), [({"CPU_FEATURES": "+sse4.2,+avx"}, "FMA"), ({"DISABLE_JIT": 1}, "JIT")])
def test_machines_without_promised_bits_are_named(setting, word, monkeypatch):
    for name, value in setting.items():
        monkeypatch.setattr(golden.config, name, value)
    monkeypatch.setattr(golden.levels, "level", golden.levels.level.__wrapped__)
    monkeypatch.setattr(golden.levels.binding, "get_default_triple", lambda: "x86_64-any")
    assert word in golden.why_not()


def test_a_target_that_this_machine_cannot_run_is_refused(monkeypatch):
    monkeypatch.setattr(golden.levels, "present", lambda: {"fma", "avx"})
    assert "level" in golden.why_not("avx2")

"""Short trainings give the bits that were recorded. CONTRIBUTING says what is promised, and how to record anew."""

import json
import os
import subprocess
import sys

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
    assert golden.differing(formulation, dtype) == []


@pytest.mark.slow
@pytest.mark.parametrize("target", golden.TARGETS)
def test_bits_are_those_recorded_on_other_targets(target):
    skip_if(golden.why_not() or golden.why_not(target))
    command = [sys.executable, golden.__file__, "--check", "--target", target]
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_case_is_recorded_and_nothing_else():
    names = [name for name, _ in golden.cases()]
    assert list(RECORDED) == names
    assert len(set(names)) == len(names)
    for name, digests in RECORDED.items():
        n_by_width = 4 if name in golden.BY_WIDTH else 2
        assert len(digests) == 2 * n_by_width + (4 - n_by_width), name


@pytest.mark.parametrize("name", sorted(golden.BY_WIDTH))
def test_no_case_is_recorded_by_width_without_need(name):
    of = {place: digest for place, digest in RECORDED[name].items() if place.startswith("tiles")}
    assert len(of) == 4
    assert len(set(of.values())) > 2  # as many as dtypes, if the width made no difference


@pytest.mark.parametrize(
    ("setting", "value", "word"), [("CPU_FEATURES", "+sse4.2,+avx", "FMA"), ("DISABLE_JIT", 1, "DISABLE_JIT")]
)
def test_where_nothing_is_promised_it_says_so(setting, value, word, monkeypatch):
    monkeypatch.setattr(golden.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(golden.config, setting, value)
    assert word in golden.why_not()


def test_a_target_that_this_machine_cannot_run_is_refused(monkeypatch):
    monkeypatch.setattr(golden.binding, "get_host_cpu_features", lambda: {"fma": True, "avx2": True, "avx512f": False})
    assert "avx512f" in golden.why_not("x86-64-v4")

"""A sweep whose candidates Optuna proposes, by jobs that share its journal file."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import TESTS

pytest.importorskip("optuna", reason="Optuna is not installed: pip install 'fastbp[sweeps]'")


def test_two_jobs_share_the_page_s_journal(tmp_path: Path) -> None:
    page, journal = str(TESTS.parent / "examples" / "sweeps_elsewhere.py"), str(tmp_path / "sweep.log")
    env = {**os.environ, "PYTHONPATH": str(TESTS.parent), "NUMBA_NUM_THREADS": "1"}
    jobs = [
        subprocess.Popen(
            [sys.executable, page, "--quick", "--journal", journal],
            env={**env, "SLURM_ARRAY_TASK_ID": str(job)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for job in range(2)
    ]  # fmt: skip
    said = [job.communicate(timeout=120) for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0], said
    found = sorted(int(out.split()[0]) for out, _ in said)
    assert found[1] == 128  # 64 of each, which the later one sees all
    assert all("best: {'n': " in out for out, _ in said)

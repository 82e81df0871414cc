"""Programs on processes of MPI, started by `mpiexec`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import TESTS

MPIEXEC = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")
SECONDS = 120  # more than any of them takes, but for a process that hangs
needs_mpiexec = pytest.mark.skipif(MPIEXEC is None, reason="there is no mpiexec: pip install 'fastbp[mpi]'")


def mpiexec(size: int, *command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments in so many processes."""
    path = os.pathsep.join([str(TESTS.parent), str(TESTS)])
    env = {**os.environ, "PYTHONPATH": path, "HYDRA_LAUNCHER": "fork", "NUMBA_NUM_THREADS": "1"}
    assert MPIEXEC is not None
    given = [MPIEXEC, "-n", str(size), sys.executable, *command]
    return subprocess.run(given, capture_output=True, text=True, env=env, timeout=SECONDS, check=False, cwd=cwd)

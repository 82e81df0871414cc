"""A population on processes of MPI, started by `mpiexec`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import TESTS

pytest.importorskip("mpi4py", reason="mpi4py is not installed: pip install 'fastbp[mpi]'")
MPIEXEC = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")
pytestmark = pytest.mark.skipif(MPIEXEC is None, reason="there is no mpiexec: pip install 'fastbp[mpi]'")
SCRIPT = """
from executors import Fails, outcome
from mpi4py.futures import MPIPoolExecutor
import fastbp

if __name__ == "__main__":
    with MPIPoolExecutor() as executor:
        for options in {}, {"halving": fastbp.Halving(2, 2), "dropout": 0.3}:
            print(outcome(executor, **options) == outcome(**options))
        try:
            outcome(executor, callbacks=Fails(OSError, "disk full"))
        except OSError as error:
            print(error)
"""


def under_mpi(*command: str) -> str:
    path = os.pathsep.join([str(TESTS.parent), str(TESTS)])
    env = {**os.environ, "PYTHONPATH": path, "HYDRA_LAUNCHER": "fork", "NUMBA_NUM_THREADS": "1"}
    assert MPIEXEC is not None
    given = [MPIEXEC, "-n", "3", sys.executable, "-m", "mpi4py.futures", *command]
    done = subprocess.run(given, capture_output=True, text=True, env=env, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_same_bits_and_errors(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    assert under_mpi(str(script)).split("\n") == ["True", "True", "disk full", ""]


def test_the_page_of_sweeps() -> None:
    page = TESTS.parent / "examples" / "sweeps_elsewhere.py"
    assert under_mpi(str(page), "--quick", "--mpi").startswith("on MPI                  18 nets, ")

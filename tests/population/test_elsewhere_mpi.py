"""A population on processes of MPI, started by `mpiexec`."""

from pathlib import Path

import pytest
from conftest import TESTS
from mpi_processes import mpiexec, needs_mpiexec

pytest.importorskip("mpi4py", reason="mpi4py is not installed: pip install 'fastbp[mpi]'")
pytestmark = needs_mpiexec
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


def on_executor(*command: str) -> str:
    """Return what a program says whose executor has two processes."""
    done = mpiexec(3, "-m", "mpi4py.futures", *command)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_same_bits_and_errors(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    assert on_executor(str(script)).split("\n") == ["True", "True", "disk full", ""]


def test_the_page_of_sweeps() -> None:
    page = TESTS.parent / "examples" / "sweeps_elsewhere.py"
    assert on_executor(str(page), "--quick", "--mpi").startswith("on MPI                  18 nets, ")

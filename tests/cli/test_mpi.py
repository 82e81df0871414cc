"""Who trains together is what mpiexec or srun has started; what MPI does not know of is an error."""

import sys
from types import SimpleNamespace

import pytest

from fastbp.cli import mpi


@pytest.fixture(autouse=True)
def started_alone(monkeypatch):
    for name in mpi.NUMBER_OF_PROCESSES:
        monkeypatch.delenv(name, raising=False)


def mpi_of(size):
    def Sendrecv(*_, **__):
        raise AssertionError

    world = SimpleNamespace(Get_size=lambda: size, Get_rank=lambda: 0, Sendrecv=Sendrecv, allgather=Sendrecv)
    return SimpleNamespace(MPI=SimpleNamespace(COMM_WORLD=world))


@pytest.mark.parametrize("name", [None, *mpi.NUMBER_OF_PROCESSES])
def test_a_process_alone_needs_no_mpi(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    if name:
        monkeypatch.setenv(name, "1")
    assert mpi.ranks().size == 1


@pytest.mark.parametrize("name", mpi.NUMBER_OF_PROCESSES)
def test_processes_of_a_launcher(name, monkeypatch):
    monkeypatch.setenv(name, "4")
    monkeypatch.setitem(sys.modules, "mpi4py", mpi_of(4))
    assert mpi.ranks().size == 4
    monkeypatch.setitem(sys.modules, "mpi4py", mpi_of(1))
    with pytest.raises(ValueError, match=f"4 processes were started together, says {name}, but MPI sees each alone"):
        mpi.ranks()
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(ImportError, match=f"4 processes .* says {name}: to train together they need mpi4py"):
        mpi.ranks()

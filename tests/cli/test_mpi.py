"""Who trains together is what mpiexec or srun has started; what MPI does not know of is an error; rank 0 hands out."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from ranks_in_threads import on_ranks

from fastbp.cli import mpi
from fastbp.distributed.ranks import Ranks


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


@pytest.mark.parametrize("size", [1, 2, 4])
def test_rank_0_hands_out_the_rows_of_each(size):
    arrays = np.random.default_rng(0).random((61, 3), np.float32), np.arange(61), np.zeros((2, 1))

    def job(communicator):
        ranks = Ranks(communicator)
        given = [["said"], arrays] if ranks.rank == 0 else []
        with ranks.together():
            return ranks.rank, mpi.handed_out(ranks, *given)

    for rank, (said, own) in on_ranks(size, job):
        assert said == ["said"] and len(own) == len(arrays)
        for array, mine in zip(arrays, own, strict=True):
            assert_array_equal(mine, array[len(array) * rank // size : len(array) * (rank + 1) // size], strict=True)


def test_all_end_with_the_error_of_rank_0():
    def job(communicator):
        ranks = Ranks(communicator)
        with ranks.together():
            if ranks.rank == 0:
                raise ValueError("there is no such file")
            mpi.handed_out(ranks)

    assert ["no such file" in str(error) for error in on_ranks(4, job)] == [True] * 4

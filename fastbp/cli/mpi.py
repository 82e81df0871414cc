"""`mpiexec -n 4 fastbp train …`: the processes that train together."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastbp.distributed.ranks import Ranks
from fastbp.tables.arrays import Array

# Variables that MPICH's and Open MPI's mpiexec set, and SLURM's srun.
NUMBER_OF_PROCESSES = "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS"


def ranks() -> Ranks:
    """Return the ranks that mpiexec or srun has started, or this process alone.

    Raises ImportError if they need mpi4py, ValueError if MPI does not know of them: each would train alone, and write
    the same file.
    """
    started = {name: os.environ[name] for name in NUMBER_OF_PROCESSES if os.environ.get(name, "1") != "1"}
    if not started:
        return Ranks(None)
    name, number = next(iter(started.items()))
    why = f"{number} processes were started together, says {name}"
    try:
        from mpi4py import MPI
    except ImportError:
        raise ImportError(f"{why}: to train together they need mpi4py, pip install 'fastbp[mpi]'") from None
    if MPI.COMM_WORLD.Get_size() == 1:
        raise ValueError(
            f"{why}, but MPI sees each alone: start them by the mpiexec of the MPI that mpi4py uses, or only one "
            f"without {name}"
        )
    return Ranks(MPI.COMM_WORLD)


def handed_out(ranks: Ranks, said: Any = None, arrays: Sequence[Array] = ()) -> tuple[Any, list[Array]]:
    """Return what rank 0 says, and this rank's rows of the arrays of rank 0. The others give nothing."""
    of_rank_0, shapes = ranks.gather((said, [(array.shape, array.dtype) for array in arrays]))[0]
    nothing = [np.empty(0, kind) for _, kind in shapes]
    if ranks.rank > 0:
        sizes = [(len(range(shape[0])[ranks.rows(shape[0])]), *shape[1:]) for shape, _ in shapes]
        own = [np.empty(size, kind) for size, (_, kind) in zip(sizes, shapes, strict=True)]
        ranks.agree()
        for array, none in zip(own, nothing, strict=True):
            ranks.communicator.Sendrecv(none, dest=0, recvbuf=array, source=0)
        return of_rank_0, own
    ranks.agree()
    for array, none in zip(arrays, nothing, strict=True):
        for rank in range(1, ranks.size):
            theirs = np.ascontiguousarray(array[ranks.rows(len(array), rank)])
            ranks.communicator.Sendrecv(theirs, dest=rank, recvbuf=none, source=rank)
    return said, [array[ranks.rows(len(array))] for array in arrays]

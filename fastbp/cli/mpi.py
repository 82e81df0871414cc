"""`mpiexec -n 4 fastbp train …`: the processes that train together."""

import os

from fastbp.distributed.ranks import Ranks

# Variables that MPICH's and Open MPI's mpiexec set, and SLURM's srun.
NUMBER_OF_PROCESSES = "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS"


def ranks() -> Ranks:
    """Return the ranks that mpiexec or srun has started, or this process alone.

    Raises ImportError if they need mpi4py, ValueError if MPI does not know of them: each would train alone, and write
    the same file.
    """
    started = max(int(os.environ.get(name, "1")) for name in NUMBER_OF_PROCESSES)
    if started == 1:
        return Ranks(None)
    try:
        from mpi4py import MPI
    except ImportError:
        raise ImportError(
            f"{started} processes were started together, which need mpi4py to train together: pip install 'fastbp[mpi]'"
        ) from None
    if MPI.COMM_WORLD.Get_size() == 1:
        raise ValueError(
            f"{started} processes were started together, but MPI sees each alone: start them by the mpiexec of the MPI "
            "that mpi4py uses, or only one"
        )
    return Ranks(MPI.COMM_WORLD)

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

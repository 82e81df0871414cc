"""`mpiexec -n 4 fastbp train …`: the processes that train together."""

import os

from fastbp.distributed.ranks import Ranks

NUMBER_OF_PROCESSES = "PMI_SIZE", "OMPI_COMM_WORLD_SIZE"  # variables that MPICH's and Open MPI's mpiexec set


def ranks() -> Ranks:
    """Return the ranks that mpiexec started, or this process alone. Raises ImportError if they need mpi4py."""
    if all(os.environ.get(name, "1") == "1" for name in NUMBER_OF_PROCESSES):
        return Ranks(None)
    try:
        from mpi4py import MPI
    except ImportError:
        raise ImportError(
            "mpiexec has started several processes, which need mpi4py to train together: pip install 'fastbp[mpi]'"
        ) from None
    return Ranks(MPI.COMM_WORLD)

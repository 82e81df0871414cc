"""A sweep of learning rates and widths here, in a pool of processes, on Dask, on MPI, on SLURM: what to choose when.

``python examples/sweeps_elsewhere.py`` sweeps here and in a pool of two processes and compares the bits. The same
program runs elsewhere; the numbers of a member do not depend on where it was trained:

    # Dask: workers may come, go and be lost; their members are sent again
    dask scheduler --scheduler-file s.json &
    srun -n 64 dask worker --scheduler-file s.json --nthreads 1 &
    python sweeps_elsewhere.py --dask s.json

    # MPI: rank 0 sends members to the other ranks; if a rank is lost, all end
    NUMBA_NUM_THREADS=1 mpiexec -n 65 python -m mpi4py.futures sweeps_elsewhere.py --mpi

    # SLURM array with Optuna's journal file: 64 jobs that know nothing of each other but the file
    sbatch --array=0-63 --cpus-per-task=4 --requeue --wrap 'python sweeps_elsewhere.py --journal sweep.log'
"""

import argparse
import os
import sys
import time
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import fastbp

WHEN = [
    ("one machine", "pop.fit(…)", "threads share the data; nothing is copied"),
    ("slow callbacks, metrics", "ProcessPoolExecutor", "each process has a Python lock of its own"),
    ("a Dask cluster", "client.get_executor()", "workers come, go and are lost; others take over"),
    ("nodes of one MPI job", "MPIPoolExecutor", "starts fast, no servers; but no rank may be lost"),
    ("a queue, short jobs", "array and Optuna", "jobs share one file; candidates follow results"),
    ("one large net or X", "fit(communicator=)", "ranks share the rows of each mini-batch"),
]


def fit(candidates: list[tuple[int, float]], epochs: int, executor: Executor | None = None) -> fastbp.Population:
    """Train a net for each width and rate; let the better half go on, again and again."""
    data = fastbp.load_digits()
    pop = fastbp.Population([fastbp.Network([64, n, 10], cost="cross_entropy", seed=0) for n, _ in candidates])
    pop.fit(
        data.X_train, data.y_train, epochs=epochs, optimizer=[fastbp.Adam(rate) for _, rate in candidates],
        validation_split=0.2, halving=fastbp.Halving(factor=2, every=max(1, epochs // 4)), executor=executor,
    )  # fmt: skip
    return pop


def sweep(epochs: int, where: str, executor: Executor | None = None) -> fastbp.Population:
    """Train a grid, on an executor or here, and print the best."""
    grid = [(n, 10 ** (-k / 2)) for n in (8, 16, 32) for k in range(2, 8)]
    start = time.perf_counter()
    pop = fit(grid, epochs, executor)
    seconds, (best, *_) = time.perf_counter() - start, pop.best()
    cost, (n, rate) = pop[best].history.validation_cost[-1], grid[best]
    print(f"{where:24}{len(pop)} nets, {seconds:6.2f} s   best: {n} neurons, rate {rate:.2g}, cost {cost:.4f}")
    return pop


def journal(path: str, epochs: int) -> None:
    """Train candidates that Optuna proposes from what all jobs have found, a Population at a time."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=int(os.environ.get("SLURM_ARRAY_TASK_ID", 0)), constant_liar=True)
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(path))
    study = optuna.create_study(storage=storage, study_name="digits", sampler=sampler, load_if_exists=True)
    for _ in range(4):
        trials = [study.ask() for _ in range(16)]
        suggested = [(t.suggest_int("n", 8, 64), t.suggest_float("rate", 1e-4, 0.1, log=True)) for t in trials]
        for trial, net in zip(trials, fit(suggested, epochs), strict=True):
            costs = net.history.validation_cost  # none, if it diverged in its first epoch
            study.tell(trial, costs[-1] if costs else None, None if costs else optuna.trial.TrialState.FAIL)
    print(f"{len(study.trials)} candidates of all jobs; best: {study.best_params}, cost {study.best_value:.4f}")


def weak_scaling() -> None:
    """Print the model of ``benchmarks/mpi_ranks.py`` for a net that ranks train together, from a step measured here."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
    import mpi_ranks

    step, n = mpi_ranks.step_seconds(None, 512, 1, epochs=2), fastbp.Network(mpi_ranks.SIZES).parameters.size
    print(f"\nfit(communicator=): {mpi_ranks.SIZES}, 512 rows a rank, 10 GB/s, 2 µs; T₁ measured here, then")
    print("T(R) = T₁ + 3 α log₂ R + 2 (1 − 1/R) V / B + (1 − 1/R) V / A\n\n  ranks  ms a step  efficiency")
    for ranks in (1, 4, 16, 64, 256, 1024):
        modelled = mpi_ranks.model(step, 4 * n, mpi_ranks.bytes_added_per_second(n), ranks)
        print(f"  {ranks:5}  {1e3 * modelled:9.2f}  {step / modelled:10.1%}")


def main() -> None:
    """Sweep where the options say."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="only a few epochs")
    parser.add_argument("--dask", metavar="FILE", help="the scheduler file of a Dask cluster")
    parser.add_argument("--mpi", action="store_true", help="started by mpiexec … -m mpi4py.futures")
    parser.add_argument("--journal", metavar="FILE", help="Optuna's journal file, which jobs share")
    epochs = 4 if (options := parser.parse_args()).quick else 40
    if options.dask:
        from dask.distributed import Client

        with Client(scheduler_file=options.dask) as client:
            sweep(epochs, "on Dask", client.get_executor())
    elif options.mpi:
        from mpi4py.futures import MPIPoolExecutor

        with MPIPoolExecutor() as executor:
            sweep(epochs, "on MPI", executor)
    elif options.journal:
        journal(options.journal, epochs)
    else:
        here = sweep(epochs, "here")
        with ProcessPoolExecutor(2, get_context("spawn")) as executor:
            there = sweep(epochs, "in two processes", executor)
        same = all((a.parameters == b.parameters).all() for a, b in zip(here, there, strict=True))
        print(f"the bits of all {len(here)} nets are {'the same' if same else 'not the same'}\n")
        print("\n".join(f"  {have:25}{use:24}{why}" for have, use, why in WHEN))
        weak_scaling()


if __name__ == "__main__":
    main()

"""`fit` and `fastbp train` on processes of MPI, started by `mpiexec`."""

import time
from pathlib import Path

import numpy as np
import pytest
from mpi_processes import SECONDS, mpiexec, needs_mpiexec

pytest.importorskip("mpi4py", reason="mpi4py is not installed: pip install 'fastbp[mpi]'")
pytestmark = needs_mpiexec
TRAIN = """
import hashlib, os, sys, time
import numpy as np
import fastbp
from mpi4py import MPI

C = MPI.COMM_WORLD
R, RANK, CASE = C.Get_size(), C.Get_rank(), sys.argv[1]
rng = np.random.default_rng(0)
X, Y, W = rng.standard_normal((61, 4)), rng.integers(0, 3, 61), rng.random(61)

class Ends(fastbp.Callback):
    def on_epoch_end(self, run):
        if run.epoch == 2 and RANK == R - 1:
            if CASE == "raises":
                raise OSError("disk full")
            if CASE == "ctrl-c":
                import signal
                signal.raise_signal(signal.SIGINT)
            if CASE == "dies":
                os._exit(3)

def fit(optimizer, cost="cross_entropy", weight=None, **options):
    mine = slice(RANK * 61 // R, (RANK + 1) * 61 // R)
    net = fastbp.Network([4, 9, 3], cost=cost, output_activation="sigmoid", seed=3)
    weight = None if weight is None else weight[mine]
    history = net.fit(X[mine], Y[mine], epochs=3, batch_size=32, optimizer=optimizer, communicator=C,
                      sample_weight=weight, validation_data=(X[mine], Y[mine]), callbacks=Ends(), **options)
    series = [history.cost, history.validation_cost, history.validation_accuracy]
    return hashlib.sha256(net.parameters.tobytes() + repr(series).encode()).hexdigest()[:16], len(history)

if CASE == "bits":
    found = [
        fit(fastbp.SGD(0.5)),
        fit(fastbp.Adam(0.01), l2=0.5, clip_norm=0.1, weight=W),
        fit(fastbp.LBFGS(), l2=0.5, weight=W),
        fit(fastbp.LevenbergMarquardt(), cost="quadratic", weight=W),
    ]
else:
    start = time.perf_counter()
    try:
        found = fit(fastbp.SGD(0.5))
    except Exception as error:
        found = repr(error)
    if time.perf_counter() - start > 10:
        found = f"took too long: {found}"
everything = C.gather(found)
if RANK == 0:
    assert all(each == found for each in everything), everything
    print(found)
"""


def outcome(size: int, case: str) -> str:
    done = mpiexec(size, "-W", "ignore", "-c", TRAIN, case)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_same_bits_on_1_2_4_and_8_ranks() -> None:
    digests = {size: outcome(size, "bits") for size in (1, 2, 4, 8)}
    assert digests[1].count("', 3)") == 4
    assert set(digests.values()) == {digests[1]}


def test_a_rank_that_raises_ends_all_with_its_error() -> None:
    assert outcome(2, "raises") == """RuntimeError('rank 1 ended the training of all: OSError: disk full')"""


def test_ctrl_c_on_one_rank_ends_all_with_the_last_whole_epoch() -> None:
    assert outcome(2, "ctrl-c").endswith("', 2)")


def test_a_rank_that_dies_hangs_nobody() -> None:
    start = time.perf_counter()
    assert mpiexec(2, "-W", "ignore", "-c", TRAIN, "dies").returncode != 0
    assert time.perf_counter() - start < SECONDS / 2


FLAGS = "--hidden", "8", "--epochs", "2", "--batch-size", "64"
COMMAND = """
import sys
from mpi4py import MPI
from fastbp.cli import program, tables

if MPI.COMM_WORLD.Get_rank() > 0:
    tables.read = None  # what calls it ends with an error
sys.exit(program.main(sys.argv[1:]))
"""


def trained_by(size: int, folder: Path, *given: str) -> tuple[str, bytes]:
    """Return what `fastbp train` says and the model file."""
    done = mpiexec(size, "-W", "ignore", "-c", COMMAND, "train", *given, *FLAGS, "--output", f"{size}", cwd=folder)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout, (folder / f"{size}").read_bytes()


def test_the_command_line(tmp_path: Path) -> None:
    (said, two), (_, four) = (trained_by(size, tmp_path, "digits") for size in (2, 4))
    assert said.count("accuracy") == 1 and said.count("1,437 training, 360 test") == 1
    assert two == four == trained_by(1, tmp_path, "digits", "--shards", "8")[1] != trained_by(1, tmp_path, "digits")[1]
    done = mpiexec(2, "-W", "ignore", "-m", "fastbp", "train", "no.csv", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("there is no such file") == 1


def test_rank_0_alone_reads_the_table(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [f"{x:.3f},{'abcd'[k]},{x + k:.3f}" for x, k in zip(rng.normal(size=400), [0, 1, 2, 3] * 100, strict=True)]
    (tmp_path / "table.csv").write_text("\n".join(["x,letter,y", *rows]))
    (_, two), (_, four) = (trained_by(size, tmp_path, "table.csv", "--target", "y") for size in (2, 4))
    assert two == four

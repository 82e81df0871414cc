"""Compiling in several processes: the same machine code and bits, and nothing that other processes could break."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import needs_two_threads, run_python

import fastbp
from fastbp.compiler import together
from fastbp.compiler.code_cache import cache_folder
from fastbp.formulations import FORMULATIONS
from fastbp.optimizers import Adam

# A first fit, as a file that says when it is run. It prints what it compiles itself, in passes and in files, who helps,
# and the weights.
PROGRAM = """
print("main")
import hashlib, sys
import numpy as np
from numba.core import event
passes = event.install_recorder("numba:run_pass")
import fastbp
import fastbp.progress
from fastbp.compiler import code_cache, together
exec(sys.argv[1])
started, saved = [], []
save = code_cache.MachineCodeCache.save_overload
code_cache.MachineCodeCache.save_overload = lambda *arguments: saved.append(save(*arguments))
start_worker = together.start_worker
together.start_worker = lambda *arguments: started.append(start_worker(*arguments)) or started[-1]
net = fastbp.Network([5, 4, 3], seed=0, formulation="loops")
fastbp.progress.LiveLine.tell = lambda line, words, **_: words.startswith("compiling") and print("told", words)
with passes as recorder:
    net.fit(np.eye(5), np.eye(5)[:, :3], epochs=2, batch_size=2, progress=False)
own = len(recorder.buffer)
print(own, len(saved), len(started), hashlib.sha256(net.parameters.tobytes()).hexdigest())
"""


# For `change`: the program prints the names of its files at its end.
NAMES = """
import atexit
names, read = set(), code_cache._read
code_cache._read = lambda name: names.add(name) or read(name)
atexit.register(lambda: print(*names))
"""


def run(folder: Path, change: str = "", **environment: str) -> list[str]:
    """Return the lines that the program prints, as a file in a folder, with an empty cache or the one that is there."""
    environment = {"FASTBP_CACHE": str(folder / "cache"), **environment}
    path = folder / "program.py"
    path.write_text(PROGRAM)
    script = f"import runpy; runpy.run_path({str(path)!r}, run_name='__main__')"
    return run_python(script, change, **environment).splitlines()


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*.machinecode")}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A cache of the files that the program needs, which the cache that the tests share has, and its weights."""
    shared, folder = cache_folder(), tmp_path_factory.mktemp("whole")
    assert shared is not None
    *_, last, names = run(folder, NAMES, FASTBP_CACHE=str(shared.parent))
    (folder / "cache" / shared.name).mkdir(parents=True)
    for name in names.split():
        shutil.copy2(shared / name, folder / "cache" / shared.name)
    return folder, last.split()[-1]


# They are taken for a second of work: less is not told.
MISSING = ("relu", "identity", "quadratic", "adam_begin_step", "leave")


def copy_what_is_not_missing(folder: Path, to: Path) -> None:
    shutil.copytree(folder / "cache", to / "cache", ignore=shutil.ignore_patterns(*(f"{name}*" for name in MISSING)))
    assert len(files_in(folder)) - len(files_in(to)) >= len(MISSING)


def test_one_process_compiles_where_there_is_one_core(whole: tuple[Path, str], tmp_path: Path) -> None:
    copy_what_is_not_missing(whole[0], tmp_path)
    worker_pays = "together.SECONDS_OF_A_WORKER = 0.1"
    main, told, last = run(tmp_path, worker_pays, NUMBA_NUM_THREADS="1")
    passes, saved, n_workers, digest = last.split()
    assert main == "main" and told.startswith("told compiling for this machine, once: ")
    assert int(passes) > 0 and int(saved) >= len(MISSING) and (n_workers, digest) == ("0", whole[1])
    assert files_in(tmp_path) == files_in(whole[0])


@needs_two_threads
@pytest.mark.parametrize(
    ("change", "n_workers"),
    [
        ("pass", 1),  # the worker imports nothing of the program: "main" is printed once
        ("together.WORKER = 'import os; os._exit(1)'", 1),
        ("together.subprocess.Popen = lambda *_, **__: exec('raise OSError')", 1),
    ],
    ids=["a worker", "a worker that dies", "no processes"],
)
def test_several_processes_make_the_same_files_and_bits(
    whole: tuple[Path, str], change: str, n_workers: int, tmp_path: Path
) -> None:
    """From an empty cache; where the worker is of no help, from one that lacks but a few files."""
    if change != "pass":
        copy_what_is_not_missing(whole[0], tmp_path)
    lines = run(tmp_path, f"{change}\ntogether._n_workers = lambda seconds: 1", NUMBA_NUM_THREADS="2")
    _, saved, started, digest = lines[-1].split()
    assert [line.split()[0] for line in lines[:-1]] == ["main", "told"]
    assert (int(started), digest) == (n_workers, whole[1])
    if change != "pass":
        assert files_in(tmp_path) == files_in(whole[0])
    else:  # with those of functions that are needed only while others are compiled
        assert files_in(whole[0]) < files_in(tmp_path) <= files_in(cache_folder())
        assert 0 < int(saved) < len(files_in(tmp_path))  # the worker has made the others
        assert run(tmp_path, NUMBA_NUM_THREADS="2")[-1].split() == ["0", "0", "0", whole[1]]


DRY_RUN = """
import sys
import numpy as np, fastbp
from fastbp.compiler import together
from fastbp.formulations import FORMULATIONS
from fastbp.formulations.interface import PLAIN
from numba.core import event
net = fastbp.Network([5, 4, 1], seed=0, dtype="float64", activation=fastbp.Activation("mine", abs, abs))
before, model = net.parameters.copy(), net._model
together._here.noted = noted = []
with event.install_recorder("numba:run_pass") as recorder:
    FORMULATIONS[sys.argv[1]]._dry_run(model, fastbp.Adam(), np.ones((4, 5)), np.ones((4, 1)), 2, PLAIN)
assert not recorder.buffer and (net.parameters == before).all() and set(model.prepared) <= {"panels"}
print(*sorted({unit.name for unit in noted}))
"""


@pytest.mark.parametrize("name", ["tiles", "loops"])
def test_a_dry_run_notes_what_a_fit_compiles_and_changes_nothing(name: str, tmp_path: Path) -> None:
    units = set(run_python(DRY_RUN, name, FASTBP_CACHE=str(tmp_path)).split())
    assert not any(unit.startswith("users_") for unit in units) and not files_in(tmp_path)
    of_tiles = {"copy", "errors_share_None_float64", "descend_share_None_float64"}
    assert units >= {"train_epoch_serial"} | (of_tiles if name == "tiles" else set())


def units_of(dry_run) -> list[str]:
    together._here.noted = noted = []
    try:
        dry_run()
    finally:
        together._here.noted = None
    return sorted({unit.name for unit in noted})


def test_what_is_made_or_on_disk_is_not_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    net = fastbp.Network([5, 4, 3], seed=0, dtype="float64")
    X, Y = np.ones((4, 5)), np.ones((4, 3))
    net.fit(X, Y, batch_size=2, epochs=1, progress=False)
    arguments = net._model, Adam(), X, Y, 2, fastbp.formulations.interface.PLAIN
    assert units_of(lambda: FORMULATIONS["tiles"]._dry_run(*arguments)) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, 1),
        ({"executable": "/usr/bin/uwsgi"}, 0),
        ({"executable": None}, 0),
        ({"frozen": True}, 0),
    ],
)
def test_processes_are_started_only_where_python_is_the_program(change, expected, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(together, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(together, "get_num_threads", lambda: 2)
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3.11")
    for name, value in change.items():
        monkeypatch.setattr(sys, name, value, raising=False)
    assert together._n_workers(10.0) == expected


@pytest.mark.parametrize(
    ("seconds", "threads", "folder", "expected"),
    [(10.0, 1, True, 0), (10.0, 4, True, 3), (100.0, 99, True, 7), (1.0, 4, True, 0), (10.0, 4, False, 0)],
)
def test_so_many_workers_as_pay(seconds, threads, folder, expected, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(together, "cache_folder", lambda: tmp_path if folder else None)
    monkeypatch.setattr(together, "get_num_threads", lambda: threads)
    assert together._n_workers(seconds) == expected


def test_a_dry_run_that_fails_ends_nothing(monkeypatch) -> None:
    compiled: list[str] = []
    monkeypatch.setattr(together, "compile_all", lambda units: compiled.extend(unit.name for unit in units))

    def fails() -> None:
        together._here.noted.append(together.Unit("noted", repr, (1,), {}))
        raise ArithmeticError

    with together.at_once(fails):
        together.before_compiling()
        together.before_compiling()  # once is enough
    assert compiled == ["noted"] and not together.is_dry()


@pytest.mark.parametrize(("n", "said"), [(0, []), (5, []), (60, ["compiling for this machine, once: 6 s"])])
def test_a_moment_of_compiling_is_not_told(n, said, monkeypatch) -> None:
    words: list[str] = []
    monkeypatch.setattr(together, "_n_workers", lambda seconds: 0)
    with together.telling(words.append):
        together.compile_all([together.Unit(f"unit {i}", repr, (i,), {}) for i in range(n)])
    assert words == said


def test_a_worker_does_what_it_is_told(tmp_path: Path) -> None:
    worker = together.start_worker(together.work, [], str(tmp_path))
    assert worker is not None and worker.wait(60) == 0
    worker = together.start_worker(subprocess.check_call, [sys.executable, "-c", "raise SystemExit(3)"])
    assert worker is not None and worker.wait(60) == 1

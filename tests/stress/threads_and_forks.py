"""Train and predict in child processes of every start method, on every threading layer, and in odd places.

    python tests/stress/threads_and_forks.py

The parent trains on several threads before it starts a child; on GNU OpenMP a fork would then end the child. A cell
passes if the child ends without an error and has the bits of the parent. Exits with 1 if a cell fails. `tbb` needs the
package tbb, the rows of joblib need joblib. A run takes some minutes, because much is compiled several times.
"""

import argparse
import hashlib
import importlib.util
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import numba
import numpy as np

import fastbp
from fastbp.compiler import threads
from fastbp.formulations.compiled import Compiled

sys.path.append(str(Path(__file__).resolve().parents[1]))
from loops_chosen import watch_loops

LAYERS = ("omp", "tbb", "workqueue")
METHODS = ("fork", "spawn", "forkserver")
CELLS = [(form, act) for form in ("parallel", "serial") for act in ("train", "predict")]
FORMULATIONS = ("tiles", "loops")
LONGEST = 300.0  # seconds after which a child counts as deadlocked
PACKAGE = Path(fastbp.__file__).resolve().parent

seen: set[int] = set()  # the numbers of threads on which compiled loops ran


def watch() -> None:
    """Make every step large enough for a parallel region, and record its number of threads."""
    for layer in threads.PARALLEL_FROM:
        threads.PARALLEL_FROM[layer] = 0
    if Compiled._variant.__name__ == "_variant":
        watch_loops(lambda loop, n_threads: seen.add(n_threads))


def results(act: str, sizes: tuple[int, ...] = (100, 50, 5), n: int = 45) -> str:
    """Train or predict with every compiled formulation; return a digest of all results."""
    rng, digest = np.random.default_rng(0), hashlib.sha256()
    X, Y = rng.uniform(-1, 1, (n, sizes[0])), np.eye(sizes[-1])[rng.integers(0, sizes[-1], n)]
    for formulation in FORMULATIONS:
        net = fastbp.Network(sizes, activation="tanh", cost="cross_entropy", seed=3, formulation=formulation)
        if act == "train":
            net.fit(X, Y, epochs=3, batch_size=16)
            digest.update(net.parameters.tobytes() + net.gradient(X, Y).vector.tobytes())
        else:
            digest.update(net.predict(X).tobytes())
    return digest.hexdigest()


def child(pipe: Connection, form: str, act: str) -> None:
    """Work in a child process, and send its digest and its number of threads."""
    watch()
    seen.clear()
    with fastbp.threads(1 if form == "serial" else None):
        digest = results(act)
    pipe.send((digest, max(seen)))


def cell(method: str, form: str, act: str, expected: str) -> str:
    """Start a child, and return "ok" with its number of threads, or what went wrong."""
    context = multiprocessing.get_context(method)
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(target=child, args=(theirs, form, act), daemon=True)
    process.start()
    theirs.close()
    try:
        digest, n_threads = mine.recv() if mine.poll(LONGEST) else ("", 0)
    except EOFError:
        process.join()
        return f"died: {process.exitcode}"
    if not digest:
        process.kill()
        return "deadlock"
    process.join()
    if digest != expected:
        return "other bits"
    return f"ok, {n_threads} thread{'s' * (n_threads > 1)}" if process.exitcode == 0 else f"died: {process.exitcode}"


def row(method: str) -> list[str]:
    """Train in this process on several threads, then start a child for each cell; train again."""
    watch()
    seen.clear()
    expected = {act: results(act) for act in ("train", "predict")}
    assert max(seen) > 1, "the parent did not run in parallel"
    words = [cell(method, form, act, expected[act]) for form, act in CELLS]
    assert results("train") == expected["train"], "the parent has other bits after its children"
    return words


def in_another_python(*arguments: str, **environment: str) -> str:
    """Run this file with arguments in a new Python, and return its last line, or what went wrong."""
    process = subprocess.run(
        [sys.executable, __file__, *arguments],
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent), "NUMBA_NUM_THREADS": "2", **environment},
        capture_output=True, text=True, timeout=6 * LONGEST,
    )  # fmt: skip
    lines = process.stdout.splitlines() if process.returncode == 0 else process.stderr.splitlines()
    return (lines or ["nothing was printed"])[-1] if process.returncode >= 0 else f"died: {process.returncode}"


def signals() -> str:
    """Train while a Python handler gets a thousand signals a second."""
    watch()
    expected, count = results("train"), 0

    def handler(*_: object) -> None:
        nonlocal count
        count += 1

    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    same = all(results("train") == expected for _ in range(20))
    signal.setitimer(signal.ITIMER_REAL, 0)
    return f"ok, {count:,} signals" if same and count else "other bits"


def fork_while(busy: Callable[[], object], forks: int = 10) -> str:
    """Fork again and again while another thread is busy; the children train."""
    watch()
    expected = results("train")
    stop, failures = threading.Event(), set()

    def be_busy() -> None:
        while not stop.is_set():
            busy()

    thread = threading.Thread(target=be_busy)
    thread.start()
    for _ in range(forks):
        time.sleep(0.02)
        failures.add(cell("fork", "parallel", "train", expected))
    stop.set()
    thread.join()
    failures.discard("ok, 1 thread")
    return f"ok, {forks} forks" if not failures else ", ".join(failures)


def compile_something() -> None:
    """Compile for a while."""
    numba.njit(lambda x: np.sort(x) + np.sin(x).sum())(np.zeros(3))


def through_joblib(backend: str) -> str:
    """Train in joblib's workers, after a training in the parent."""
    import joblib

    watch()
    expected = results("train")
    found = joblib.Parallel(n_jobs=2, backend=backend)(joblib.delayed(results)("train") for _ in range(4))
    return "ok" if set(found) == {expected} else "other bits"


def odd_places() -> dict[str, str]:
    """Return the results with one thread, without the JIT, without a cache, and with a cache that two processes fill.

    A cache that cannot be written stands for a read-only installation.
    """
    rows = {"NUMBA_NUM_THREADS=1": in_another_python("--digest", NUMBA_NUM_THREADS="1")}
    expected = in_another_python("--digest")
    rows = {name: "ok" if words == expected else words for name, words in rows.items()}
    tiny = in_another_python("--tiny", NUMBA_DISABLE_JIT="1")
    rows["NUMBA_DISABLE_JIT=1"] = "ok" if tiny.startswith("ok") else tiny
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "file"
        file.touch()
        found = in_another_python("--digest", FASTBP_CACHE=str(file / "below"))
        rows["no cache can be written"] = "ok" if found == expected else found
        command = [sys.executable, __file__, "--digest"]
        environment = {
            **os.environ, "PYTHONPATH": str(PACKAGE.parent), "NUMBA_NUM_THREADS": "2", "FASTBP_CACHE": f"{folder}/empty"
        }  # fmt: skip
        both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        found = {process.communicate()[0].strip() for process in both}
        rows["two processes fill one empty cache"] = "ok" if found == {expected} else repr(found)
    return rows


def tiny() -> str:
    """Train and predict with so little data that uncompiled loops can."""
    net = fastbp.Network([2, 3, 1], seed=0)
    net.fit([[0, 1], [1, 0]], [0, 1], epochs=2)
    return f"ok {np.isfinite(net.predict([[0, 1], [1, 1]])).all()}"


def one_process() -> dict[str, str]:
    """Return the results with signals, forks during work, and joblib, each in a new Python."""
    rows = {"1000 signals a second": in_another_python("--signals")}
    if hasattr(os, "fork"):
        rows["forks while another thread compiles"] = in_another_python("--fork-compiling")
        rows["forks while another thread trains"] = in_another_python("--fork-training")
    for backend in ("loky", "multiprocessing", "threading"):
        installed = importlib.util.find_spec("joblib") is not None
        rows[f"joblib, {backend}"] = in_another_python("--joblib", backend) if installed else "joblib is not installed"
    return rows


def table(layers: tuple[str, ...], methods: tuple[str, ...]) -> list[tuple[str, list[str]]]:
    """Return the rows of the table: a name, and a result for each of `CELLS`."""
    rows = []
    for layer in layers:
        for method in methods:
            words = in_another_python("--row", method, NUMBA_THREADING_LAYER=layer)
            words = "not installed" if "No threading layer could be loaded" in words else words
            cells = json.loads(words) if words.startswith("[") else [words] * len(CELLS)
            rows.append((f"{layer:<10} {method}", cells))
    return rows


def main() -> int:
    """Print the tables, or do the work of one row in a new Python."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("row", "joblib"):
        parser.add_argument(f"--{name}", help=argparse.SUPPRESS)
    actions: dict[str, Callable[[], str]] = {
        "digest": lambda: results("train"), "tiny": tiny, "signals": signals,
        "fork_compiling": lambda: fork_while(compile_something),
        "fork_training": lambda: fork_while(lambda: results("train")),
    }  # fmt: skip
    for name in actions:
        parser.add_argument(f"--{name.replace('_', '-')}", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.row:
        print(json.dumps(row(options.row)))
        return 0
    if options.joblib:
        print(through_joblib(options.joblib))
        return 0
    for name, action in actions.items():
        if getattr(options, name):
            print(action())
            return 0
    return show()


def show() -> int:
    """Print a table; return 1 if something failed."""
    bad = 0
    print(f"{'layer      started by':<23}" + "".join(f"{f'{act}, {form}':<19}" for form, act in CELLS))
    for name, cells in table(LAYERS, METHODS):
        print(f"{name:<23}" + "".join(f"{word:<19}" for word in cells), flush=True)
        bad += sum(not word.startswith(("ok", "not installed")) for word in cells)
    print()
    for name, word in {**one_process(), **odd_places()}.items():
        print(f"{name:<42}{word}", flush=True)
        bad += not word.startswith(("ok", "joblib is not"))
    print(f"\n{bad} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

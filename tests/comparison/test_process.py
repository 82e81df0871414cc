"""The processes that measure: their threads, their errors, Ctrl-C."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from comparison_data import QUICK, SMALL, know_limits
from conftest import PACKAGE

from fastbp.comparison import MeasuringError, compare, process, run
from fastbp.comparison.cells import Cell
from fastbp.comparison.process import Process


def test_all_have_the_same_number_of_threads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[dict[str, str]] = []
    popen = subprocess.Popen

    def spy(*arguments: Any, **names: Any) -> Any:
        seen.append(names["env"])
        return popen([sys.executable, "-c", ""], **names)

    monkeypatch.setattr(process.subprocess, "Popen", spy)
    for threads, compiled in ((2, True), (1, False)):
        with Process(threads, compiled=compiled, cache=tmp_path):
            pass
        assert {seen[-1][name] for name in process.THREAD_VARIABLES} == {str(threads)}
        assert seen[-1]["NUMBA_DISABLE_JIT"] == "01"[not compiled] and seen[-1]["FASTBP_CACHE"] == str(tmp_path)
    assert {"OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS"} <= set(seen[0])


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("import sys; sys.exit('no such thing')", "ended with code 1: no such thing"),
        ("import os; os.kill(os.getpid(), 9)", "ended with code -9; the system may .* memory.*: it left no message"),
        ('print(\'{"error": "tiles is wrong"}\', flush=True); input(); input()', "^tiles is wrong$"),
    ],
)
def test_a_process_that_fails_is_a_clear_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str, says: str
) -> None:
    (tmp_path / "program.py").write_text(program)
    monkeypatch.setattr(process, "SCRIPT", tmp_path / "program.py")
    with pytest.raises(MeasuringError, match=says):
        compare([4, 3, 2], **QUICK)


def test_a_worker_answers_what_it_cannot_do_and_goes_on() -> None:
    with Process(1) as child:
        with pytest.raises(MeasuringError, match="AttributeError"):
            child.ask("nonsense")
        assert child.ask("start", cores=[], activation="relu", cost="huber", optimizer="adam", n_moments=2) == {}
        found = child.ask("check", cell=asdict(SMALL), formulations=["vectorized"])
        assert found["vectorized"]["steps"] == SMALL.steps
    assert child._process.returncode is not None


def stops_at(
    monkeypatch: pytest.MonkeyPatch, n: int, how: type[BaseException] | None = KeyboardInterrupt
) -> list[Process]:
    """Press Ctrl-C at the n-th cell, or with `how=None` kill the processes; return the processes."""
    know_limits(monkeypatch)
    measure, done, children = run.Run._measure, [0], []

    def interrupted(self: Any, cell: Cell) -> None:
        children[:] = self.processes.values()
        done[0] += 1
        if done[0] == n and how:
            raise how
        if done[0] == n:
            for child in children:
                child._process.kill()
        measure(self, cell)

    monkeypatch.setattr(run.Run, "_measure", interrupted)
    return children


def test_ctrl_c_keeps_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    children = stops_at(monkeypatch, 2)
    with pytest.warns(RuntimeWarning, match="was interrupted"):
        result = compare([4, 3, 2], batch_sizes=[2, 3, 4], formulations=["textbook", "vectorized"], **QUICK)
    assert result.interrupted and {row.batch_size for row in result.rows} == {2}
    assert "interrupted" in str(result)
    assert children and all(child._process.returncode is not None for child in children)


def test_the_end_of_a_process_keeps_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    stops_at(monkeypatch, 2, how=None)
    with pytest.warns(RuntimeWarning, match="ended with code -9; the system may have ended it for the memory it took"):
        result = compare([4, 3, 2], batch_sizes=[2, 3, 4], formulations=["textbook", "vectorized"], **QUICK)
    assert result.interrupted and {row.batch_size for row in result.rows} == {2}
    stops_at(monkeypatch, 1, how=None)
    with pytest.raises(MeasuringError, match="ended with code -9"):
        compare([4, 3, 2], batch_sizes=[2], formulations=["textbook", "vectorized"], **QUICK)


def test_ctrl_c_before_anything_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    children = stops_at(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        compare([4, 3, 2], formulations=["vectorized"], **QUICK)
    assert children and all(child._process.returncode is not None for child in children)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc to see children")
def test_a_real_ctrl_c_ends_the_children() -> None:
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from fastbp.cli.program import main\n"
        "raise SystemExit(main(['compare', '--sizes', '4,3,2', '--formulations', 'vectorized', '--rounds', '1000000']))"
    )
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, env=environment) as parent:
        children: list[int] = []
        while not children:
            time.sleep(0.05)
            text = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text()
            children = [int(pid) for pid in text.split()]
        time.sleep(0.5)
        parent.send_signal(signal.SIGINT)
        assert parent.stderr is not None
        said = parent.stderr.read()
    assert parent.returncode == 130 and said == b"fastbp: interrupted\n"
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)

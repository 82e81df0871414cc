"""The live line: what it says, that it fits the terminal, and that the first step's compiling does not count."""

import io
import sys
from typing import Any

import pytest

from fastbp.training import progress
from fastbp.training.progress import Bar, Line, Silence, Steps, new_progress, new_steps


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    @property
    def line(self) -> str:
        """What stands on its last line, where every carriage return lets write over what was there."""
        shown = ""
        for piece in self.getvalue().rstrip("\n").split("\r"):
            shown = piece + shown[len(piece) :]
        return shown.rstrip()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("fastbp.training.progress.time.perf_counter", lambda: now[0])
    return now


def test_the_line_says_where_training_stands(clock: list[float]) -> None:
    terminal = Terminal()
    line = Line(4, 50, terminal)
    assert terminal.line.startswith("starting (the first run")
    clock[0] += 20  # compiling
    line.advance(50)
    assert terminal.line == "epoch 1/4"
    line.epoch_done("cost 0.5")
    clock[0] += 1
    line.advance(50)
    assert terminal.line == "epoch 2/4  cost 0.5  2.0 s left  50 samples/s"
    line.epoch_done("cost 0.25")
    clock[0] += 2
    line.advance(100)
    line.epoch_done("cost 0.2")
    line.epoch_done("cost 0.125")
    line.close()
    assert terminal.line == "epoch 4/4  cost 0.125  50 samples/s"
    assert terminal.getvalue().endswith("\n") and terminal.getvalue().count("\n") == 1


def test_the_line_never_wraps(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_columns", lambda _: 20)
    terminal = Terminal()
    line = Line(4, 50, terminal)
    for _ in range(4):
        clock[0] += 1
        line.advance(50)
        line.epoch_done("cost 0.123456789  accuracy 12.34%")
    line.close()
    assert max(map(len, terminal.getvalue().rstrip("\n").split("\r"))) <= 19


@pytest.mark.parametrize("kind", ["line", "bar"])
def test_nothing_stays_if_there_was_no_step(kind: str) -> None:
    terminal = Terminal()
    live: Any = Line(4, 50, terminal) if kind == "line" else Bar(None, 4, 50, terminal)
    live.close()
    assert terminal.line == "" and "\n" not in terminal.getvalue()


def test_the_bar_says_the_same() -> None:
    tqdm = pytest.importorskip("tqdm").tqdm
    terminal = Terminal()
    bar = Bar(lambda **names: tqdm(**{**names, "dynamic_ncols": False, "ncols": 70, "nrows": 24}), 2, 50, terminal)
    bar.advance(50)
    bar.epoch_done("cost 0.5")
    bar.advance(50)
    bar.epoch_done("cost 0.25")
    bar.close()
    assert terminal.line.startswith("epoch 2/2  cost 0.25  00:00 left") and "starting" not in terminal.line


def test_silence_where_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream in (io.StringIO(), None):
        monkeypatch.setattr(sys, "stderr", stream)
        assert isinstance(new_progress(True, 1, 1), Silence)
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert isinstance(new_progress(False, 1, 1), Silence)
    assert isinstance(new_progress(True, 1, 1), Line)  # it does not know its width
    monkeypatch.setattr(progress, "_columns", lambda _: 80)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert isinstance(new_progress(True, 1, 1), Line)


def test_steps_of_different_weight(clock: list[float]) -> None:
    terminal = Terminal()
    with Steps("measuring", 3, 10, terminal) as steps:
        steps.begin("a small one")
        assert terminal.line == "measuring 1/3  a small one"
        clock[0] += 2
        steps.done(1)
        steps.begin("a large one")
        assert terminal.line == "measuring 2/3  18.0 s left  a large one"
        clock[0] += 2
        steps.within(4, "half of it")
        assert terminal.line == "measuring 2/3  4.0 s left  half of it"
        steps.within(5, "a moment later")
        assert terminal.line == "measuring 2/3  4.0 s left  half of it"
        clock[0] += 2
        steps.done(8)
        steps.begin("another small one")
        assert terminal.line == "measuring 3/3  0.7 s left  another small one"
    assert terminal.line == "" and "\n" not in terminal.getvalue()


def test_steps_are_silent_where_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    for wanted, stream in ((True, io.StringIO()), (True, None), (False, Terminal())):
        monkeypatch.setattr(sys, "stderr", stream)
        with new_steps(wanted, "measuring", 2, 2) as steps:
            steps.begin("something")
            steps.done()
        assert stream is None or stream.getvalue() == ""
    monkeypatch.setattr(sys, "stderr", Terminal())
    with new_steps(True, "measuring", 2, 2) as steps:
        steps.begin("something")
        assert "measuring 1/2  something" in sys.stderr.line  # type: ignore[attr-defined]

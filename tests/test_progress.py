"""The progress line: its words, its rate without the compilation of the first step, and silence off a terminal."""

import io
import os
import sys
import threading

import pytest

import fastbp
from fastbp.progress import LiveLine, Members, Progress, Steps


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return 2

    @property
    def line(self) -> str:
        """The text that is visible on the last line: text after a carriage return overwrites what was there."""
        shown = ""
        for piece in self.getvalue().rstrip("\n").split("\r"):
            shown = piece + shown[len(piece) :]
        return shown.rstrip()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("tqdm.std.time", lambda: now[0])
    return now


def a_terminal(monkeypatch: pytest.MonkeyPatch, columns: int = 120) -> Terminal:
    """Make stderr a terminal. Not a fixture: pytest replaces sys.stderr between the fixtures and the test."""
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((columns, columns and 24)))
    return terminal


def test_the_line_says_where_training_stands(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = a_terminal(monkeypatch)
    line = Progress(True, 4, 50)
    assert terminal.line.startswith("starting")
    clock[0] += 20  # compiling
    line.advance(50)
    assert terminal.line.startswith("epoch 1/4  ?")
    line.epochs_done(1, "cost 0.5")
    clock[0] += 1
    line.advance(50)
    assert terminal.line.startswith("epoch 2/4  cost 0.5  00:01 left  50.0 samples/s")
    line.epochs_done(1, "cost 0.25")
    clock[0] += 2
    line.advance(100)
    line.epochs_done(1, "cost 0.2")
    line.epochs_done(1, "cost 0.125")
    line.close()
    assert terminal.line.startswith("epoch 4/4  cost 0.125  00:00 left  50.0 samples/s")
    assert terminal.getvalue().endswith("\n") and terminal.getvalue().count("\n") == 1


def test_chunks_have_no_known_end(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = a_terminal(monkeypatch)
    line = Progress(True, 4, None)
    for _ in range(3):
        clock[0] += 1
        line.advance(50)
    assert terminal.line.startswith("epoch 1/4") and "50.0 samples/s" in terminal.line
    line.close()


def test_the_line_never_wraps(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = a_terminal(monkeypatch, columns=20)
    line = Progress(True, 4, 50)
    for _ in range(4):
        clock[0] += 1
        line.advance(50)
        line.epochs_done(1, "cost 0.123456789  accuracy 12.34%")
    line.close()
    assert max(map(len, terminal.getvalue().rstrip("\n").split("\r"))) <= 19


def test_a_terminal_that_does_not_know_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = a_terminal(monkeypatch, columns=0)
    line = Progress(True, 1, 50)
    line.advance(50)
    line.close()
    assert terminal.line.startswith("epoch 1/1")


def test_nothing_stays_if_there_was_no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = a_terminal(monkeypatch)
    Progress(True, 4, 50).close()
    assert terminal.line == "" and "\n" not in terminal.getvalue()


def test_no_thread_is_started_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fork would not copy the thread, and Python warns when a process with threads forks."""
    a_terminal(monkeypatch)
    before = threading.active_count()
    line = Progress(True, 1, 10)
    line.advance(5)
    assert threading.active_count() == before
    line.close()


def test_steps_of_different_weight(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = a_terminal(monkeypatch)
    with Steps(True, "measuring", 3, 10) as steps:
        steps.begin("a small one")
        assert terminal.line == "measuring 1/3  a small one  ? left"
        clock[0] += 2
        steps.done(1)
        steps.begin("a large one")
        assert terminal.line == "measuring 2/3  a large one  00:18 left"
        clock[0] += 2
        steps.within(4, "half of it")
        assert terminal.line == "measuring 2/3  half of it  00:04 left"
        steps.within(5, "a moment later")
        assert terminal.line == "measuring 2/3  half of it  00:04 left"
        clock[0] += 2
        steps.done(8)
        steps.begin("another small one")
        assert terminal.line == "measuring 3/3  another small one  00:00 left"
    assert terminal.line == "" and "\n" not in terminal.getvalue()


def test_silence_where_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then tqdm is not even imported."""
    monkeypatch.setitem(sys.modules, "tqdm", None)
    for wanted, stream in ((True, io.StringIO()), (True, None), (False, Terminal())):
        monkeypatch.setattr(sys, "stderr", stream)
        with Steps(wanted, "measuring", 2, 2) as steps:
            steps.begin("something")
            steps.within(0.5, "half")
            steps.done()
        line = Progress(wanted, 1, 1)
        line.advance(1)
        line.epochs_done(1, "cost 0.5")
        line.close()
        with LiveLine(wanted, "{desc}", "words", 1) as live:
            live.tell("others")
        assert stream is None or stream.getvalue() == ""


def test_the_line_of_a_population_has_members_and_epochs(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = a_terminal(monkeypatch)
    line = Members(True, "members", 3, 30)
    assert terminal.line.startswith("starting  0/30 epochs")
    clock[0] += 1
    line.member(1, 0, 3)
    assert terminal.line.startswith("3 of 3 members in training  1/30 epochs  00:29 left")
    clock[0] += 1
    line.member(1, 8, 2)  # it stops after two of ten epochs
    assert terminal.line.startswith("2 of 3 members in training  2/22 epochs  00:20 left")
    line.close()


def test_a_population_shows_it_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    pop = fastbp.Population([fastbp.Network([1, 1], seed=seed) for seed in range(2)])
    terminal = a_terminal(monkeypatch)
    pop.fit([[1], [2]], [1, 2], epochs=[1, 3], progress=False)
    assert terminal.getvalue() == ""
    pop.fit([[1], [2]], [1, 2], epochs=[1, 3])
    assert "starting  0/4 epochs" in terminal.getvalue()
    monkeypatch.setattr(sys, "stderr", elsewhere := io.StringIO())
    pop.fit([[1], [2]], [1, 2], epochs=1)
    assert elsewhere.getvalue() == ""

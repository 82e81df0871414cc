"""The command line in a process of its own: ASCII terminals, closed pipes, Ctrl-C."""

import os
import re
import signal
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import TESTS

import fastbp

ROOT = TESTS.parent
COMMAND = [sys.executable, "-m", "fastbp"]


pytestmark = pytest.mark.usefixtures("folder")


def subprocess_environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}


def test_as_a_program_in_a_terminal_that_knows_ascii_only(flowers: Path) -> None:
    env = {**subprocess_environment(), "PYTHONIOENCODING": "ascii"}
    given = ["train", "flowers.csv", "--target", "species", "--epochs", "2"]
    done = subprocess.run([*COMMAND, *given], capture_output=True, env=env, check=True)
    assert b"accuracy" in done.stdout and done.stderr == b""
    done = subprocess.run([*COMMAND, "train", "flowers.csv"], capture_output=True, env=env, check=False)
    assert done.returncode == 2 and done.stderr.count(b"\n") == 1 and done.stdout == b""


def test_a_reader_that_leaves_is_no_error() -> None:
    fastbp.Network([64, 10], cost="cross_entropy", seed=0).save("net")
    with subprocess.Popen(
        [*COMMAND, "predict", "net", "digits"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=subprocess_environment(),
    ) as process:  # fmt: skip
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        err = process.stderr.read()
    assert process.returncode == 141 and b"Traceback" not in err and b"Error" not in err


@pytest.mark.parametrize("width", [100, 60, 0])
def test_a_real_ctrl_c_in_a_terminal(width: int) -> None:
    fcntl, pty, termios = (pytest.importorskip(name) for name in ("fcntl", "pty", "termios"))
    # A shell starts what it runs in the background with Ctrl-C ignored, and so would run this process.
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code = f"import sys; {heard}from fastbp.cli.program import main; sys.exit(main(sys.argv[1:]))"
    given = ["train", "digits", "--epochs", "100000000", "--output", "net"]
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24 if width else 0, width, 0, 0))
    with subprocess.Popen(
        [sys.executable, "-c", code, *given], stdout=subprocess.PIPE, stderr=theirs, env=subprocess_environment()
    ) as process:
        os.close(theirs)  # so that reading ends when the process does
        shown = read_until(ours, rb"  cost ")  # of an epoch that is done
        process.send_signal(signal.SIGINT)
        shown += read_until(ours, rb"saved as net")
        assert process.stdout is not None
        out = process.stdout.read()
    os.close(ours)
    assert process.returncode == 130 and b"accuracy" in out and b"saved     net" in out
    assert b"starting" in shown and b"Traceback" not in shown
    lines = [line for line in shown.decode().split("\r") if line.startswith("epoch ")]
    assert lines and max(map(len, lines)) <= (width or 80)
    assert fastbp.load("net").sizes == (64, 64, 64, 10)


def read_until(terminal: int, wanted: bytes) -> bytes:
    shown = b""
    while not re.search(wanted, shown):
        try:
            more = os.read(terminal, 4096)
        except OSError:  # what Linux says when the other side is closed
            more = b""
        assert more, shown
        shown += more
    return shown

"""The parent's side of a measuring process: starts it with its surroundings set, asks, and always ends it.

BLAS and OpenMP look at the number of threads they may use once, when they are loaded, and Numba at whether to compile
at all; so each of these settings is a process of its own.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
)  # fmt: skip
PROGRAM = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from fastbp.comparison.worker import main
main()
"""


class MeasuringError(RuntimeError):
    """A measuring process ended, or found something wrong, such as a formulation that computes another gradient."""


class Process:
    """A measuring process. As a context it ends with the block."""

    def __init__(self, threads: int, *, compiled: bool = True, cache: Path | None = None):
        self._what = f"the process that measures {'with ' if compiled else 'Python loops on '}{threads} thread(s)"
        environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads))
        environment |= {"NUMBA_DISABLE_JIT": "0" if compiled else "1"}
        if cache is not None:
            environment |= {"FASTBP_CACHE": str(cache)}
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        # It imports from where this process does, whatever the folder they are in.
        command = [sys.executable, "-c", PROGRAM, json.dumps([str(Path(entry).absolute()) for entry in sys.path])]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, env=environment,
            text=True, encoding="utf-8",
        )  # fmt: skip

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """Send a request and return the answer. Raises MeasuringError if there is none, or it is an error."""
        assert self._process.stdin and self._process.stdout
        try:
            self._process.stdin.write(json.dumps({"do": do, **request}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line.endswith("\n"):
            code = self._process.wait()
            killed = "; the system may have ended it for the memory it took" if code == -9 else ""
            raise MeasuringError(f"{self._what} ended with code {code}{killed}: {self._last_words()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise MeasuringError(answer["error"])
        return answer

    def __enter__(self) -> "Process":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = [line.strip() for line in self._errors if line.strip()]
        return lines[-1][:200] if lines else "it left no message"

"""The parent's side of a measuring process: starts it in an environment of its own, asks, and always ends it.

BLAS and OpenMP read their number of threads once, when they are loaded, and Numba whether it compiles. So each of
these settings has its own process.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
)  # fmt: skip
SCRIPT = Path(__file__).with_name("serve.py")


class MeasuringError(RuntimeError):
    """A measuring process ended, or found an error, such as a formulation that computes another gradient."""


class WorkerProcess:
    """A process in which a worker answers requests. As a context it ends with the block.

    Errors call it `what`. It calls the class that `worker` names, ``"module:Class"``, with `arguments`.
    """

    def __init__(self, what: str, worker: str, arguments: Sequence[Any], environment: Mapping[str, str]):
        self._what = what
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        # It imports from the same folders as this process.
        given = [[str(Path(entry).absolute()) for entry in sys.path], worker, arguments]
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(SCRIPT), *map(json.dumps, given)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, env=environment, text=True,
            encoding="utf-8",
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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = [line.strip() for line in self._errors if line.strip()]
        return lines[-1][:200] if lines else "it left no message"


class Process(WorkerProcess):
    """A process that measures formulations."""

    def __init__(self, threads: int, *, compiled: bool = True, cache: Path | None = None):
        what = f"the process that measures {'with ' if compiled else 'Python loops on '}{threads} thread(s)"
        environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads))
        environment |= {"NUMBA_DISABLE_JIT": "0" if compiled else "1"}
        if cache is not None:
            environment |= {"FASTBP_CACHE": str(cache)}
        super().__init__(what, "fastbp.comparison.worker:Worker", [], environment)

"""The parent's side: starts a peer's process with its surroundings set, sends requests, waits for answers."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).resolve().parent.parent / "peers.py"
THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS", "NPROC",
)  # fmt: skip


class WorkerFailed(Exception):
    """A peer's process answered with an error, or not at all."""


@dataclass(frozen=True)
class Settings:
    """What all processes of a run share."""

    threads: int
    seed: int
    plant_wrong: str | None = None

    @property
    def cores(self) -> list[int]:
        """The last cores that this process may use; none where a process cannot be bound to cores."""
        if not hasattr(os, "sched_getaffinity"):
            return []
        return sorted(os.sched_getaffinity(0))[-self.threads :]

    def environment(self, cache: Path) -> dict[str, str]:
        """Return the variables that libraries look at when they are imported."""
        eigen = "true" if self.threads > 1 else "false"
        return {
            **os.environ,
            **dict.fromkeys(THREAD_VARIABLES, str(self.threads)),
            "XLA_FLAGS": f"--xla_cpu_multi_thread_eigen={eigen} intra_op_parallelism_threads={self.threads}",
            "JAX_PLATFORMS": "cpu",
            "JAX_ENABLE_X64": "0",
            "FASTBP_CACHE": str(cache / "fastbp"),
            "TORCHINDUCTOR_CACHE_DIR": str(cache / "torch"),
            "TRITON_CACHE_DIR": str(cache / "triton"),
        }


class Process:
    """A peer's process. Closing it ends it."""

    def __init__(self, name: str, settings: Settings, cache: Path):
        command = [sys.executable, str(SCRIPT), "--worker", name, "--threads", str(settings.threads)]
        command += ["--seed", str(settings.seed), "--cores", ",".join(map(str, settings.cores))]
        if settings.plant_wrong == name:
            command += ["--plant-wrong", name]
        self._errors = tempfile.TemporaryFile("w+", errors="replace")
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=settings.environment(cache),
            text=True,
            encoding="utf-8",
        )

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """Send a request and return the answer. Raises WorkerFailed if there is none, or it is an error."""
        assert self._process.stdin and self._process.stdout
        try:
            self._process.stdin.write(json.dumps({"do": do, **request}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise WorkerFailed(f"its process ended with code {self._process.wait()}: {self._last_words()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerFailed(answer["error"])
        return answer

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = [line.strip() for line in self._errors if line.strip()]
        return lines[-1][:200] if lines else "it left no message"

"""The parent's side: starts the process of a peer with its environment."""

import os
from dataclasses import dataclass
from pathlib import Path

from fastbp.comparison import process
from fastbp.comparison.process import WorkerProcess

# How each library is told to use no other instructions than these.
ISA = {
    "avx2": {
        "NUMBA_CPU_NAME": "x86-64-v3",
        "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",
        "ATEN_CPU_CAPABILITY": "avx2",
        "DNNL_MAX_CPU_ISA": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
    }
}
THREAD_VARIABLES = (*process.THREAD_VARIABLES, "NPROC")


@dataclass(frozen=True)
class Settings:
    """The settings that all processes of a run share."""

    threads: int
    seed: int
    plant_wrong: str | None = None
    isa: str | None = None  # the instructions that all peers are limited to

    @property
    def cores(self) -> list[int]:
        """The last cores that this process may use; empty if the system cannot bind a process to cores."""
        if not hasattr(os, "sched_getaffinity"):
            return []
        return sorted(os.sched_getaffinity(0))[-self.threads :]

    def environment(self, cache: Path) -> dict[str, str]:
        """Return the environment variables that libraries read when they are imported."""
        eigen = "true" if self.threads > 1 else "false"
        limits = dict(ISA[self.isa]) if self.isa else {}
        xla = f"{limits.pop('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen={eigen}"
        return {
            **os.environ,
            **limits,
            **dict.fromkeys(THREAD_VARIABLES, str(self.threads)),
            "XLA_FLAGS": f"{xla} intra_op_parallelism_threads={self.threads}".strip(),
            "JAX_PLATFORMS": "cpu",
            "JAX_ENABLE_X64": "0",
            "FASTBP_CACHE": str(cache / "fastbp"),
            "TORCHINDUCTOR_CACHE_DIR": str(cache / "torch"),
            "TRITON_CACHE_DIR": str(cache / "triton"),
        }


class Process(WorkerProcess):
    """The process of a peer."""

    def __init__(self, name: str, settings: Settings, cache: Path):
        wrong = name in (settings.plant_wrong or "").split(",")
        arguments = [name, settings.threads, settings.seed, settings.cores, wrong]
        super().__init__("its process", "sidebyside.worker:Worker", arguments, settings.environment(cache))

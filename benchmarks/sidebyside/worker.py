"""The process of a peer: it answers the requests of ``benchmarks/peers.py``."""

import importlib
import os
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

PEERS: dict[str, tuple[str, str, str]] = {  # name: label in the table, module of this folder, package that it needs
    "numpy": ("NumPy", "numpy_loop", "numpy"),
    "sklearn": ("scikit-learn", "sklearn_mlp", "sklearn"),
    "torch": ("PyTorch eager", "torch_mlp", "torch"),
    "torch-compiled": ("PyTorch compiled", "torch_mlp", "torch"),
    "jax": ("JAX scan", "jax_scan", "jax"),
    "vectorized": ("fastbp vectorized", "fastbp_net", "fastbp"),
    "loops": ("fastbp loops", "fastbp_net", "fastbp"),
    "tiles": ("fastbp tiles", "fastbp_net", "fastbp"),
}
PREDICT_CALLS = 50
ROWS = 16  # rows whose predictions are checked


class Worker:
    """One method for each request."""

    def __init__(self, name: str, threads: int, seed: int, cores: list[int], plant_wrong: bool):
        if cores:
            os.sched_setaffinity(0, cores)
        self.name, self.threads, self.seed, self.plant_wrong = name, threads, seed, plant_wrong

    def prepare(self, case: dict[str, Any]) -> dict[str, Any]:
        """Import, build the net, train one epoch. The time does not include data and checks of the benchmark."""
        watch = Stopwatch()
        with watch:
            import numpy  # noqa: F401
        from sidebyside.cases import Case, Workload

        self.work = Workload(Case(**{**case, "sizes": tuple(case["sizes"])}), self.seed)
        if self.plant_wrong:
            wrong = replace(self.work.case, learning_rate=1.5 * self.work.case.learning_rate)
            self.work.case = wrong
        with watch:
            module = None if self.name == "reference" else importlib.import_module(f"sidebyside.{PEERS[self.name][1]}")
        left_out = self._left_out(module)
        if left_out:
            return {"left_out": left_out}
        pools = limit_threads(self.threads)
        with watch:
            self.peer = self._build(module)
            self.peer.restart()
            self.peer.train(1)
        version = module.VERSION if module else None
        return {"first_epoch_s": watch.seconds, "version": version, "thread_pools": pools}

    def _left_out(self, module: Any) -> str | None:
        if module is None:
            return None
        if self.name == "tiles" and self.name not in importlib.import_module("fastbp.formulations").FORMULATIONS:
            return "this fastbp has no formulation of that name"
        if self.name == "torch-compiled" and module.compiler_missing():
            return str(module.compiler_missing())
        reason: str | None = module.refusal(self.work)
        return reason

    def _build(self, module: Any) -> Any:
        if self.name == "reference":
            from sidebyside import numpy_loop

            return numpy_loop.Peer(self.work, self.threads, "float64")
        if PEERS[self.name][2] == "fastbp":
            return module.Peer(self.work, self.threads, self.name)
        return (module.Compiled if self.name == "torch-compiled" else module.Peer)(self.work, self.threads)

    def run(self, at_least_s: float) -> dict[str, Any]:
        """Train all epochs from the initial parameters, repeatedly until enough time has been measured."""
        seconds = calls = cpu = 0.0
        repeats = 0
        while seconds < at_least_s:
            self.peer.restart()
            cpu_start, start = time.process_time(), time.perf_counter()
            epochs_only = self.peer.train(self.work.case.epochs)
            call = time.perf_counter() - start
            cpu += time.process_time() - cpu_start
            calls += call
            seconds += call if epochs_only is None else epochs_only
            repeats += 1
        steps = repeats * self.work.case.epochs * self.work.case.steps
        return {"us_per_step": seconds / steps * 1e6, "call_us_per_step": calls / steps * 1e6, "cpu_share": cpu / calls}

    def cost(self) -> dict[str, Any]:
        """Return the cost at the start and after the epochs of `run`, computed in the same way for all peers."""
        return {"start": self.work.cost(self.work.parameters), "cost": self.work.cost(self.peer.parameters())}

    def start_predicting(self) -> dict[str, Any]:
        """Return to the initial parameters, and return the predictions for the first rows."""
        self.peer.restart()
        self.row = self.work.X[0]
        import numpy as np

        outputs = [np.ravel(self.peer.predict(x)) for x in self.work.X[:ROWS]]
        return {"outputs": np.concatenate(outputs).astype(float).tolist()}

    def predict(self, at_least_s: float) -> dict[str, Any]:
        """Predict one row repeatedly."""
        predict: Callable[..., Any] = self.peer.predict
        row, calls, cpu_start, start = self.row, 0, time.process_time(), time.perf_counter()
        while time.perf_counter() - start < at_least_s:
            for _ in range(PREDICT_CALLS):
                predict(row)
            calls += PREDICT_CALLS
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu_start
        return {"us_per_call": seconds / calls * 1e6, "cpu_share": cpu / seconds}

    def peak(self) -> dict[str, Any]:
        """Measure the peak of multiply-adds of the cores."""
        from fastbp.comparison.machine import gflops

        return {"gflops": gflops("float32", self.threads)}

    def simplechains(self, formulation: str, epochs: int) -> dict[str, Any]:
        """Train SimpleChains' published task."""
        from sidebyside.simplechains import train

        return train(formulation, epochs, self.threads)


class Stopwatch:
    """Sums the time spent inside ``with`` blocks."""

    seconds = 0.0

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *exception: object) -> None:
        self.seconds += time.perf_counter() - self._start


def limit_threads(threads: int) -> list[dict[str, Any]]:
    """Limit all thread pools that threadpoolctl knows, and return how many threads each has."""
    if find_spec("threadpoolctl") is None:
        return []
    import threadpoolctl

    threadpoolctl.threadpool_limits(threads)
    return [{key: pool[key] for key in ("internal_api", "num_threads")} for pool in threadpoolctl.threadpool_info()]

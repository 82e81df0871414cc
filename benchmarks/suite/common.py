"""What the benchmarks share: sampling by asv, number of threads, the nets, and skipping what old commits lack."""

import functools
import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import threadpoolctl
from sidebyside.cases import BETA_1, BETA_2, CASES, EPSILON, Case, Workload

import fastbp

FORMULATIONS = ["textbook", "loops", "vectorized", "tiles"]
# The nets of benchmarks/peers.py, named by their sizes.
STEPS = 20
NETS = {str(CASES[name].sizes): replace(CASES[name], steps=STEPS) for name in ("small", "book", "large")}


class Sampled:
    """How asv times the methods of a class: 20 to 40 samples in four processes, each of 20 ms or one call.

    With fewer than 10 samples asv cannot tell two commits apart. There is no warm-up time, because `setup` calls each
    method once with the real arrays, which compiles it.
    """

    rounds = 4
    repeat = (5, 10, 2.0)
    sample_time = 0.02
    warmup_time = 0.0


def limit_threads(n: int) -> None:
    """Give fastbp and NumPy's BLAS `n` threads, until the process ends."""
    fastbp.set_num_threads(n)
    threadpoolctl.threadpool_limits(n)


def workload(net: str) -> Workload:
    """Return the data of an epoch of 20 mini-batches, and the initial parameters, for one of `NETS`."""
    return Workload(NETS[net], seed=0)


def network(work: Workload, formulation: Any, dtype: str = "float32") -> fastbp.Network:
    """Return a network with the initial parameters of `work`."""
    case = work.case
    net = fastbp.Network(
        case.sizes,
        activation=case.hidden,
        output_activation=case.output,
        cost=case.cost,
        dtype=dtype,
        seed=0,
        formulation=formulation,
    )
    net.parameters[:] = work.parameters
    return net


def optimizer(case: Case) -> fastbp.optimizers.Optimizer:
    """Return the optimizer of a case."""
    if case.optimizer == "sgd":
        return fastbp.SGD(case.learning_rate)
    return fastbp.Adam(case.learning_rate, BETA_1, BETA_2, EPSILON)


def fit(net: fastbp.Network, work: Workload, optimizer: fastbp.optimizers.Optimizer) -> None:
    """Train for one epoch."""
    net.fit(work.X, work.Y, epochs=1, batch_size=work.case.batch_size, optimizer=optimizer, progress=False)


def timing() -> ModuleType:
    """Return fastbp/comparison/timing.py of the working tree, so that all commits are measured with the same code."""
    path = Path(__file__).resolve().parents[2] / "fastbp" / "comparison" / "timing.py"
    spec = importlib.util.spec_from_file_location("suite_timing", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def missing_is_skipped(setup: Callable[..., None]) -> Callable[..., None]:
    """Decorate a `setup`: it raises NotImplementedError, which asv skips, if this fastbp lacks what it uses.

    asv also measures commits older than the feature that is measured. In the present commit nothing may be missing:
    tests/properties/test_asv_suite.py checks this.
    """

    @functools.wraps(setup)
    def guarded(self: Any, *parameters: Any) -> None:
        try:
            setup(self, *parameters)
        except (ImportError, AttributeError) as error:
            raise NotImplementedError(f"this commit does not have it: {error}") from error
        except ValueError as error:
            if "unknown formulation" not in str(error):
                raise
            raise NotImplementedError(f"this commit does not have it: {error}") from error

    return guarded

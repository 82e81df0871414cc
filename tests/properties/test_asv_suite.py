"""The asv suite in `benchmarks/` works with the present fastbp, and its formulations of a sum agree.

Every method is called once with the first and once with the last of its parameters. Nothing is timed here.
"""

import functools
import importlib
import inspect
import itertools
import os
import pkgutil
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from conftest import PACKAGE, TESTS, relative_difference

BENCHMARKS = TESTS.parent / "benchmarks"

pytest.importorskip("threadpoolctl", reason="threadpoolctl is not installed")
if find_spec("numba") and os.environ.get("NUMBA_DISABLE_JIT", "0") != "0":
    pytest.skip("the suite measures machine code", allow_module_level=True)


@pytest.fixture(scope="module", autouse=True)
def suite():
    """Make the suite importable as for asv, and restore the number of threads afterwards."""
    import threadpoolctl

    import fastbp

    sys.path.insert(0, str(BENCHMARKS))
    from suite import three_sums

    with threadpoolctl.threadpool_limits(), fastbp.threads(None), pytest.MonkeyPatch.context() as patch:
        for name in ("_loops_functions", "_tiles_functions", "_tiles_copies"):  # compiled once for each dtype
            patch.setattr(three_sums, name, functools.cache(getattr(three_sums, name)))
        yield
    sys.path.remove(str(BENCHMARKS))


def benchmarks():
    """Every class that asv would find, with its methods, named module.Class."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import suite

        for found in pkgutil.iter_modules(suite.__path__, "suite."):
            module = importlib.import_module(found.name)
            for name, cls in inspect.getmembers(module, inspect.isclass):
                methods = [m for m in dir(cls) if m.startswith(("time_", "track_", "peakmem_", "mem_"))]
                if cls.__module__ == module.__name__ and methods:
                    yield pytest.param(cls, methods, id=f"{found.name.removeprefix('suite.')}.{name}")
    finally:
        sys.path.remove(str(BENCHMARKS))


def first_and_last(cls):
    combinations = list(itertools.product(*getattr(cls, "params", ())))
    return combinations[:1] + combinations[1:][-1:]


ALL = list(benchmarks())


def test_there_is_a_class_for_each_question():
    assert {param.id for param in ALL} == {
        "against_numpy.Epoch", "against_numpy.OneRow", "against_numpy.Sums",
        "functions.Activations", "functions.CostPairs", "memory.Peak", "memory.Workspace",
        "prediction.ManyRows", "prediction.OneRow", "starting.FirstFitCold", "starting.FirstFitWarm", "starting.Import",
        "sums.ThreeSums", "training.Epoch", "training.Gradient", "training.Optimizers",
    }  # fmt: skip


@pytest.mark.parametrize(("cls", "methods"), ALL)
def test_every_benchmark_works(cls, methods, monkeypatch, tmp_path):
    module = sys.modules[cls.__module__]
    if cls.__module__ == "suite.against_numpy":
        monkeypatch.setattr(module, "medians", lambda ours, numpys, rounds: (ours(), numpys(), (0.7, 1.0))[-1])
    if cls.__module__ == "suite.starting":  # each starts a process for seconds: compile its program without running it
        monkeypatch.setattr(module, "run", lambda code, folder: compile(code, "program", "exec") and 1.0)
        monkeypatch.chdir(tmp_path)
    if cls.__module__ == "suite.memory":  # it trains 8 million weights: of few samples, here
        fit = module.fastbp.Network.fit
        monkeypatch.setattr(module.fastbp.Network, "fit", lambda net, X, Y, **how: fit(net, X[:8], Y[:8], **how))
    cache = getattr(cls(), "setup_cache", lambda: None)()  # once, as asv does
    for parameters in first_and_last(cls):
        benchmark = cls()
        assert len(parameters) == len(getattr(cls, "param_names", ()))
        if hasattr(benchmark, "setup"):
            benchmark.setup(*parameters)  # asv skips on NotImplementedError; here it is a failure
        if cache is not None:
            parameters = cache, *parameters
        for name in methods:
            method = getattr(cls, name)
            result = getattr(method, "__wrapped__", method)(benchmark, *parameters)
            if name.startswith("track_"):
                assert np.all(np.array(result) > 0)


def test_formulations_agree_about_each_sum():
    from suite.three_sums import SUMS

    for dtype, allowed in (("float32", 2e-6), ("float64", 1e-14)):
        results = {}
        for name, kind in SUMS.items():
            sums = kind(17, 33, 5, dtype)
            sums.turns = 2
            for compute in (sums.forward, sums.propagate_error, sums.accumulate_gradient):
                compute()
            results[name] = sums.results()
        for name, values in results.items():
            for sum_, reference in results["textbook"].items():
                assert relative_difference(values[sum_], reference) < allowed, (name, sum_, dtype)


def test_a_tracker_is_the_time_of_fastbp_over_that_of_numpy(monkeypatch):
    from suite import against_numpy

    clock, rounds = against_numpy.timing(), {"ours": [6.0, 99.0, 6.0], "numpy": [4.0, 4.0, 99.0]}
    monkeypatch.setattr(against_numpy, "timing", lambda: clock)
    monkeypatch.setattr(clock, "interleaved_rounds", lambda calls, *_, **__: {name: rounds[name] for name in calls})
    assert against_numpy.medians(None, None, rounds=3) == (6.0, 4.0)
    assert against_numpy.ratio_of_best([(9.0, 4.0), (6.0, 4.5), (6.5, 7.0)]) == 1.5


def test_an_error_in_a_fresh_process_is_raised():
    from suite.against_numpy import in_fresh_processes

    class Benchmark:
        pass

    @in_fresh_processes
    def track_nothing(self):
        return 1.0

    with pytest.raises(subprocess.CalledProcessError):  # the new process finds no such class
        track_nothing(Benchmark())


def test_what_a_commit_lacks_is_skipped():
    from suite.common import missing_is_skipped, network, workload

    net = next(iter(importlib.import_module("suite.common").NETS))
    with pytest.raises(NotImplementedError, match="unknown formulation 'future'"):
        missing_is_skipped(lambda self: network(workload(net), "future"))(None)
    with pytest.raises(NotImplementedError, match="no attribute 'future'"):
        missing_is_skipped(lambda self: importlib.import_module("fastbp").future)(None)
    with pytest.raises(NotImplementedError, match=r"fastbp\.future"):
        missing_is_skipped(lambda self: importlib.import_module("fastbp.future"))(None)
    with pytest.raises(ValueError, match="something else"):
        missing_is_skipped(lambda self: int("something else"))(None)


def test_asv_check():
    if find_spec("asv") is None:
        pytest.skip("asv is not installed: pip install -e '.[bench]'")
    command = [sys.executable, "-m", "asv", "--config", "asv.conf.json", "check", "-E", f"existing:{sys.executable}"]
    # asv removes the entries of PYTHONPATH from `sys.path`, also where the installed fastbp lies in one of them.
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent), "ASV_PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run(command, cwd=BENCHMARKS, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No problems found" in done.stdout

"""What several test files share: formulations, optimizers, differences, tables, Python in a process of its own."""

import os
import pickle
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import command_line
import common_test_calls
import numba
import numpy as np
import passed_tests
import pytest
from forking import SECONDS, ForkingPython
from numpy.typing import NDArray

import fastbp
from fastbp.cli import warm_up
from fastbp.compiler import code_cache
from fastbp.formulations import FORMULATIONS
from fastbp.formulations.compiled import Compiled
from fastbp.optimizers import Optimizer

COMPILED = [name for name, formulation in FORMULATIONS.items() if isinstance(formulation, Compiled)]
PACKAGE = Path(fastbp.__file__).resolve().parent
TESTS = Path(__file__).resolve().parent
needs_two_threads = pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="Numba has one thread only")
# Environment variables that make Numba compile for another machine, or not at all.
TARGETS = {
    "generic": {"NUMBA_CPU_NAME": "generic"},
    "avx2": {"NUMBA_CPU_NAME": "x86-64-v3"},
    "python": {"NUMBA_DISABLE_JIT": "1"},
}
OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "SGD": lambda: fastbp.SGD(0.3),
    "Momentum": lambda: fastbp.Momentum(0.1, momentum=0.8),
    "Nesterov": lambda: fastbp.Nesterov(0.1, momentum=0.7),
    "Adam": lambda: fastbp.Adam(0.01, beta_1=0.8, beta_2=0.95, epsilon=1e-3),
    "AdamW": lambda: fastbp.AdamW(0.01, beta_1=0.8, beta_2=0.95, epsilon=1e-3, weight_decay=0.3),
    "RMSProp": lambda: fastbp.RMSProp(0.01, alpha=0.8, epsilon=1e-2),
    "RMSProp with momentum": lambda: fastbp.RMSProp(0.01, alpha=0.8, epsilon=1e-2, momentum=0.7),
    "RMSProp centered": lambda: fastbp.RMSProp(0.01, alpha=0.8, epsilon=1e-1, centered=True),
    "Adagrad": lambda: fastbp.Adagrad(0.1, rate_decay=0.1, epsilon=1e-3),
}

# At the beginning of a script, which then ends where its first compilation begins.
END_WHERE_IT_COMPILES = """
import os
from numba.core import event
class End(event.Listener):
    def on_start(self, _):
        print("1\\ncompiles", flush=True)
        os._exit(0)
    def on_end(self, _):
        pass
event.register("numba:run_pass", End())
"""


# Docstring examples that need more packages than the tests, by the end of their names.
EXAMPLES_THAT_NEED = {
    "Files.to_onnx": ("onnx", "onnxruntime"),
    "Files.to_torch": ("torch",),
    "from_torch": ("torch",),
    "from_keras": ("keras", "torch"),
}
os.environ.setdefault("KERAS_BACKEND", "torch")


def pytest_configure(config: pytest.Config) -> None:
    """Before all tests are run, compile the common calls once, in several processes, for the cache they share."""
    # Hundreds of tests start a Python: without this, each of them would read all of fastbp's sources again.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    is_worker = hasattr(config, "workerinput")
    if not is_worker:
        config.pluginmanager.register(passed_tests.Passed(), "passed_tests")
    if config.args_source is pytest.Config.ArgsSource.TESTPATHS and not is_worker and not numba.config.DISABLE_JIT:
        calls = {**warm_up.CALLS, **common_test_calls.CALLS}
        warm_up.CALLS = dict(sorted(calls.items(), key=lambda call: -call[1]))
        warm_up.warm_up(progress=True)


def pytest_unconfigure() -> None:
    """End the Python that forks."""
    forking().close()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip examples whose packages are not installed; leave out what has passed in another environment."""
    passed_tests.leave_out(config, items)
    # Looked for once: a search for a package that is not there reads all folders of the path.
    missing = {name: [p for p in packages if not find_spec(p)] for name, packages in EXAMPLES_THAT_NEED.items()}
    for item in items:
        if isinstance(item, pytest.DoctestItem):
            for name, packages in missing.items():
                if packages and item.name.endswith(f".{name}"):
                    item.add_marker(pytest.mark.skip(reason=f"needs {', '.join(packages)}"))


@pytest.fixture(params=list(FORMULATIONS))
def formulation(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=COMPILED)
def compiled(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=list(OPTIMIZERS))
def new_optimizer(request: pytest.FixtureRequest) -> Callable[[], Any]:
    """Return a function that makes a new optimizer at every call."""
    return OPTIMIZERS[request.param]


@pytest.fixture
def hears_ctrl_c() -> Iterator[None]:
    """Let SIGINT interrupt this process, also where a shell has started it in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change into an empty folder, with a terminal of 80 columns."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


@pytest.fixture
def flowers(folder: Path) -> Path:
    return command_line.flowers(folder)


@pytest.fixture
def houses(folder: Path) -> Path:
    return command_line.houses(folder)


def public_optimizers() -> set[type[Optimizer]]:
    offered = (getattr(fastbp, name) for name in fastbp.__all__)
    return {each for each in offered if isinstance(each, type) and issubclass(each, Optimizer)} - {Optimizer}


def central_difference(
    function: Callable[[NDArray[Any]], float], x: NDArray[Any], step: float = 1e-3
) -> NDArray[np.float64]:
    """The gradient of `function` at x by central differences of fourth order: the error is O(step⁴)."""
    gradient = np.empty(x.size)
    for i in range(x.size):
        nudge = np.zeros_like(x)
        nudge[i] = step
        near = function(x + nudge) - function(x - nudge)
        far = function(x + 2 * nudge) - function(x - 2 * nudge)
        gradient[i] = (8 * near - far) / (12 * step)
    return gradient


def relative_difference(given: Any, reference: Any) -> float:
    """The largest difference between two arrays, relative to the largest absolute value of `reference`."""
    given, reference = np.asarray(given, np.float64), np.asarray(reference, np.float64)
    assert given.shape == reference.shape
    return float(np.abs(given - reference).max() / np.abs(reference).max())


def state_of(net: fastbp.Network) -> dict[str, Any]:
    """Everything that the next `fit` of a network depends on, and its history."""
    training = net._training
    return {
        "parameters": net.parameters.tobytes(),
        "rng": net._rng.bit_generator.state,
        "optimizer": training and id(training.optimizer),
        "moments": training and (training.state.first.tobytes(), training.state.second.tobytes()),
        "t": training and int(training.state.t[0]),
        "steps": training and int(training.steps[0]),
        "history": net.history and {name: list(v) for name, v in net.history.as_dict().items()},
        "metadata": dict(net.metadata),
        "formulation": net.formulation,
    }


def received(thing: Any, folder: Path) -> list[Any]:
    """Copies as another process receives them: pickle 5 with read-only buffers, aligned or not, and memory maps."""
    buffers: list[pickle.PickleBuffer] = []
    sent = pickle.dumps(thing, protocol=5, buffer_callback=buffers.append)
    aligned = [bytes(buffer.raw()) for buffer in buffers]
    odd = [memoryview(b"-" + content)[1:] for content in aligned]
    arrived = [pickle.loads(sent, buffers=aligned), pickle.loads(sent, buffers=odd)]
    if find_spec("joblib") is None:
        return arrived
    import joblib

    joblib.dump(thing, folder / "dumped")
    return [*arrived, *(joblib.load(folder / "dumped", mmap_mode=mode) for mode in ("r", "c"))]


def copy_machine_code(to: Path) -> None:
    """Copy the machine code that the tests share, so that a test that needs a cache of its own compiles little."""
    shared = code_cache.cache_folder()
    assert shared is not None
    (to / shared.name).mkdir(parents=True)
    for path in shared.glob("*.machinecode"):  # whole files only: another process may be writing one
        if not path.name.startswith("users_"):
            shutil.copy2(path, to / shared.name)


@cache
def forking() -> ForkingPython:
    """Return the Python that forks for `run_python`."""
    return ForkingPython("import numba\nnumba.njit(lambda: 0)()\n", {**os.environ, "PYTHONPATH": str(PACKAGE.parent)})


def run_python(script: str, *arguments: str, check: bool = True, **environment: str) -> str:
    """Run a script in a new Python, which imports the same fastbp as these tests, and return what it printed."""
    variables = {**os.environ, "PYTHONPATH": str(PACKAGE.parent), **environment}
    if forking().serves(variables):
        process = forking().run("<string>", script, arguments, os.getcwd(), variables)
    else:
        command, options = [sys.executable, "-c", script, *arguments], {"capture_output": True, "text": True}
        process = subprocess.run(command, env=variables, timeout=SECONDS, **options)
    assert not check or process.returncode == 0, process.stderr
    return process.stdout.strip()

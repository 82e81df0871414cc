"""Machine code on disk: compiled once, never stale; no damaged file or folder stops a call. Every run is a process."""

import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
from conftest import COMPILED, END_WHERE_IT_COMPILES, PACKAGE, copy_machine_code, run_python

import fastbp
from fastbp.compiler import code_cache
from fastbp.compiler import options as compile_options
from fastbp.compiler.levels import level, names
from fastbp.formulations import array_functions
from fastbp.functions.activations import ACTIVATIONS
from fastbp.functions.costs import COSTS

# Every compilation, also of a C callback, runs Numba's passes. The last printed line is the result.
PROGRAM = """
import sys
from numba.core import event
passes = event.install_recorder("numba:run_pass")
with passes as recorder:
    import fastbp
    import numpy as np
    assert not recorder.buffer, "the import compiles"
    net = fastbp.Network([3, 4, 2], activation="leaky_relu", cost="quadratic", seed=0, dtype="float64",
                         formulation=sys.argv[1])
    result = net.predict(-np.eye(3)).tobytes().hex()
    if sys.argv[2] == "fit":
        net.fit(np.eye(3), np.eye(3)[:, :2], epochs=2, batch_size=2, optimizer=fastbp.SGD(0.1))
        net.gradient(np.eye(3), np.eye(3)[:, :2])
        net.evaluate(np.eye(3), np.eye(3)[:, :2])
        result = net.parameters.tobytes().hex()
print(len(recorder.buffer))
print(result)
"""


# Ends where the first compilation begins, for a test that asks only whether something is compiled.
UNTIL_IT_COMPILES = END_WHERE_IT_COMPILES + PROGRAM
COMPILES = 1, "compiles"


def run(cache, what="predict", script=PROGRAM, formulation=COMPILED[0], **environment):
    """Return the number of passes that Numba ran, and the result."""
    passes, result = run_python(script, formulation, what, FASTBP_CACHE=str(cache), **environment).splitlines()[-2:]
    return int(passes), result


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A cache after one process has predicted, and what it predicted."""
    cache = tmp_path_factory.mktemp("cache")
    passes, predicted = run(cache)
    assert passes > 0
    return cache, predicted


def files_of(cache: Path) -> list[Path]:
    return sorted(cache.rglob("*.machinecode"))


def test_a_second_process_compiles_nothing(filled):
    cache, predicted = filled
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*")}
    assert run(cache, script=UNTIL_IT_COMPILES) == (0, predicted)
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*")} == before


# Of each formulation, a loop of a fit and functions that are called by address.
SOME_OF_A_FIT = {
    "loops": ("costs_of_rows-", "sgd_float64-", "quadratic_sum_cost_each_sample_float64-"),
    "tiles": (
        "train_epoch_serial-",
        "sgd_float64-",
        "quadratic_sum_cost_each_sample_float64-",
        "bias_panel_1_float64-",
    ),
}


@pytest.mark.parametrize("formulation", COMPILED)
def test_nor_does_it_where_loops_call_others_by_address(formulation, tmp_path, monkeypatch, capsys):
    """A whole fit, in a copy of the cache that the tests share; some of its functions are compiled anew first.

    The second process is on a machine of the same level for which Numba would compile other code.
    """
    monkeypatch.setattr(sys, "argv", ["", formulation, "fit"])
    exec(PROGRAM, {})  # the weights are the same here
    expected = capsys.readouterr().out.split()[-1]
    copy_machine_code(tmp_path)
    missing = [path for path in files_of(tmp_path) if path.name.startswith(SOME_OF_A_FIT[formulation])]
    for path in missing:
        path.unlink()
    passes, result = run(tmp_path, "fit", formulation=formulation)
    assert missing and passes > 0 and result == expected
    assert run(tmp_path, "fit", UNTIL_IT_COMPILES, formulation, NUMBA_CPU_NAME="haswell") == (0, result)


def test_files_are_whole_and_one_for_each_function(filled):
    cache, _ = filled
    everything = [path for path in cache.rglob("*") if path.is_file()]
    assert len(everything) >= 10 and files_of(cache) == sorted(everything)


def test_parallel_loops_are_kept_too(filled):
    """Their machine code refers to Numba's thread pool."""
    cache, predicted = filled
    script = PROGRAM.replace(
        "import fastbp\n",
        "import fastbp\n    from fastbp.compiler.threads import PARALLEL_FROM\n"
        "    PARALLEL_FROM.update(omp=0, tbb=0, workqueue=0)\n",
        1,
    )
    assert run(cache, script=script)[1] == predicted
    assert run(cache, script=script) == (0, predicted)


def test_machine_code_serves_all_machines_of_a_level(filled, tmp_path):
    """In a copy of the folder, on a machine that Numba would compile other code for."""
    cache = tmp_path / "copied"
    shutil.copytree(filled[0], cache)
    others = "skylake-avx512", "haswell", names()[level().name] or level().name
    assert [run(cache, NUMBA_CPU_NAME=name) for name in others] == [(0, filled[1])] * 3


def test_machine_code_of_a_level_that_the_machine_lacks_is_not_loaded(filled):
    assert run(filled[0], script=UNTIL_IT_COMPILES, NUMBA_CPU_NAME="generic") == COMPILES


def test_machine_code_of_another_user_is_not_loaded(filled, tmp_path):
    cache = tmp_path / "copied"
    shutil.copytree(filled[0], cache)
    trusting = "import fastbp\n    from fastbp.compiler import code_cache\n    code_cache._trusted = lambda: {}\n"
    trusted = trusting.replace("{}", "{os.geteuid()}").replace("import fastbp", "import fastbp, os")
    assert run(cache, script=PROGRAM.replace("import fastbp\n", trusted, 1)) == (0, filled[1])
    assert run(cache, script=UNTIL_IT_COMPILES.replace("    import fastbp\n", f"    {trusting}", 1)) == COMPILES


DAMAGES = {
    "empty": lambda content: b"",
    "truncated": lambda content: content[: len(content) // 2],
    "last byte missing": lambda content: content[:-1],
    "a bit flipped": lambda content: content[:999] + bytes([content[999] ^ 1]) + content[1000:],
    "junk": lambda content: b"\x80\x05junk" * 100,
    "pickle of something else": lambda content: b"\x80\x04K\x01.",
    "text": lambda content: b"This is no machine code.",
}


def test_functions_with_damaged_files_are_compiled_anew(filled, tmp_path):
    """The files of C callbacks and of loops are damaged, each in another way."""
    cache = tmp_path / "cache"
    shutil.copytree(filled[0], cache)
    names = ("leaky_relu", "quadratic", "identity", "forward_rows_serial")  # all that a prediction loads
    damaged = [path for path in files_of(cache) if path.name.startswith(names)]
    assert len(damaged) >= len(DAMAGES)
    for i, path in enumerate(damaged):
        path.write_bytes(list(DAMAGES.values())[i % len(DAMAGES)](path.read_bytes()))
    contents = [path.read_bytes() for path in damaged]
    passes, predicted = run(cache)
    assert passes > 0 and predicted == filled[1]
    same = [path.name for path, content in zip(damaged, contents, strict=True) if path.read_bytes() == content]
    assert same == []
    assert run(cache) == (0, filled[1])  # because the files were written anew


# Prints the warnings after the result, on a line of their own.
WARNED = """
import sys, warnings
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
""" + "\n".join(f"    {line}" for line in PROGRAM.splitlines())
WARNED += """
print(len(warned), *(f"{each.category.__name__}: {each.message}" for each in warned))
"""


def test_without_a_writable_folder_everything_works_and_one_warning_says_so(tmp_path):
    """A plain file stands in place of the folder, which stops even root from writing."""
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    _, result, warned = run_python(WARNED, COMPILED[0], "predict", FASTBP_CACHE=str(blocked / "cache")).splitlines()
    assert result and warned.startswith("1 RuntimeWarning: fastbp cannot keep the machine code")
    assert str(blocked / "cache") in warned and "FASTBP_CACHE" in warned and "half a minute" in warned
    assert os.listdir(tmp_path) == ["file"]


def test_a_warning_that_is_an_error_leaves_all_else_right(tmp_path):
    """The first call that compiles raises it; the second call works."""
    script = """
import warnings
warnings.simplefilter("error")
import fastbp
def predicted():
    net = fastbp.Network([2, 1], output_activation="identity", initializer="zeros", seed=0, formulation="loops")
    net.biases[0][:] = 2
    return net.predict([[1, 1]])[0, 0]
try:
    predicted()
except RuntimeWarning as warning:
    print("told" if "FASTBP_CACHE" in str(warning) else warning)
print(predicted())
"""
    (tmp_path / "file").write_text("not a folder")
    told, number = run_python(script, FASTBP_CACHE=str(tmp_path / "file" / "cache")).splitlines()
    assert (told, float(number)) == ("told", 2.0)


def test_a_folder_that_cannot_be_written_is_read(filled):
    """For example, one folder for all users with everything in it. Then there is no warning."""
    cache, predicted = filled
    script = WARNED.replace("import sys, warnings", "import sys, warnings, os\nos.access = lambda *_: False", 1)
    before = files_of(cache)
    assert run_python(script, COMPILED[0], "predict", FASTBP_CACHE=str(cache)).splitlines()[-3:] == [
        "0",
        predicted,
        "0",
    ]
    assert files_of(cache) == before


def test_a_file_that_cannot_be_written_is_compiled_all_the_same(filled, tmp_path):
    """For example on a full disk. No unfinished file is left."""
    cache = tmp_path / "cache"
    shutil.copytree(filled[0], cache)
    missing = [path for path in files_of(cache) if path.name.startswith(("leaky_relu", "quadratic"))]
    for path in missing:
        path.unlink()
    before = files_of(cache)
    script = PROGRAM.replace(
        "    result =",
        "    import os\n    def full(*_):\n        raise OSError(28, 'full')\n    os.replace = full\n    result =",
        1,
    )
    passes, predicted = run(cache, script=script)
    assert missing and passes > 0 and predicted == filled[1]
    assert sorted(path for path in cache.rglob("*") if path.is_file()) == before


# Another value of each of Numba's settings.
OTHER_SETTINGS = {"NUMBA_OPT": "1", "NUMBA_LOOP_VECTORIZE": "0", "NUMBA_SLP_VECTORIZE": "1", "NUMBA_DEBUGINFO": "1",
                  "NUMBA_BOUNDSCHECK": "1", "NUMBA_CPU_NAME": "generic", "NUMBA_LLVM_REFPRUNE_PASS": "0"}  # fmt: skip


def test_files_are_named_by_all_settings_that_change_machine_code(monkeypatch):
    def name():
        return code_cache.MachineCodeCache(test_two_processes_fill_an_empty_cache_at_once)._file("()")

    seen = {name()}
    assert name() in seen
    for setting in code_cache.SETTINGS:
        assert hasattr(numba.core.config, setting)
        with monkeypatch.context() as changed:
            changed.setattr(numba.core.config, setting, "another value")
            assert name() not in seen, setting
            seen.add(name())
    assert name() in seen


def test_settings_are_those_of_the_environment():
    """Numba reads the environment as it is imported, and again where it is told to."""
    script = """
import os, sys
from numba.core import config
from fastbp.compiler import code_cache, levels
print(code_cache.settings())
for setting in sys.argv[1:]:
    name, _, value = setting.partition("=")
    os.environ[name] = value
    config.reload_config()
    levels.level.cache_clear()
    print(code_cache.settings())
    del os.environ[name]
"""
    found = run_python(script, *(f"{name}={value}" for name, value in OTHER_SETTINGS.items())).splitlines()
    assert len(set(found)) == len(found) == 1 + len(OTHER_SETTINGS)


# Compiles some C callbacks, and ends as `PROGRAM` does.
CALLBACKS = """
from numba.core import event
with event.install_recorder("numba:run_pass") as recorder:
    import numpy as np
    import fastbp
    from fastbp.formulations.array_functions import cost_functions
    made = [cost_functions(fastbp.Huber(2.0), fastbp.functions.activations.ACTIVATIONS[name], np.dtype("float64"))
            for name in ("tanh", "elu")]
print(len(recorder.buffer))
print(len(made))
"""


def test_two_processes_fill_an_empty_cache_at_once(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent), "FASTBP_CACHE": str(tmp_path)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CALLBACKS],
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(2)
    ]
    for process in processes:
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        assert out.splitlines()[-1] == "2"
    assert run(tmp_path, script=CALLBACKS) == (0, "2")
    assert files_of(tmp_path) == sorted(path for path in tmp_path.rglob("*") if path.is_file())


def test_machine_code_of_other_sources_is_not_used(filled, tmp_path):
    """A copy of fastbp with another slope of leaky_relu runs with the cache of the original."""
    cache = tmp_path / "cache"
    shutil.copytree(filled[0], cache)
    kept = files_of(cache)
    shutil.copytree(PACKAGE, tmp_path / "fastbp", ignore=shutil.ignore_patterns("__pycache__"))
    source = tmp_path / "fastbp" / "functions" / "activations.py"
    text = source.read_text()
    assert "SLOPE = 0.01" in text
    source.write_text(text.replace("SLOPE = 0.01", "SLOPE = 0.5"))
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM, COMPILED[0], "predict"],
        cwd=tmp_path,
        text=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "FASTBP_CACHE": str(cache)},
        timeout=300,
    )
    assert process.returncode == 0, process.stderr
    passes, result = process.stdout.splitlines()[-2:]
    assert int(passes) > 0 and result != filled[1]
    assert set(kept) < set(files_of(cache))
    assert run(cache) == (0, filled[1])  # the old machine code is still right


def test_parameters_of_a_cost_are_not_in_its_machine_code(tmp_path):
    """Three processes, one after the other, share one cache."""
    script = """
import sys, fastbp
cost = fastbp.Huber(float(sys.argv[1]))
net = fastbp.Network([1, 1], cost=cost, initializer="zeros", dtype="float64", formulation="loops")
print(net.evaluate([[0.0]], [[-3.0]]).cost)
"""
    copy_machine_code(tmp_path)
    costs = [run_python(script, delta, FASTBP_CACHE=str(tmp_path)) for delta in ("0.5", "2.0", "0.5")]
    assert costs == ["1.375", "4.0", "1.375"]


def test_no_two_functions_of_costs_and_activations_have_one_name(monkeypatch):
    """Machine code on disk calls other functions by name: one of the same name would be called instead."""
    made = {}

    def njit(function, **options):
        bound = [function.__globals__.get(name) for name in function.__code__.co_names]
        called = [(getattr(f, "__module__", None), getattr(f, "__qualname__", None)) for f in bound]
        what = function.__code__, called, str(options)
        assert made.setdefault(f"{function.__module__}.{function.__qualname__}", what) == what
        return function

    def user(name):
        twin = compile_options.rebind(lambda a, y: 0.0, name)
        twin.__module__ = "of_a_user"
        return twin

    monkeypatch.setattr(array_functions, "njit", njit)
    monkeypatch.setattr(array_functions, "address", lambda *_, **options: options["on_disk"])
    # So that later tests do not get these results, which are no addresses.
    monkeypatch.setattr(array_functions, "_address", array_functions._address.__wrapped__)
    dtype, costs = np.dtype("float64"), {name: COSTS[name] for name in COSTS}
    costs["of a user"] = fastbp.Cost(
        "mine", user("quadratic"), user("quadratic_prime"), second_derivative=user("quadratic_second")
    )
    for cost, sigma in itertools.product(costs.values(), ACTIVATIONS.values()):
        if cost.refusal(sigma) is None:
            array_functions.cost_functions(cost, sigma, dtype)
            for kind in ("hessian", "gauss_newton"):
                array_functions.error_tangent_function(cost, sigma, dtype, kind)
    assert len(made) > 40


def test_serial_variants_for_python_and_for_loops_have_names_of_their_own():
    """Machine code on disk is found by name, and a variant for loops has no entry for Python."""
    from fastbp.compiler.variants import serial_variant
    from fastbp.formulations.tiles import steps as tile_steps

    names = [serial_variant(tile_steps.errors, inside=inside).py_func.__qualname__ for inside in (False, True)]
    assert len(set(names)) == 2

"""Machine code on disk: made once, never stale, and never in the way. Every process here is a new Python."""

import itertools
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
from conftest import COMPILED, PACKAGE, run_python

import fastbp
from fastbp.compiler import code_cache
from fastbp.compiler import options as compile_options
from fastbp.compiler.user_functions import named_by_content
from fastbp.formulations import array_functions
from fastbp.functions import elementary
from fastbp.functions.activations import ACTIVATIONS
from fastbp.functions.costs import COSTS

# Every compilation, also of C callbacks, goes through Numba's passes. The last line is what was computed.
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


def run(cache, what="predict", script=PROGRAM, formulation=COMPILED[0], **environment):
    """How often Numba ran a pass, and the result."""
    passes, result = run_python(script, formulation, what, FASTBP_CACHE=str(cache), **environment).splitlines()[-2:]
    return int(passes), result


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A cache after one process has fitted and predicted, and what it computed."""
    cache = tmp_path_factory.mktemp("cache")
    passes, result = run(cache, "fit")
    assert passes > 0
    _, predicted = run(cache)
    return cache, result, predicted


def files_of(cache: Path) -> list[Path]:
    return sorted(cache.rglob("*.machinecode"))


def test_a_second_process_compiles_nothing(filled):
    cache, result, _ = filled
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*")}
    assert run(cache, "fit") == (0, result)
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*")} == before


def test_files_are_whole_and_one_for_each_function(filled):
    cache, _, _ = filled
    everything = [path for path in cache.rglob("*") if path.is_file()]
    assert len(everything) > 10 and files_of(cache) == sorted(everything)


def test_parallel_loops_are_kept_too(filled):
    """They are the ones that name Numba's thread pool."""
    cache, _, predicted = filled
    script = PROGRAM.replace(
        "import fastbp\n",
        "import fastbp\n    from fastbp.compiler.threads import PARALLEL_FROM\n"
        "    PARALLEL_FROM.update(omp=0, tbb=0, workqueue=0)\n",
        1,
    )
    assert run(cache, script=script)[1] == predicted
    assert run(cache, script=script) == (0, predicted)


DAMAGES = {
    "empty": lambda content: b"",
    "truncated": lambda content: content[: len(content) // 2],
    "last byte missing": lambda content: content[:-1],
    "junk": lambda content: b"\x80\x05junk" * 100,
    "pickle of something else": lambda content: b"\x80\x04K\x01.",
    "text": lambda content: b"This is no machine code.",
}


def test_damaged_files_are_compiled_anew(filled, tmp_path):
    """Each of them in another way, among them those of C callbacks and of loops."""
    cache = tmp_path / "cache"
    shutil.copytree(filled[0], cache)
    names = ("leaky_relu", "quadratic", "identity", "forward_rows", "forward_sample", "layer", "weights", "biases")
    damaged = [path for path in files_of(cache) if path.name.startswith(names)]
    assert len(damaged) >= len(DAMAGES)
    for i, path in enumerate(damaged):
        path.write_bytes(list(DAMAGES.values())[i % len(DAMAGES)](path.read_bytes()))
    passes, predicted = run(cache)
    assert passes > 0 and predicted == filled[2]
    assert run(cache) == (0, filled[2])  # and written anew


# What is warned of goes behind the result, in a line of its own.
WARNED = """
import sys, warnings
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
""" + "\n".join(f"    {line}" for line in PROGRAM.splitlines())
WARNED += """
print(len(warned), *(f"{each.category.__name__}: {each.message}" for each in warned))
"""


def test_a_folder_that_cannot_be_written_is_the_same_as_none_and_told_once(tmp_path):
    """A plain file stands where the folder would be: that stops root too."""
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    _, result, warned = run_python(WARNED, COMPILED[0], "fit", FASTBP_CACHE=str(blocked / "cache")).splitlines()
    assert result and warned.startswith("1 RuntimeWarning: fastbp cannot keep the machine code")
    assert str(blocked / "cache") in warned and "FASTBP_CACHE" in warned and "half a minute" in warned
    assert os.listdir(tmp_path) == ["file"]


def test_a_warning_that_is_an_error_leaves_all_else_right(tmp_path):
    """It comes out of the first call that compiles; the second one does not know of it."""
    script = """
import warnings
warnings.simplefilter("error")
import fastbp
def cost():
    return fastbp.Network([2, 2, 1], cost="quadratic", initializer="zeros", seed=0).evaluate([[1, 1]], [[2]]).cost
try:
    cost()
except RuntimeWarning as warning:
    print("told" if "FASTBP_CACHE" in str(warning) else warning)
print(cost())
"""
    (tmp_path / "file").write_text("not a folder")
    told, number = run_python(script, FASTBP_CACHE=str(tmp_path / "file" / "cache")).splitlines()
    assert (told, float(number)) == ("told", 2.0)


def test_a_folder_that_cannot_be_written_is_read(filled):
    """One for all users, say, which holds all that is needed. Nothing is told then."""
    cache, _, predicted = filled
    script = WARNED.replace("import sys, warnings", "import sys, warnings, os\nos.access = lambda *_: False", 1)
    before = files_of(cache)
    assert run_python(script, COMPILED[0], "predict", FASTBP_CACHE=str(cache)).splitlines()[-3:] == [
        "0",
        predicted,
        "0",
    ]
    assert files_of(cache) == before


def test_a_file_that_cannot_be_written_is_compiled_all_the_same(filled, tmp_path):
    """The disk is full, say; nothing unfinished is left."""
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
    assert missing and passes > 0 and predicted == filled[2]
    assert sorted(path for path in cache.rglob("*") if path.is_file()) == before


# What each of Numba's settings may be besides what it is here.
OTHER_SETTINGS = {"NUMBA_OPT": "1", "NUMBA_LOOP_VECTORIZE": "0", "NUMBA_SLP_VECTORIZE": "1", "NUMBA_DEBUGINFO": "1",
                  "NUMBA_BOUNDSCHECK": "1", "NUMBA_CPU_NAME": "generic", "NUMBA_LLVM_REFPRUNE_PASS": "0"}  # fmt: skip


def test_files_are_named_by_all_settings_that_change_machine_code(monkeypatch):
    class Codegen:
        def magic_tuple(self):
            return ("this machine",)

    def name():
        return code_cache.MachineCodeCache(test_two_processes_fill_an_empty_cache_at_once)._file("()", Codegen())

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
    script = "from fastbp.compiler.code_cache import settings; print(settings())"
    found = [run_python(script)] + [run_python(script, **{name: v}) for name, v in OTHER_SETTINGS.items()]
    assert len(set(found)) == len(found)


def test_two_processes_fill_an_empty_cache_at_once(tmp_path, filled):
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent), "FASTBP_CACHE": str(tmp_path)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, COMPILED[0], "predict"],
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
        assert out.splitlines()[-1] == filled[2]
    assert run(tmp_path) == (0, filled[2])
    assert files_of(tmp_path) == sorted(path for path in tmp_path.rglob("*") if path.is_file())


def test_machine_code_of_other_sources_is_not_used(filled, tmp_path):
    """A copy of fastbp with another slope of leaky_relu, and the cache of this one."""
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
    assert int(passes) > 0 and result != filled[2]
    assert set(kept) < set(files_of(cache))
    assert run(cache) == (0, filled[2])  # and the old one is still right


@pytest.fixture
def copied_sources(tmp_path, monkeypatch):
    """`source_digest` of a copy of the sources that may be changed."""
    for folder in code_cache.COMPILED:
        shutil.copytree(PACKAGE / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(code_cache, "__file__", str(tmp_path / "compiler" / "code_cache.py"))
    return tmp_path


def test_the_digest_is_of_all_compiled_sources(copied_sources):
    digest = code_cache.source_digest.__wrapped__
    seen = {digest()}
    assert digest() in seen
    for path in sorted(copied_sources.rglob("*.py")):
        path.write_bytes(path.read_bytes() + b"\n")
        assert digest() not in seen, path
        seen.add(digest())
    (copied_sources / "cli").mkdir()
    for path, counts in (("cli/new.py", False), ("formulations/tiles/new.py", True)):
        before = digest()
        (copied_sources / path).write_text("")
        assert (digest() != before) == counts


@pytest.fixture
def folder(monkeypatch):
    """`cache_folder`, which looks anew at each call."""
    monkeypatch.setattr(code_cache, "_folders", code_cache._folders.__wrapped__)
    return code_cache.cache_folder.__wrapped__


def test_the_folder_is_named_by_sources_and_versions(folder, monkeypatch, tmp_path):
    monkeypatch.setenv("FASTBP_CACHE", str(tmp_path))
    first = folder()
    assert first == folder() and first.parent == tmp_path and first.is_dir()
    monkeypatch.setattr(code_cache, "source_digest", lambda: "of other sources")
    assert folder() != first
    seen = {first, folder()}
    for package in (code_cache.numba, code_cache.llvmlite, code_cache.np):
        monkeypatch.setattr(package, "__version__", "0.0")
        assert folder() not in seen
        seen.add(folder())


def test_old_folders_are_removed_when_a_new_one_is_made(folder, monkeypatch, tmp_path):
    monkeypatch.setenv("FASTBP_CACHE", str(tmp_path))
    for age in range(20):
        (tmp_path / f"machinecode-{age}").mkdir()
        (tmp_path / f"machinecode-{age}" / "code").touch()
        os.utime(tmp_path / f"machinecode-{age}", (1e9 - age, 1e9 - age))
    (tmp_path / "machinery").mkdir()
    youngest = {f"machinecode-{age}" for age in range(code_cache.FOLDERS_KEPT - 1)}
    new = folder()
    assert set(os.listdir(tmp_path)) == {new.name, "machinery", *youngest}
    (tmp_path / "machinecode-9").mkdir()
    assert folder() == new and (tmp_path / "machinecode-9").is_dir()  # it is there: nothing is looked at


def test_machine_code_lies_beside_the_sources_of_a_checkout_only(folder, monkeypatch, tmp_path):
    """So pip removes an installed package whole: nothing of it remains that Python would import as `fastbp`."""
    package, user = tmp_path / "fastbp", tmp_path / "user" / "fastbp"
    (package / "compiler").mkdir(parents=True)
    monkeypatch.delenv("FASTBP_CACHE", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(user.parent))
    monkeypatch.setattr(code_cache, "__file__", str(package / "compiler" / "code_cache.py"))
    monkeypatch.setattr(code_cache, "source_digest", lambda: "none")
    project = tmp_path / "pyproject.toml"
    assert folder().parent == user
    project.write_text('[project]\nname = "another"\n')
    assert folder().parent == user
    project.write_bytes(b"\xff")
    assert folder().parent == user
    assert os.listdir(package) == ["compiler"]
    project.write_text('[project]\nname = "fastbp"\n')
    assert folder().parent == package / "__pycache__"
    shutil.rmtree(package / "__pycache__")
    (package / "__pycache__").write_text("no folder")
    assert folder().parent == user
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", no_home)
    assert folder() is None


def no_home():
    raise RuntimeError("Could not determine home directory.")


def test_parameters_of_a_cost_are_not_in_its_machine_code(tmp_path):
    """In one process after the other, over one cache."""
    script = """
import sys, fastbp
print(fastbp.Network([1, 1], cost=fastbp.Huber(float(sys.argv[1])), initializer="zeros", dtype="float64").evaluate(
    [[0.0]], [[-3.0]]).cost)
"""
    costs = [run_python(script, delta, FASTBP_CACHE=str(tmp_path)) for delta in ("0.5", "2.0", "0.5")]
    assert costs == ["1.375", "4.0", "1.375"]


def test_no_two_functions_of_costs_and_activations_have_one_name(monkeypatch):
    """Machine code from the disk brings the functions it calls along, by name: another of that name would be called."""
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
    for name, function in vars(array_functions).copy().items():
        if hasattr(function, "cache_clear"):  # else others would be given these, which are no addresses
            monkeypatch.setattr(array_functions, name, function.__wrapped__)
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
    """The disk knows machine code by its name; that of the latter has no way in from Python."""
    from fastbp.compiler.variants import serial_variant
    from fastbp.formulations.tiles import steps as tile_steps

    names = [serial_variant(tile_steps.errors, inside=inside).py_func.__qualname__ for inside in (False, True)]
    assert len(set(names)) == 2


# A user's cost, whose functions refer to a constant, a global number, an array, another function and a closure.
USERS = """
import sys, math
from numba.core import event
with event.install_recorder("numba:run_pass") as recorder:
    import fastbp, numba
    import numpy as np
    SCALE, TABLE = 2.0, np.array([1.0, 3.0])
    @numba.njit
    def helper(x):
        return x * x
    def scaled(by):
        return lambda a, y: SCALE * by * helper(a - y) * TABLE[1]
    cost = fastbp.Cost("mine", scaled(0.5), lambda a, y: SCALE * (a - y) * TABLE[1])
    net = fastbp.Network([1, 1], cost=cost, initializer="zeros", dtype="float64")
    result = net.evaluate([[0.0]], [[3.0]]).cost, net.gradient([[0.0]], [[3.0]]).biases[0][0]
print(len(recorder.buffer), *result)
"""
CHANGES = {  # what is changed to what, and the cost and the gradient then
    "constant": ("scaled(0.5)", "scaled(1.5)", (81, -18)),
    "global number": ("SCALE, TABLE = 2.0", "SCALE, TABLE = 4.0", (54, -36)),
    "array": ("[1.0, 3.0]", "[1.0, 5.0]", (45, -30)),
    "helper": ("return x * x", "return x * x * x", (-81, -18)),
    "its options": ("@numba.njit", "@numba.njit(fastmath=True)", (27, -18)),
    "code": ("SCALE * by *", "SCALE + by *", (83 / 2 - 26, -18)),
}


def test_a_users_functions_are_kept_by_their_content(tmp_path):
    """In `__main__` and without a source file, as in a notebook."""

    def passes_and_result(script=USERS):
        passes, *result = map(float, run_python(script, FASTBP_CACHE=str(tmp_path)).split())
        return passes, tuple(result)

    passes, result = passes_and_result()
    assert passes > 0 and result == (27, -18)
    assert passes_and_result() == (0, (27, -18))
    for what, (old, new, expected) in CHANGES.items():
        before = files_of(tmp_path)
        assert old in USERS
        passes, result = passes_and_result(USERS.replace(old, new))
        assert passes > 0 and result == pytest.approx(expected), what
        assert set(files_of(tmp_path)) > set(before), what
    assert passes_and_result() == (0, (27, -18))


def content(function):
    copy = named_by_content(function)
    return copy and copy.__name__


def test_digests_know_what_a_function_refers_to(monkeypatch):
    def of(value):
        return content(lambda a: (value, a))

    values = [
        *(0, False, 0.0, -0.0, 1, True, "0", b"0", None, (), (0,), (0.0,), ((0,),), 1j, frozenset({1}), np.float32(1)),
        *(np.float64(1), np.int8(1), np.zeros(2), np.zeros((2, 1)), np.zeros((2, 2)), np.zeros((2, 2), order="F")),
        *(math.sin, math.cos, np.sin, abs, math, np, float, np.float32, elementary.exp, elementary.log),
    ]
    names = [of(value) for value in values]
    assert None not in names and len(set(names)) == len(names)
    assert names == [of(value) for value in values]
    unknown = [object(), [], {}, os, test_digests_know_what_a_function_refers_to, np.zeros(2**20), np.array([None])]
    assert {of(value) for value in unknown} == {None}
    assert len({content(lambda a, b=1: a), content(lambda a, b=2: a), content(lambda a, *, b=2: a)}) == 3
    assert content(lambda a: max(a, (lambda: 1)())) != content(lambda a: max(a, (lambda: 2)()))


def test_a_function_that_calls_itself_or_imports_has_no_digest():
    @numba.njit
    def itself(n):
        return 1 if n < 2 else n * itself(n - 1)

    def imports(a):
        import os

        return a * len(os.sep)

    assert content(lambda a: itself(a)) is None and content(itself.py_func) is None and content(imports) is None


def test_what_has_no_digest_works_and_is_not_kept(tmp_path):
    script = USERS.replace("TABLE[1]", "TABLE[1] * BOX.number").replace("SCALE, TABLE", "BOX, SCALE, TABLE")
    script = script.replace("= 2.0, np", "= types.ModuleType('box'), 2.0, np").replace(
        "import sys", "import types, sys"
    )
    script = script.replace("    def scaled", "    BOX.number = 1.0\n    def scaled")
    for _ in range(2):
        passes, *result = map(float, run_python(script, FASTBP_CACHE=str(tmp_path)).split())
        assert passes > 0 and result == [27, -18]
    assert not list(tmp_path.rglob("users_*")) and files_of(tmp_path)


def test_only_so_many_files_of_users_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(code_cache, "USERS_FILES_KEPT", 2)
    for age in range(5):
        (tmp_path / f"users_{age}.machinecode").touch()
        os.utime(tmp_path / f"users_{age}.machinecode", (1e9 - age, 1e9 - age))
    (tmp_path / "ours.machinecode").touch()
    os.utime(tmp_path / "ours.machinecode", (0, 0))

    class Data:
        class library:
            has_dynamic_globals = False

        class codegen:
            magic_tuple = tuple

        def _reduce(self):
            return ()

    def users_new():
        pass

    monkeypatch.setattr(code_cache, "cache_folder", lambda: tmp_path)
    code_cache.MachineCodeCache(users_new).save_overload("()", Data())
    new, *rest = sorted(os.listdir(tmp_path), key=lambda name: not name.startswith("users_new"))
    assert new.startswith("users_new") and sorted(rest) == ["ours.machinecode", "users_0.machinecode"]

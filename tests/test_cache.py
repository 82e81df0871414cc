"""Machine code on disk: made once, never stale, and never in the way. Every process here is a new Python."""

import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import COMPILED, PACKAGE, run_python

import fastbp
from fastbp.kernels import array_functions, compile_options
from fastbp.kernels.activations import ACTIVATIONS
from fastbp.kernels.costs import COSTS

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
        "import fastbp\n    from fastbp.kernels.threads import PARALLEL_FROM\n"
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


def test_a_folder_that_cannot_be_written_is_the_same_as_none(tmp_path):
    """A plain file stands where the folder would be: that stops root too."""
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    passes, result = run(blocked / "cache")
    assert passes > 0 and result
    assert os.listdir(tmp_path) == ["file"]


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
        "    from fastbp.kernels import compile_options\n    def full(*_):\n        raise OSError(28, 'full')\n"
        "    compile_options.os.replace = full\n    result =",
        1,
    )
    passes, predicted = run(cache, script=script)
    assert missing and passes > 0 and predicted == filled[2]
    assert sorted(path for path in cache.rglob("*") if path.is_file()) == before


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
    source = tmp_path / "fastbp" / "kernels" / "activations.py"
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
    for folder in ("kernels", "formulations"):
        shutil.copytree(PACKAGE / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(compile_options, "__file__", str(tmp_path / "kernels" / "compile_options.py"))
    return tmp_path


def test_the_digest_is_of_all_compiled_sources(copied_sources):
    digest = compile_options.source_digest.__wrapped__
    seen = {digest()}
    assert digest() in seen
    for path in sorted(copied_sources.glob("*/*.py")):
        path.write_bytes(path.read_bytes() + b"\n")
        assert digest() not in seen, path
        seen.add(digest())
    (copied_sources / "kernels" / "new.py").write_text("")
    assert digest() not in seen


def test_the_folder_is_named_by_sources_and_versions(monkeypatch, tmp_path):
    folder = compile_options.cache_folder.__wrapped__
    monkeypatch.setenv("FASTBP_CACHE", str(tmp_path))
    first = folder()
    assert first == folder() and first.parent == tmp_path and first.is_dir()
    monkeypatch.setattr(compile_options, "source_digest", lambda: "of other sources")
    assert folder() != first
    second = folder()
    monkeypatch.setattr(compile_options.numba, "__version__", "0.0")
    assert folder() not in (first, second)


def test_old_folders_are_removed_when_a_new_one_is_made(monkeypatch, tmp_path):
    folder = compile_options.cache_folder.__wrapped__
    monkeypatch.setenv("FASTBP_CACHE", str(tmp_path))
    for age in range(20):
        (tmp_path / f"machinecode-{age}").mkdir()
        (tmp_path / f"machinecode-{age}" / "code").touch()
        os.utime(tmp_path / f"machinecode-{age}", (1e9 - age, 1e9 - age))
    (tmp_path / "machinery").mkdir()
    youngest = {f"machinecode-{age}" for age in range(compile_options.FOLDERS_KEPT - 1)}
    new = folder()
    assert set(os.listdir(tmp_path)) == {new.name, "machinery", *youngest}
    (tmp_path / "machinecode-9").mkdir()
    assert folder() == new and (tmp_path / "machinecode-9").is_dir()  # it is there: nothing is looked at


def test_machine_code_lies_beside_the_sources_of_a_checkout_only(monkeypatch, tmp_path):
    """So pip removes an installed package whole: nothing of it remains that Python would import as `fastbp`."""
    package, user = tmp_path / "fastbp", tmp_path / "user" / "fastbp"
    (package / "kernels").mkdir(parents=True)
    monkeypatch.delenv("FASTBP_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(user.parent))
    monkeypatch.setattr(compile_options, "__file__", str(package / "kernels" / "compile_options.py"))
    folder, project = compile_options.cache_folder.__wrapped__, tmp_path / "pyproject.toml"
    assert folder().parent == user
    project.write_text('[project]\nname = "another"\n')
    assert folder().parent == user
    project.write_bytes(b"\xff")
    assert folder().parent == user
    assert os.listdir(package) == ["kernels"]
    project.write_text('[project]\nname = "fastbp"\n')
    assert folder().parent == package / "__pycache__"
    shutil.rmtree(package / "__pycache__")
    (package / "__pycache__").write_text("no folder")
    assert folder().parent == user
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    monkeypatch.setattr(compile_options.Path, "home", no_home)
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
    monkeypatch.setattr(array_functions, "compile_callback", lambda *_, **options: options["on_disk"])
    monkeypatch.setattr(array_functions, "_address", array_functions._address.__wrapped__)
    dtype, costs = np.dtype("float64"), {name: COSTS[name] for name in COSTS}
    costs["of a user"] = fastbp.Cost(
        "mine", user("quadratic"), user("quadratic_prime"), second_derivative=user("quadratic_second")
    )
    for cost, sigma in itertools.product(costs.values(), ACTIVATIONS.values()):
        if cost.refusal(sigma) is None:
            array_functions.cost_functions.__wrapped__(cost, sigma, dtype)
            for kind in ("hessian", "gauss_newton"):
                array_functions.error_tangent_function.__wrapped__(cost, sigma, dtype, kind)
    assert len(made) > 40


def test_twins_for_python_and_for_loops_have_names_of_their_own():
    """The disk knows machine code by its name; that of the latter has no way in from Python."""
    from fastbp.formulations import tile_steps
    from fastbp.formulations.compiled import _serial

    twins = [_serial(tile_steps, "errors", called_by).py_func.__qualname__ for called_by in ("TWIN", "INNER_TWIN")]
    assert len(set(twins)) == 2

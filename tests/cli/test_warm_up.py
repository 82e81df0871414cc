"""``fastbp warm-up``: what it compiles, where, and the wheel that brings it along."""

import base64
import csv
import hashlib
import io
import json
import math
import os
import zipfile
from pathlib import Path

import common_test_calls
import pytest
from conftest import END_WHERE_IT_COMPILES, PACKAGE, TESTS, run_python

from fastbp.cli import common_calls, warm_up, wheel
from fastbp.cli.program import main
from fastbp.compiler import code_cache, levels, together


@pytest.mark.parametrize("dtype", warm_up.DTYPES)
@pytest.mark.parametrize("call", common_calls.CALLS, ids=lambda call: call.__name__)
def test_every_common_call_works(call, dtype):
    call(dtype)


FIRST_PROGRAM = """
from numba.core import event
passes = event.install_recorder("numba:run_pass")
with passes as recorder:
    import fastbp
    X, Y, X_test, Y_test = fastbp.load_digits()[:4]
    for dtype in ("float32", "float64"):
        net = fastbp.Network([64, 30, 10], cost="cross_entropy", dtype=dtype, seed=0)
        net.fit(X, Y, epochs=1, validation_data=(X_test, Y_test))
        net.predict(X)
        net.predict(X[:1])
        net.jacobian(X[:2])
        net.input_gradient(X[:2], Y[:2])
        net.hessian_vector_product(X[:2], Y[:2], net.parameters)
    net = fastbp.Network([64, 3, 10], output_activation="sigmoid", cost="quadratic", dtype="float64", seed=0)
    net.fit(X[:50], Y[:50], epochs=1, optimizer=fastbp.LevenbergMarquardt())
print(len(recorder.buffer), fastbp.__file__)
"""


def test_a_first_program_compiles_nothing_after_them():
    calls = common_calls.training, common_calls.many_zeros, common_calls.derivatives, common_calls.full_batch
    for call in calls:
        for dtype in warm_up.DTYPES:
            call(dtype)
    assert run_python(FIRST_PROGRAM).split()[0] == "0"


TABLE = """
from numba.core import event
passes = event.install_recorder("numba:run_pass")
with passes as recorder:
    from fastbp.cli.program import main
    assert main(["train", "t.csv", "--target", "y", "--quiet"]) == main(["predict", "t.safetensors", "t.csv"]) == 0
print(len(recorder.buffer))
"""


@pytest.mark.parametrize("target", [lambda i: "ab"[i % 3 == 0], lambda i: 2.5 * i, lambda i: (i % 7) ** 2.5])
def test_a_table_compiles_nothing_after_them(folder, target):
    """With classes, a linear start, or none."""
    for call in (common_calls.training, common_calls.options_of_fit, common_calls.several_threads, common_calls.tables):
        call("float32")
    lines = [f"{i},{i * 37 % 101},{'?' if i % 9 == 0 else i % 5},{target(i)}" for i in range(200)]
    Path("t.csv").write_text("\n".join(["x,z,v,y", *lines]))
    assert run_python(TABLE).split()[-1] == "0"


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """Let the common calls be two that compile nothing, and the folder one that is empty."""
    monkeypatch.setattr(warm_up, "CALLS", {json.dumps: 2, repr: 1})
    monkeypatch.setattr(together, "cores", lambda: 2)
    return tmp_path / "folder"


def test_the_folder_is_said(quick, capsys, monkeypatch):
    folder = quick / code_cache.folder_name()
    folder.mkdir(parents=True)
    (folder / "one.machinecode").write_bytes(b"x" * 200_000)
    assert main(["warm-up", "--folder", str(quick)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{folder}: 1 files, 0.2 MB, ")
    monkeypatch.setattr(warm_up, "_in_processes", lambda units, *_: [True] * len(units))  # for each level
    assert main(["warm-up", "--folder", str(quick), "--quiet", "--level", "all"]) == 0
    assert capsys.readouterr().out == ""


SQUARES = """
import numpy as np
from numba.core import event
passes = event.install_recorder("numba:run_pass")
with passes as recorder:
    from common_test_calls import squares
    squares("float64")
print(len(recorder.buffer))
"""


def test_the_machine_code_of_levels_is_in_the_folder(quick, monkeypatch):
    """Whoever has the folder as its cache, at one of these levels, compiles nothing."""
    monkeypatch.setattr(warm_up, "CALLS", {common_test_calls.squares: 1})
    asked = dict(list(levels.names().items())[-2:])
    assert main(["warm-up", "--folder", str(quick), "--dtype", "float64", "--level", ",".join(asked), "--quiet"]) == 0
    made = [path.name.rpartition("-")[0] for path in quick.rglob("*.machinecode")]
    assert made and sorted(made) == sorted(len(asked) * [*{*made}])  # each function for each level
    path = f"{PACKAGE.parent}{os.pathsep}{TESTS}"
    for name in asked.values():
        environment = {"NUMBA_CPU_NAME": name} if name else {}
        assert run_python(SQUARES, FASTBP_CACHE=str(quick), PYTHONPATH=path, **environment) == "0"


def test_calls_that_fail_are_named(quick, monkeypatch, capsys):
    monkeypatch.setattr(warm_up, "CALLS", {math.sqrt: 1})
    monkeypatch.setattr(together, "cores", lambda: 1)
    assert main(["warm-up", "--folder", str(quick), "--dtype", "float64"]) == 2
    assert f"sqrt in float64 for {levels.level().name} could not be compiled" in capsys.readouterr().err


def test_where_no_process_can_be_started_it_says_so(quick, monkeypatch, capsys):
    monkeypatch.setattr(together, "start_worker", lambda *_, **__: None)
    assert main(["warm-up", "--folder", str(quick)]) == 2
    assert "none can be started here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--level", "x86-64-v9"], "--level x86-64-v9: this machine runs machine code of "),
        (["--folder", "x", "--wheel", "x.whl"], "both --folder and --wheel are given"),
        (["--wheel", "x.whl"], "x.whl is no plain wheel: build one with 'pip wheel --no-deps .'"),
        (["--wheel", "x-py3-none-any.whl"], "x-py3-none-any.whl: No such file"),
        (["--dtype", "float16"], "invalid choice: 'float16'"),
    ],
)
def test_what_cannot_be_done_is_said(arguments, words, folder, capsys):
    assert main(["warm-up", *arguments]) == 2
    assert words in capsys.readouterr().err


def plain_wheel(folder: Path) -> Path:
    """A wheel of the sources that are running."""
    path = folder / "fastbp-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for source in sorted(PACKAGE.rglob("*")):
            if source.is_file() and "__pycache__" not in source.parts:
                archive.write(source, source.relative_to(PACKAGE.parent))
        about = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        archive.writestr("fastbp-0.1.0.dist-info/WHEEL", about)
        archive.writestr("fastbp-0.1.0.dist-info/RECORD", "fastbp-0.1.0.dist-info/RECORD,,\n")
    return path


PREDICTION = """
from numba.core import event
passes = event.install_recorder("numba:run_pass")
with passes as recorder:
    import fastbp
    fastbp.Network([3, 4, 2], seed=0, formulation="loops").predict([[1, 2, 3]])
print(len(recorder.buffer), fastbp.__file__)
"""


def test_a_wheel_brings_the_machine_code_along(tmp_path):
    passes, _ = run_python(PREDICTION, FASTBP_CACHE=str(tmp_path / "cache")).split()
    assert int(passes) > 0
    plain = plain_wheel(tmp_path)
    wheel.check_sources(plain)
    made = wheel.with_machine_code(plain, tmp_path / "cache" / code_cache.folder_name())
    assert made.name == f"fastbp-0.1.0-{wheel.platform_tag()}.whl" and plain.exists()
    with zipfile.ZipFile(made) as archive:
        names = set(archive.namelist())
        rows = list(csv.reader(io.StringIO(archive.read("fastbp-0.1.0.dist-info/RECORD").decode())))
        about = archive.read("fastbp-0.1.0.dist-info/WHEEL").decode()
        assert {name for name, *_ in rows} == names
        for name, digest, size in rows[:-1]:
            content = archive.read(name)
            hashed = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            assert (digest, size) == (f"sha256={hashed}", str(len(content)))
        assert rows[-1] == ["fastbp-0.1.0.dist-info/RECORD", "", ""]
        archive.extractall(tmp_path / "installed")
    assert f"Tag: {wheel.platform_tag()}" in about and "Root-Is-Purelib: false" in about
    installed = {
        "PYTHONPATH": str(tmp_path / "installed"),
        "FASTBP_CACHE": str(tmp_path / "empty"),
        "PYTHONSAFEPATH": "1",
    }
    passes, place = run_python(PREDICTION, **installed).split()
    assert (passes, place) == ("0", str(tmp_path / "installed" / "fastbp" / "__init__.py"))
    said = run_python(END_WHERE_IT_COMPILES + PREDICTION, **installed, NUMBA_OPT="1").split()
    assert said == ["1", "compiles"]  # the machine code is of other settings


def test_a_wheel_of_other_sources_is_refused(tmp_path):
    plain = plain_wheel(tmp_path)
    with zipfile.ZipFile(plain, "a") as archive:
        archive.writestr("fastbp/compiler/new.py", "")
    with pytest.raises(ValueError, match=r"another fastbp/compiler/new\.py than the fastbp that is running"):
        wheel.check_sources(plain)

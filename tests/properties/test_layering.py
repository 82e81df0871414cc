"""Imports point down only, and `import fastbp` costs no more than it must."""

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PACKAGE, run_python

PROJECT = PACKAGE.parent / "pyproject.toml"


def test_the_contract_of_import_linter_holds(tmp_path):
    pytest.importorskip("importlinter", reason="import-linter is not installed")
    if not PROJECT.exists():
        pytest.skip("fastbp is installed without its pyproject.toml")
    program = shutil.which("lint-imports", path=str(Path(sys.executable).parent)) or shutil.which("lint-imports")
    assert program, "import-linter is installed without its command"
    process = subprocess.run(
        [program, "--config", str(PROJECT), "--no-cache"],
        cwd=PROJECT.parent,
        text=True,
        capture_output=True,
        timeout=120,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    assert "Imports point down only KEPT" in process.stdout


def test_importing_fastbp_imports_nothing_optional_and_compiles_nothing():
    script = """
import json, sys
from numba.core import event
with event.install_recorder("numba:compile") as compiles, event.install_recorder("numba:run_pass") as passes:
    before = set(sys.modules)
    import fastbp
    import fastbp.formulations, fastbp.network.network
later = {"fastbp.comparison", "fastbp.training.plan", "fastbp.formulations.tiles.formulation"}
assert not later & set(sys.modules)  # imported when first needed
assert fastbp.compare and {"EarlyStopping", "Population", "Network"} <= set(dir(fastbp))
print(json.dumps([sorted({name.split(".")[0] for name in set(sys.modules) - before}),
                  len(compiles.buffer), len(passes.buffer)]))
"""
    modules, compiles, passes = json.loads(run_python(script))
    assert "fastbp" in modules
    assert not set(modules) & {
        "matplotlib", "tqdm", "sklearn", "torch", "pandas", "IPython", "safetensors", "onnx", "keras",
    }  # fmt: skip
    assert (compiles, passes) == (0, 0)


def test_numpy_numba_and_tqdm_are_all_that_is_needed(tmp_path):
    """Training with a progress line, saving, loading and predicting work when nothing else can be imported."""
    script = """
import sys

MISSING = {"matplotlib", "sklearn", "torch", "scipy", "pandas", "hypothesis", "pytest", "safetensors", "onnx"}

class Only:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in MISSING:
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Only())
import io, fastbp

class Terminal(io.StringIO):
    isatty = lambda self: True

sys.stderr = Terminal()
for formulation in fastbp.formulations.FORMULATIONS:
    net = fastbp.Network([2, 3, 2], activation="gelu", cost="cross_entropy", formulation=formulation)
    for optimizer in (fastbp.Adam(), fastbp.ConjugateGradient(), fastbp.LBFGS()):
        net.fit([[0, 1], [1, 0]], [0, 1], epochs=2, optimizer=optimizer)
    net.save(sys.argv[1], training_state=True)
    fastbp.load(sys.argv[1]).predict([[0, 1]])
print("fine")
"""
    assert run_python(script, str(tmp_path / "net")) == "fine"


def test_modules_import_numpy_and_numba_at_most():
    """Optional packages are imported where they are used. Numba may import SciPy itself, so the sources are read."""
    allowed = {*sys.stdlib_module_names, "fastbp", "numpy", "numba", "llvmlite"}
    for path in PACKAGE.rglob("*.py"):
        door = (
            {"sklearn", "scipy", "joblib"} if path.parent.name in ("sklearn", "tabular") else set()
        )  # their users have these packages
        for statement in ast.parse(path.read_text(encoding="utf-8")).body:
            names = []
            if isinstance(statement, ast.Import):
                names = [alias.name for alias in statement.names]
            if isinstance(statement, ast.ImportFrom) and not statement.level:
                names = [statement.module]
            assert {name.split(".")[0] for name in names} <= allowed | door, path.name


def test_the_lowest_floor_knows_nothing_of_what_is_above():
    """A part of the contract, also checked where import-linter is not installed."""
    paths = list((PACKAGE / "compiler").glob("*.py"))
    assert len(paths) > 5
    known = "from fastbp.compiler", "from fastbp.disk import", "from fastbp.memory import"
    for path in paths:
        imported = [line for line in path.read_text().splitlines() if line.startswith(("from fastbp", "import fastbp"))]
        assert all(line.startswith(known) for line in imported), path.name
